//! The dashboard without a browser: who is let in, what they get, and what is computed for them. In a browser: tests/browser.

use std::sync::Arc;

use crossfade_core::document::Decision;
use crossfade_steps::Status;
use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::act::Act;
use super::feed::{Detail, Told, Viewers};
use super::gate::{Gate, Let};
use super::history::recorded;
use super::http::{Asked, FILES, Site, Wish, serve};
use super::offers::{Deed, Offer, offers};
use crate::view::theatre::{Theatre, example};
use crate::view::{Entry, View};

const PORT: u16 = 4600;

fn gate(actions: bool) -> Gate {
    Gate::new(PORT, actions).expect("there is randomness")
}

/// The link's path, with its token.
fn path(gate: &Gate) -> String {
    gate.link().split_once(&format!(":{PORT}")).expect("it has a port").1.to_owned()
}

fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> http::request::Parts {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("it is a request").into_parts().0
}

/// The cookie of whoever has used the link.
fn cookie(gate: &Gate) -> String {
    match gate.admit(&head("GET", &path(gate), &[("host", "127.0.0.1:4600")])) {
        Ok(Let::SignIn(cookie)) => cookie.split(';').next().expect("it has a value").to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_is_let_in_without_what_the_link_gives_and_the_link_works_once() {
    let gate = gate(true);
    let host = ("host", "127.0.0.1:4600");
    let status = |path: &str, headers: &[(&str, &str)]| gate.admit(&head("GET", path, headers)).map_err(|it| it.status);
    let link = path(&gate);
    assert_eq!(status("/", &[host]), Err(StatusCode::UNAUTHORIZED));
    assert_eq!(status("/?token=00000000000000000000000000000000", &[host]), Err(StatusCode::UNAUTHORIZED));
    assert_eq!(status("/?token=", &[host]), Err(StatusCode::UNAUTHORIZED));
    assert_eq!(
        status(&link.replace("/?", "/events?"), &[host]),
        Err(StatusCode::UNAUTHORIZED),
        "it is for the page alone"
    );
    let Ok(Let::SignIn(set)) = status(&link, &[host]) else { panic!("the link works") };
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    assert_eq!(status(&link, &[host]), Err(StatusCode::UNAUTHORIZED), "once");
    assert!(matches!(status(&path(&gate), &[host]), Ok(Let::SignIn(_))), "the next one works");
    let cookie = set.split(';').next().expect("it has a value");
    for path in ["/", "/app.js", "/events?deployment=shop-42"] {
        assert_eq!(status(path, &[host, ("cookie", &format!("other=1; {cookie}"))]), Ok(Let::See), "{path}");
    }
    let wrong = cookie.replace(|c: char| c.is_ascii_digit(), "0");
    assert_eq!(status("/", &[host, ("cookie", &wrong)]), Err(StatusCode::UNAUTHORIZED));
    assert!(!set.contains(gate.page_token()) && !link.contains(gate.page_token()));
}

#[test]
fn another_name_or_another_site_is_refused_with_the_cookie_too() {
    let gate = gate(true);
    let cookie = cookie(&gate);
    let status = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let own = [
            ("cookie", cookie.as_str()),
            ("content-type", "application/json"),
            ("x-crossfade-token", gate.page_token()),
        ];
        gate.admit(&head(method, path, &[&own[..], headers].concat())).map_err(|it| it.status)
    };
    for host in ["evil.example:4600", "127.0.0.1", "127.0.0.1:80", "localhost:4601", "127.0.0.1:4600.evil.example"] {
        assert_eq!(status("GET", "/", &[("host", host)]), Err(StatusCode::MISDIRECTED_REQUEST), "{host}");
    }
    assert_eq!(status("GET", "/", &[]), Err(StatusCode::MISDIRECTED_REQUEST), "no name at all");
    for host in ["127.0.0.1:4600", "localhost:4600"] {
        let own = format!("http://{host}");
        assert_eq!(status("GET", "/", &[("host", host)]), Ok(Let::See));
        assert_eq!(status("POST", "/act", &[("host", host), ("origin", &own)]), Ok(Let::Act));
        assert_eq!(status("POST", "/act", &[("host", host)]), Err(StatusCode::FORBIDDEN), "who acts says from where");
        for origin in ["null", "http://evil.example", "https://127.0.0.1:4600", "http://127.0.0.1:4601"] {
            assert_eq!(
                status("POST", "/act", &[("host", host), ("origin", origin)]),
                Err(StatusCode::FORBIDDEN),
                "{origin}"
            );
            assert_eq!(
                status("GET", "/events", &[("host", host), ("origin", origin)]),
                Err(StatusCode::FORBIDDEN),
                "{origin}"
            );
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(
                status("GET", "/events", &[("host", host), ("sec-fetch-site", site)]),
                Err(StatusCode::FORBIDDEN)
            );
            assert_eq!(
                status("GET", "/", &[("host", host), ("sec-fetch-site", site)]),
                Ok(Let::See),
                "a link may lead here"
            );
        }
    }
    assert_eq!(status("DELETE", "/", &[("host", "127.0.0.1:4600")]), Err(StatusCode::METHOD_NOT_ALLOWED));
}

#[test]
fn who_acts_needs_the_page_s_token_and_actions() {
    let act = |gate: &Gate, headers: &[(&str, &str)]| {
        let cookie = cookie(gate);
        let own = [("host", "127.0.0.1:4600"), ("origin", "http://127.0.0.1:4600"), ("cookie", cookie.as_str())];
        gate.admit(&head("POST", "/act", &[&own[..], headers].concat())).map_err(|it| it.status)
    };
    let json = ("content-type", "application/json");
    let acts = gate(true);
    let token = ("x-crossfade-token", acts.page_token());
    assert_eq!(act(&acts, &[json, token]), Ok(Let::Act));
    assert_eq!(act(&acts, &[json]), Err(StatusCode::FORBIDDEN));
    assert_eq!(act(&acts, &[json, ("x-crossfade-token", "0")]), Err(StatusCode::FORBIDDEN));
    assert_eq!(act(&acts, &[token, ("content-type", "text/plain")]), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    let looks = gate(false);
    assert_eq!(act(&looks, &[json, ("x-crossfade-token", looks.page_token())]), Err(StatusCode::FORBIDDEN));
}

/// A text that does harm wherever it becomes markup, a line of events, or a header.
const CANARY: &str = "<img src=x onerror=alert(1)></script>\"'&amp;\n\nevent: hello\ndata: {}\r\n";

/// A dashboard on a free port, and what it is asked.
async fn dashboard(actions: bool) -> (String, Arc<Site>, mpsc::Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
    let port = listener.local_addr().expect("it has one").port();
    let detail = Detail {
        json: json!({ "deploymentId": CANARY }).to_string(),
        log: vec![Entry { at_millis: 1, line: CANARY.into() }],
    };
    let told = Told {
        overview: Some(json!({ "deployments": [CANARY] }).to_string().into()),
        deployments: [("a b".to_owned(), Arc::new(detail))].into(),
        trouble: Some(CANARY.into()),
    };
    let (ask, asked) = mpsc::channel(1);
    let site = Arc::new(Site {
        gate: Gate::new(port, actions).expect("there is randomness"),
        viewers: Arc::new(Viewers::default()),
        told: watch::channel(told).1,
        asked: ask,
        signed_in: Box::new(|_| ()),
    });
    tokio::spawn(serve(site.clone(), listener));
    (format!("127.0.0.1:{port}"), site, asked)
}

/// What is answered until `end` was read, or the connection ends.
async fn answered(host: &str, request: &str, end: Option<&str>) -> String {
    let mut stream = TcpStream::connect(host).await.expect("it listens");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while end.is_none_or(|end| !text.contains(end)) {
        let read = stream.read(&mut bytes).await.expect("it answers");
        if read == 0 {
            break;
        }
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    text
}

fn get(host: &str, path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n{more}connection: close\r\n\r\n")
}

async fn signed_in(host: &str, site: &Site) -> String {
    let link = site.gate.link();
    let path = link.split_once(host).expect("it leads here").1;
    let answer = answered(host, &get(host, path, ""), None).await;
    assert!(answer.starts_with("HTTP/1.1 303 ") && answer.contains("\r\nlocation: /\r\n"), "{answer}");
    let cookie = answer.split_once("set-cookie: ").expect("it gives a cookie").1.split(';').next();
    format!("cookie: {}\r\n", cookie.expect("it has a value"))
}

#[tokio::test]
async fn the_page_is_a_fixed_text_under_a_strict_policy_and_what_comes_from_outside_is_data() {
    let (host, site, _asked) = dashboard(true).await;
    let cookie = signed_in(&host, &site).await;
    for (path, ..) in FILES {
        let answer = answered(&host, &get(&host, path, &cookie), None).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        for part in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ",
            "require-trusted-types-for 'script'",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
        ] {
            assert!(answer.contains(part), "{path}: {part} is missing");
        }
        for secret in [site.gate.page_token(), "alert(1)", cookie.trim().split_once('=').expect("it has a value").1] {
            assert!(!answer.contains(secret), "{path} holds {secret}");
        }
        assert!(answered(&host, &get(&host, path, ""), None).await.starts_with("HTTP/1.1 401 "), "{path}");
    }
    let told = answered(&host, &get(&host, "/events?deployment=a%20b", &cookie), Some("event: alive\n")).await;
    assert!(told.contains("content-type: text/event-stream"), "{told}");
    let names: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["hello", "overview", "deployment", "log", "trouble", "alive"], "no text becomes an event");
    let data: Vec<serde_json::Value> = told
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    assert_eq!(data[1]["deployments"][0], CANARY);
    assert_eq!(data[3]["lines"][0]["line"], CANARY);
}

#[test]
fn the_page_has_no_way_to_make_markup_from_text() {
    for (path, content_type, text) in FILES {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
            "http://",
            "https://",
        ] {
            let known = text.replace("http://www.w3.org/2000/svg", "");
            assert!(!known.contains(way), "{path} has {way}");
        }
        if content_type.starts_with("text/html") {
            let inline = ["<style", " style=", "<script>", " onclick=", "javascript:"];
            assert!(inline.iter().all(|way| !text.contains(way)), "{path} has something inline");
        }
    }
}

#[tokio::test]
async fn what_a_page_asks_for_is_done_and_answered_and_nothing_where_it_only_looks() {
    let wish =
        r#"{"act": "deployment", "deed": "approve", "deployment": "shop-42", "stage": 5, "comment": "as before"}"#;
    let post = |host: &str, cookie: &str, site: &Site, body: &str| {
        let (token, length) = (site.gate.page_token(), body.len());
        format!(
            "POST /act HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\n{cookie}x-crossfade-token: {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
    };
    let (host, site, mut asked) = dashboard(true).await;
    let cookie = signed_in(&host, &site).await;
    tokio::spawn(async move {
        while let Some(Asked { wish, answer }) = asked.recv().await {
            let approves = matches!(&wish, Wish::Act(Act::Deployment { deed: Deed::Approve, stage: Some(5), .. }));
            let _ = answer.send(if approves { Ok(CANARY.into()) } else { Err("Somebody was faster.".into()) });
        }
    });
    let done = answered(&host, &post(&host, &cookie, &site, wish), None).await;
    assert!(done.starts_with("HTTP/1.1 200 ") && done.contains("content-type: application/json"), "{done}");
    let body = done.split_once("\r\n\r\n").expect("it has a body").1;
    assert_eq!(serde_json::from_str::<serde_json::Value>(body).expect("it is JSON")["message"], CANARY);
    let refused = answered(&host, &post(&host, &cookie, &site, r#"{"act": "unfreeze"}"#), None).await;
    assert!(refused.starts_with("HTTP/1.1 409 ") && refused.contains("Somebody was faster."), "{refused}");
    for wrong in ["", "{}", r#"{"act": "deployment"}"#, r#"{"act": "unfreeze", "all": true}"#, r#"{"act": "delete"}"#] {
        let answer = answered(&host, &post(&host, &cookie, &site, wrong), None).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{wrong}: {answer}");
    }
    let (host, site, mut asked) = dashboard(false).await;
    let cookie = signed_in(&host, &site).await;
    let refused = answered(&host, &post(&host, &cookie, &site, wish), None).await;
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("--actions"), "{refused}");
    assert!(asked.try_recv().is_err(), "nothing was asked for");
}

#[tokio::test]
async fn a_console_is_read_for_whoever_may_see_and_asked_for_it_and_for_nobody_else() {
    let (host, site, mut asked) = dashboard(false).await;
    let cookie = signed_in(&host, &site).await;
    tokio::spawn(async move {
        while let Some(Asked { wish, answer }) = asked.recv().await {
            let Wish::Console { deployment, member } = wish else { panic!("nothing else is asked for") };
            let _ = answer.send(match member.as_str() {
                "i-0a b" => Ok(json!({ "of": deployment, "text": CANARY }).to_string()),
                other => Err(format!("There is no {other}.")),
            });
        }
    });
    let path = "/console?deployment=shop-42&member=i-0a%20b";
    let shown = answered(&host, &get(&host, path, &cookie), None).await;
    assert!(shown.starts_with("HTTP/1.1 200 ") && shown.contains("content-type: application/json"), "{shown}");
    assert!(shown.contains("cache-control: no-store"), "{shown}");
    let body: serde_json::Value =
        serde_json::from_str(shown.split_once("\r\n\r\n").expect("it has a body").1).expect("JSON");
    assert_eq!(body, json!({ "of": "shop-42", "text": CANARY }));
    let missing = answered(&host, &get(&host, "/console?member=x", &cookie), None).await;
    assert!(missing.starts_with("HTTP/1.1 409 ") && missing.contains(r#"{"problem":"There is no x."}"#), "{missing}");
    assert!(
        answered(&host, &get(&host, path, ""), None).await.starts_with("HTTP/1.1 401 "),
        "nobody without the cookie"
    );
    let foreign = answered(&host, &get(&host, path, &format!("{cookie}sec-fetch-site: cross-site\r\n")), None).await;
    assert!(foreign.starts_with("HTTP/1.1 403 "), "no other site: {foreign}");
}

fn of(offers: &[Offer], deed: Deed) -> &Offer {
    offers.iter().find(|offer| offer.deed == deed).expect("no button is ever absent")
}

#[tokio::test(start_paused = true)]
async fn a_button_says_what_it_will_do_or_why_it_cannot() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    let asks = theatre.asks("shop-42").await;
    let offered = offers(&asks, &[5, 4]);
    let approve = of(&offered, Deed::Approve);
    assert_eq!((approve.label.as_str(), approve.stage, &approve.void), ("Approve stage 5", Some(5), &None));
    assert_eq!(approve.will[0], "6. Shift 50 % to shop__7: shop-a 50 : shop-b 50");
    assert!(approve.will.contains(&"It asks nothing more.".to_owned()), "{:#?}", approve.will);
    let back = "The traffic goes back at once: shop-a 100 : shop-b 0, now shop-a 90 : shop-b 10.";
    for deed in [Deed::Reject, Deed::Abort] {
        let offer = of(&offered, deed);
        assert!(offer.void.is_none() && offer.typed.is_none(), "an emergency exit needs no typing: {offer:#?}");
        assert!(offer.will.iter().any(|will| will == back), "{:#?}", offer.will);
    }
    let void = |deed, offered: &[Offer]| of(offered, deed).void.clone().unwrap_or_default();
    assert_eq!(void(Deed::Rollback, &offered), "It asks: reject, and it goes back");
    assert!(void(Deed::Accept, &offered).contains("it runs"));
    assert_eq!(void(Deed::ResetWeights, &offered), "There are no weights to set back: it runs");
    assert_eq!(void(Deed::Resume, &offered), "It is not paused: it runs");
    assert_eq!(void(Deed::Promote, &offered), "No pause of its document comes any more");
    assert_eq!(void(Deed::Retry, &offered), "It has not ended: it runs");

    theatre.decide("shop-42", Decision::Approve).await;
    let over = theatre.over("shop-42").await;
    assert_eq!(over.status, Status::Succeeded);
    let offered = offers(&over, &[6, 5]);
    let back = of(&offered, Deed::Rollback);
    assert_eq!((back.typed.as_deref(), back.revisions.as_slice(), &back.void), (Some("shop"), &[6, 5][..], &None));
    assert!(back.will[0].contains("Revision 6 takes over again by the same 10 stages"), "{:#?}", back.will);
    for deed in [Deed::Approve, Deed::Reject, Deed::Abort, Deed::Accept, Deed::Pause, Deed::Resume, Deed::PromoteAll] {
        assert!(void(deed, &offered).contains("it has succeeded"), "{deed:?}");
    }
    let retry = of(&offered, Deed::Retry);
    assert_eq!((retry.typed.as_deref(), &retry.void), (Some("shop"), &None), "it moves what rests");
    assert!(retry.will[0].contains("with the document of shop-42"), "{:#?}", retry.will);
}

#[tokio::test(start_paused = true)]
async fn a_pause_says_where_it_stops_and_what_lets_it_go_on() {
    let theatre = Theatre::new();
    let mut document = example();
    document["strategy"] = json!({ "blueGreenShift": { "percents": [10, 50, 100], "pauseSeconds": 600 } });
    theatre.start("shop-42", &document);
    let runs = |name: &'static str| {
        move |view: &View| view.stage().is_some_and(|stage| stage.name.starts_with(name) && stage.millis.is_some())
    };
    let pauses = theatre.until("shop-42", runs("Pause"), |_| {}).await;
    let offered = offers(&pauses, &[]);
    let stop = of(&offered, Deed::Pause);
    assert_eq!(stop.void, None);
    assert!(stop.will[1].starts_with("Then it stops, before stage 6: Shift 50 %"), "{:#?}", stop.will);
    assert!(stop.will[2].contains("24:00:00 at most"), "{:#?}", stop.will);
    let promote = of(&offered, Deed::Promote);
    assert_eq!(promote.void, None);
    assert!(promote.will[0].contains("ends within two minutes"), "{:#?}", promote.will);
    let all = of(&offered, Deed::PromoteAll);
    assert!(all.will.iter().any(|will| will.starts_with("Stage 7 ends as it begins: Pause")), "{:#?}", all.will);
    theatre.pause("shop-42", "latency looks odd").await;
    let stopping = theatre.view("shop-42").await.expect("it is there");
    let offered = offers(&stopping, &[]);
    let void = |deed, offered: &[Offer]| of(offered, deed).void.clone().unwrap_or_default();
    assert_eq!(void(Deed::Pause, &offered), "It stops already before its next stage: ann: latency looks odd");
    assert_eq!(of(&offered, Deed::Resume).will, ["It does not stop before its next stage."]);
    let stands = theatre.asks("shop-42").await;
    let offered = offers(&stands, &[]);
    assert_eq!(void(Deed::Pause, &offered), "It is paused already");
    assert_eq!(void(Deed::Approve, &offered), "It is paused: resume, and it goes on");
    let resume = of(&offered, Deed::Resume);
    assert_eq!(resume.void, None);
    assert!(resume.will[0].starts_with("6. Shift 50 %"), "{:#?}", resume.will);
    assert!(of(&offered, Deed::Reject).void.is_none(), "the way back is open");
    assert!(void(Deed::Promote, &offered).starts_with("It pauses later, at stage 7"), "{offered:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_stuck_is_kept_or_goes_back_by_whoever_types_what_they_mean() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    theatre.asks("shop-42").await;
    theatre.set_weights(30, 70).await;
    theatre.decide("shop-42", Decision::Approve).await;
    let stuck = theatre.over("shop-42").await;
    assert_eq!(stuck.status, Status::FailedDirty);
    let offered = offers(&stuck, &[]);
    for deed in [Deed::Rollback, Deed::ResetWeights, Deed::Accept] {
        let offer = of(&offered, deed);
        assert_eq!((&offer.void, offer.typed.as_deref()), (&None, Some("shop")), "{deed:?}");
    }
    let reset = of(&offered, Deed::ResetWeights);
    assert!(reset.command.ends_with("rollback shop-42 --reset-weights"), "{reset:?}");
    assert!(reset.will[0].ends_with(" is set back: shop-a 30 : shop-b 70."), "{:#?}", reset.will);
    assert_eq!(of(&offered, Deed::Accept).will[0], "Nothing in the account is changed.");
}

fn percents(view: &View, theatre: &Theatre) -> Vec<(Option<u32>, u32, u32)> {
    let records = theatre.records(&view.deployment_id).expect("they are there");
    let points = recorded(&records);
    assert!(points.is_sorted_by_key(|point| point.at_millis), "{points:#?}");
    let mut all: Vec<_> = points.iter().map(|it| (it.new_percent, it.old.desired, it.new.desired)).collect();
    all.dedup();
    all
}

#[tokio::test(start_paused = true)]
async fn what_happened_before_anybody_looked_is_told_by_the_records() {
    let theatre = Theatre::new();
    theatre.start("good", &example());
    theatre.asks("good").await;
    theatre.decide("good", Decision::Approve).await;
    let good = theatre.over("good").await;
    let shifted = [(0, 4, 0), (0, 4, 4), (10, 4, 4), (50, 4, 4), (100, 4, 4), (100, 0, 4)];
    assert_eq!(percents(&good, &theatre), shifted.map(|(percent, old, new)| (Some(percent), old, new)));

    let theatre = Theatre::new();
    theatre.start("bad", &example());
    theatre.asks("bad").await;
    theatre.decide("bad", Decision::Reject).await;
    let bad = theatre.over("bad").await;
    let back = percents(&bad, &theatre);
    assert_eq!(back[..3], [(Some(0), 4, 0), (Some(0), 4, 4), (Some(10), 4, 4)]);
    assert_eq!(back.last(), Some(&(Some(0), 4, 0)), "{back:#?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_ends_an_inspection_reads_that_before() {
    let theatre = Theatre::new();
    let mut document = example();
    document["rollback"] = json!({ "approval": { "timeoutMinutes": 30 } });
    theatre.start("shop-42", &document);
    theatre.asks("shop-42").await;
    theatre.decide("shop-42", Decision::Reject).await;
    let offered = offers(&theatre.until("shop-42", View::inspects, |_| {}).await, &[]);
    assert_eq!(of(&offered, Deed::Reject).will, ["The inspection ends, and the rollback goes on."], "{offered:#?}");
}
