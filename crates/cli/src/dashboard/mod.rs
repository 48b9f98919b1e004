//! `crossfade dashboard`: one page on loopback, with what `list` and `status` print, and buttons that do what the commands do.
//!
//! What it owns: the page, who may see it, and the one who looks for all who see it. What it must never do: know anything of a
//! deployment that the commands do not tell, or change anything by another way than theirs.

mod act;
mod feed;
mod gate;
mod history;
mod http;
pub(crate) mod offers;
mod simulated;

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::args::{Dashboard, Output, Stack};
use crate::console::printed;
use crate::explain::explain;
use crate::installed::{Installed, on};
use crate::say::{Problem, line};

use act::act;
use feed::{Feed, Told, Viewers};
use gate::Gate;
use http::{Asked, Site, Wish, serve};

/// How many wishes wait; more of them are kept waiting.
const WISHES: usize = 16;

pub(crate) fn run(stack: &Stack, options: &Dashboard) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        installed.introduce(Output::Text).await;
        // Whoever has no installation here is told so before a browser is.
        installed.open().await?;
        let listener = listen(options.port).await?;
        let here = |error: std::io::Error| Problem::Here(error.to_string());
        let port = listener.local_addr().map_err(here)?.port();
        let gate = Gate::new(port, options.actions).map_err(here)?;
        line(&format!("The dashboard is at {}", gate.link()));
        line(if options.actions {
            "The link works once; another one follows. Its buttons act with your credentials. Ctrl-C ends it."
        } else {
            "The link works once; another one follows. It is read-only; --actions lets its buttons act. Ctrl-C ends it."
        });
        let viewers = Arc::new(Viewers::default());
        let (tell, told) = watch::channel(Told::default());
        let (ask, asked) = mpsc::channel(WISHES);
        let next = |gate: &Gate| line(&format!("Opened. For another browser: {}", gate.link()));
        let site = Site { gate, viewers: viewers.clone(), told, asked: ask, signed_in: Box::new(next) };
        tokio::select! {
            () = serve(Arc::new(site), listener) => {}
            () = Feed::new(installed, viewers, tell).run() => {}
            () = do_all(installed, asked, &options.by) => {}
            stopped = tokio::signal::ctrl_c() => stopped.map_err(here)?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn listen(port: u16) -> Result<TcpListener, Problem> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|error| {
        Problem::Usage(format!("Cannot listen on {address} ({error}). Choose another --port; 0 takes a free one."))
    })
}

/// Does what pages ask for, several at once: nobody who stops a deployment waits for what somebody else has asked for.
async fn do_all(installed: &Installed, mut asked: mpsc::Receiver<Asked>, by: &str) {
    let mut doing = FuturesUnordered::new();
    loop {
        tokio::select! {
            wish = asked.recv() => {
                let Some(Asked { wish, answer }) = wish else { return };
                doing.push(async move {
                    let done = match done(installed, &wish, by).await {
                        Err(Problem::Aws(failure)) => Err(explain(failure, installed).await),
                        other => other,
                    };
                    // Whoever asked may be gone.
                    let _ = answer.send(done.map_err(|problem| problem.to_string()));
                });
            }
            Some(()) = doing.next(), if !doing.is_empty() => {}
        }
    }
}

async fn done(installed: &Installed, wish: &Wish, by: &str) -> Result<String, Problem> {
    match wish {
        Wish::Act(wish) => act(installed, wish, by).await,
        Wish::Console { deployment, member } => {
            Ok(json!(printed(installed, Some(deployment), member).await?).to_string())
        }
    }
}
