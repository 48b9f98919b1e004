//! Who may see the page, and who may press its buttons: pure decisions about requests.
//!
//! The page listens on loopback, where every program of this machine and every site in the browser can reach it. So nothing is answered
//! without the cookie that the link from the terminal gives, and that link works once; nothing to a name that is not ours (a foreign
//! name that leads to 127.0.0.1 is one); nothing that another site lets a browser ask; and nothing is done without the token that only
//! the page has read.

use std::sync::{Mutex, PoisonError};

use http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

/// The header that bears the page's token.
pub(crate) const PAGE_TOKEN: &str = "x-crossfade-token";
/// The parameter of the link from the terminal.
const LINK: &str = "token=";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The status.
    pub(crate) status: StatusCode,
    /// For a person.
    pub(crate) why: &'static str,
}

/// What a request is let in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Let {
    /// It has used the link: this cookie, and on to the page.
    SignIn(String),
    /// It may see.
    See,
    /// It may act.
    Act,
}

/// The gate of one dashboard.
pub(crate) struct Gate {
    port: u16,
    actions: bool,
    session: String,
    page_token: String,
    link: Mutex<String>,
}

/// 32 characters that nobody can guess.
fn secret() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::getrandom(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether they are the same, in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

impl Gate {
    pub(crate) fn new(port: u16, actions: bool) -> std::io::Result<Self> {
        let link = Mutex::new(secret()?);
        Ok(Self { port, actions, session: secret()?, page_token: secret()?, link })
    }

    /// Whether its buttons do anything.
    pub(crate) fn actions(&self) -> bool {
        self.actions
    }

    /// The token that the page sends with every act.
    pub(crate) fn page_token(&self) -> &str {
        &self.page_token
    }

    /// The link that works once.
    pub(crate) fn link(&self) -> String {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        format!("http://127.0.0.1:{}/?{LINK}{link}", self.port)
    }

    /// Whether this request is let in, and for what.
    pub(crate) fn admit(&self, head: &Parts) -> Result<Let, Refused> {
        let refused = |status, why| Err(Refused { status, why });
        let host = text(&head.headers, HOST.as_str()).unwrap_or_default();
        if ![format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)].contains(&host.to_owned()) {
            return refused(StatusCode::MISDIRECTED_REQUEST, "This name is not the dashboard's.");
        }
        let acts = match head.method {
            Method::GET => false,
            Method::POST => true,
            _ => return refused(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST."),
        };
        let origin = text(&head.headers, ORIGIN.as_str());
        let ours = |origin: &str| origin == format!("http://{host}");
        if origin.map_or(acts, |origin| !ours(origin)) {
            return refused(StatusCode::FORBIDDEN, "Another site asks for this.");
        }
        // A link in a message may lead here; what another site embeds or fetches may not.
        let opens = head.uri.path() == "/" && !acts;
        let site = text(&head.headers, "sec-fetch-site").unwrap_or("none");
        if !opens && !["same-origin", "none"].contains(&site) {
            return refused(StatusCode::FORBIDDEN, "Another site asks for this.");
        }
        if let Some(token) = head.uri.query().and_then(|query| query.strip_prefix(LINK)).filter(|_| opens) {
            return self.sign_in(token);
        }
        if !cookies(&head.headers).any(|(name, value)| name == self.cookie() && same(value, &self.session)) {
            let why = "Open the link that crossfade dashboard has printed last. Each link works once.";
            return refused(StatusCode::UNAUTHORIZED, why);
        }
        if !acts {
            return Ok(Let::See);
        }
        if !self.actions {
            let why = "This dashboard is read-only. Start it with --actions to let its buttons act.";
            return refused(StatusCode::FORBIDDEN, why);
        }
        if !text(&head.headers, PAGE_TOKEN).is_some_and(|token| same(token, &self.page_token)) {
            return refused(StatusCode::FORBIDDEN, "The page's token is missing or wrong. Load the page again.");
        }
        match text(&head.headers, CONTENT_TYPE.as_str()) {
            Some("application/json") => Ok(Let::Act),
            _ => refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Expected application/json."),
        }
    }

    /// Uses the link up, and makes the next one.
    fn sign_in(&self, token: &str) -> Result<Let, Refused> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if !same(token, &link) {
            let why = "This link was used before, or is none. Open the one that crossfade dashboard has printed last.";
            return Err(Refused { status: StatusCode::UNAUTHORIZED, why });
        }
        let next = secret();
        *link =
            next.map_err(|_| Refused { status: StatusCode::INTERNAL_SERVER_ERROR, why: "There is no randomness." })?;
        Ok(Let::SignIn(format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie(), self.session)))
    }

    /// Cookies know no ports: each dashboard on this machine has its own.
    fn cookie(&self) -> String {
        format!("crossfade-{}", self.port)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
}
