//! Hooks: what a hook is told, and what its answer means.
//!
//! The contract: an answer `{"verdict": "pass" | "fail" | "wait", "message", "retryAfterSeconds", "state", "facts"}`, as a function's
//! result or as the body of an endpoint's answer. What functions answer that were written for Amazon ECS (`hookStatus`, `callBackDelay`,
//! `hookDetails`) is understood, too. Absence of an answer is never a yes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::document::{Expect, Hook, Point};
use crate::observed::Fleet;
use crate::pattern;
use crate::plan::Direction;
use crate::snapshot::Snapshot;
use crate::text;

/// How long to wait before a hook is asked again that does not say so, in seconds, as Amazon ECS has it.
const USUAL_WAIT_SECONDS: u32 = 30;
/// The least and the most that it may say.
const LEAST_WAIT_SECONDS: u32 = 10;
const MOST_WAIT_SECONDS: u32 = 3600;
/// How many times in a row a function may fail before that is its answer.
pub const TRIES: u32 = 3;
/// The most bytes of what a hook wants to be told the next time.
const STATE_BYTES: usize = 32_000;
/// How much of an answer that nobody understands is repeated, in bytes.
const SHOWN_BYTES: usize = 1_000;

/// What a hook is told.
#[derive(Clone, Debug)]
pub struct Told<'a> {
    /// The deployment.
    pub deployment: &'a str,
    /// Its hook, by name.
    pub hook: &'a str,
    /// The point, unless the hook is a stage of its own.
    pub at: Option<Point>,
    /// The stage's name.
    pub stage: &'a str,
    /// The stage's place in its plan.
    pub index: usize,
    /// How many times the stage has failed and was tried again.
    pub tried: u32,
    /// Forward, or back.
    pub direction: Direction,
    /// Which time it is that the hook is called here; the first is 1.
    pub attempt: u32,
    /// How much of the traffic the candidate has, in percent, where it gets any by stages.
    pub traffic: Option<u32>,
    /// What was there before, and what is to come.
    pub snapshot: &'a Snapshot,
    /// What the hook has answered the last time, to be told.
    pub state: Option<&'a Value>,
    /// Why the deployment is rolled back.
    pub failure: Option<(&'a str, &'a str)>,
    /// What the document passes on.
    pub input: &'a Map<String, Value>,
}

impl Told<'_> {
    /// The same in every repetition, and of no other call.
    pub fn call_id(&self) -> String {
        // A stage that is tried again calls anew.
        let again = if self.tried > 0 { format!("/{}", self.tried) } else { String::new() };
        format!("{}/{}/{:03}/{}{again}", self.deployment, self.direction.name(), self.index, self.hook)
    }

    /// As it is sent.
    pub fn payload(&self) -> Value {
        let snapshot = self.snapshot;
        let fleet = |fleet: &Fleet| {
            json!({
                "name": fleet.name,
                "revision": fleet.revision,
                "desired": fleet.size.desired,
                "targetGroups": fleet.target_groups,
            })
        };
        let mut payload = json!({
            "version": 1,
            "callId": self.call_id(),
            "deployment": self.deployment,
            "infrastructure": snapshot.infrastructure.to_string(),
            "service": snapshot.infrastructure.service,
            "environment": snapshot.infrastructure.environment,
            "hook": self.hook,
            "at": self.at.map(Point::name),
            "stage": self.stage,
            "direction": self.direction.name(),
            "attempt": self.attempt,
            "trafficPercent": self.traffic,
            "candidate": {
                "name": snapshot.candidate,
                "revision": snapshot.revision,
                "image": snapshot.artifact,
                "desired": snapshot.asked.desired,
                "targetGroups": snapshot.test(),
            },
            "stable": snapshot.stable_fleets().into_iter().map(fleet).collect::<Vec<_>>(),
            "input": self.input,
        });
        if let Some(state) = self.state {
            payload["state"] = state.clone();
        }
        if let Some((error, cause)) = self.failure {
            payload["failure"] = json!({ "error": error, "cause": cause });
        }
        payload
    }
}

/// What came back from a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// A function has returned this.
    Returned(Value),
    /// A function has failed; in words.
    Raised(String),
    /// An endpoint has answered.
    #[serde(rename_all = "camelCase")]
    Answered {
        /// The HTTP status.
        status: u16,
        /// The header Retry-After, in seconds.
        retry_after: Option<u32>,
        /// The beginning of the body.
        body: String,
    },
    /// Nobody has answered; in words.
    Silent(String),
    /// It was not called: it may not be; in words.
    Forbidden(String),
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Yes.
    Passes(String),
    /// No.
    Fails(String),
    /// Not yet: the hook is asked again.
    Waits {
        /// In so many seconds.
        seconds: u32,
        /// Why.
        message: String,
        /// What it is told then.
        state: Option<Value>,
    },
    /// It is as if nobody had been asked; in words.
    Unheard(String),
}

/// Whether an endpoint's host is one of those that may be called, each a name or a pattern such as `*.example.com`.
pub fn allowed(url: &str, hosts: &[String]) -> bool {
    let host = url.strip_prefix("https://").unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
    // What stands before an @ is nobody's host.
    let plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:".contains(c));
    let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    plain && hosts.iter().any(|pattern| pattern::matches(&pattern.to_ascii_lowercase(), &name))
}

/// What a reply of a hook means.
pub fn judge(reply: Reply, hook: &Hook) -> Judgement {
    match reply {
        Reply::Returned(answer) => contract(&answer).unwrap_or_else(|| {
            Judgement::Fails(format!(
                "it answered {}, which says neither `verdict` nor `hookStatus`",
                text::cut(&answer.to_string(), SHOWN_BYTES)
            ))
        }),
        Reply::Raised(why) => Judgement::Unheard(format!("it failed: {}", text::cut(&why, SHOWN_BYTES))),
        Reply::Silent(why) => Judgement::Unheard(why),
        Reply::Forbidden(why) => Judgement::Fails(why),
        Reply::Answered { status, retry_after, body } => answered(status, retry_after, &body, hook),
    }
}

fn answered(status: u16, retry_after: Option<u32>, body: &str, hook: &Hook) -> Judgement {
    let http = hook.http.as_ref();
    let gate = http.is_some_and(|http| http.gate);
    let shown = |body: &str| text::one_line(body, SHOWN_BYTES);
    let after = retry_after.unwrap_or(USUAL_WAIT_SECONDS).clamp(LEAST_WAIT_SECONDS, MOST_WAIT_SECONDS);
    let said = |body: &str| if body.trim().is_empty() { String::new() } else { format!(": {}", shown(body)) };
    match status {
        202 | 429 | 503 => {
            let state = serde_json::from_str::<Value>(body).ok();
            // Whoever speaks the contract says more than a status does.
            match state.as_ref().and_then(contract) {
                Some(judgement) => judgement,
                None => {
                    Judgement::Waits { seconds: after, message: format!("HTTP {status}{}", said(body)), state: None }
                }
            }
        }
        403 if gate => {
            Judgement::Waits { seconds: after, message: format!("the gate is closed{}", said(body)), state: None }
        }
        200..=299 if body.trim().is_empty() => match http.and_then(|http| http.expect.as_ref()) {
            None => Judgement::Passes(format!("HTTP {status}")),
            Some(expect) => {
                Judgement::Fails(format!("HTTP {status} without a body, where {} was expected", words(expect)))
            }
        },
        200..=299 => match (serde_json::from_str::<Value>(body), http.and_then(|http| http.expect.as_ref())) {
            (Ok(answer), Some(expect)) => expected(&answer, expect),
            (Err(_), Some(expect)) => {
                Judgement::Fails(format!("HTTP {status} with {}, where {} was expected", shown(body), words(expect)))
            }
            (Ok(answer), None) => contract(&answer).unwrap_or_else(|| mute(status, &shown(body))),
            (Err(_), None) => mute(status, &shown(body)),
        },
        500..=599 => Judgement::Unheard(format!("HTTP {status}{}", said(body))),
        300..=399 => Judgement::Fails(format!(
            "HTTP {status}: it wants to be called elsewhere, and nobody follows. Give that address"
        )),
        _ => Judgement::Fails(format!("HTTP {status}{}", said(body))),
    }
}

fn mute(status: u16, body: &str) -> Judgement {
    Judgement::Fails(format!(
        "HTTP {status} with {body}, which says neither `verdict` nor `hookStatus`. Say with `http.expect` what is a yes, or let \
         it answer without a body"
    ))
}

fn words(expect: &Expect) -> String {
    let at = if expect.json.is_empty() { "the answer" } else { &expect.json };
    format!("{} = {}", at, text::cut(&expect.equals.to_string(), SHOWN_BYTES))
}

fn expected(answer: &Value, expect: &Expect) -> Judgement {
    match answer.pointer(&expect.json) {
        Some(found) if *found == expect.equals => Judgement::Passes(words(expect)),
        Some(found) => Judgement::Fails(format!(
            "{} was expected, and it is {}",
            words(expect),
            text::cut(&found.to_string(), SHOWN_BYTES)
        )),
        None => Judgement::Fails(format!("{} was expected, and there is no such field", words(expect))),
    }
}

/// What an answer says that speaks the contract, or that of hooks of Amazon ECS.
fn contract(answer: &Value) -> Option<Judgement> {
    let text_of = |key: &str| answer.get(key).and_then(Value::as_str);
    let (word, after, state) = match (text_of("verdict"), text_of("hookStatus")) {
        (Some(verdict), _) => (verdict, "retryAfterSeconds", "state"),
        (None, Some(status)) => (status, "callBackDelay", "hookDetails"),
        (None, None) => return None,
    };
    let mut message = text::one_line(text_of("message").unwrap_or_default(), text::COMMENT);
    if let Some(facts) = answer.get("facts").and_then(Value::as_object) {
        let facts: Vec<String> = facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let facts = text::one_line(&text::few(&facts), SHOWN_BYTES);
        message = if message.is_empty() { facts } else { format!("{message} ({facts})") };
    }
    let said = |word: &str| if message.is_empty() { word.to_owned() } else { message.clone() };
    Some(match word {
        "pass" | "SUCCEEDED" => Judgement::Passes(said("yes")),
        "fail" | "FAILED" => Judgement::Fails(said("it said no")),
        "wait" | "IN_PROGRESS" => {
            let seconds = answer.get(after).and_then(Value::as_f64).unwrap_or(f64::from(USUAL_WAIT_SECONDS));
            let seconds = seconds.clamp(f64::from(LEAST_WAIT_SECONDS), f64::from(MOST_WAIT_SECONDS));
            let state = answer.get(state).filter(|state| !state.is_null()).cloned();
            if state.as_ref().is_some_and(|state| state.to_string().len() > STATE_BYTES) {
                return Some(Judgement::Fails(format!("its state has more than {STATE_BYTES} bytes")));
            }
            Judgement::Waits { seconds: seconds.ceil() as u32, message: said("not yet"), state }
        }
        other => Judgement::Fails(format!(
            "it answered {:?}, where pass, fail or wait was expected",
            text::one_line(other, SHOWN_BYTES)
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Http;

    fn http(gate: bool, expect: Option<Expect>) -> Hook {
        let url = "https://tests.example.com/".into();
        Hook { http: Some(Http { url, authorization: None, sign: None, expect, gate }), ..Hook::default() }
    }

    fn returned(answer: Value) -> Judgement {
        judge(Reply::Returned(answer), &Hook::default())
    }

    fn answered(status: u16, body: &str, hook: &Hook) -> Judgement {
        judge(Reply::Answered { status, retry_after: None, body: body.into() }, hook)
    }

    fn fails(judgement: Judgement, words: &str) {
        match judgement {
            Judgement::Fails(why) => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?} is no no: {words}"),
        }
    }

    #[test]
    fn g5_a_yes_a_no_and_a_not_yet_are_told_from_each_other() {
        assert_eq!(returned(json!({ "verdict": "pass" })), Judgement::Passes("yes".into()));
        let pass = returned(json!({ "verdict": "pass", "message": "41 of 41", "facts": { "p99": 31 } }));
        assert_eq!(pass, Judgement::Passes("41 of 41 (p99 31)".into()));
        fails(returned(json!({ "verdict": "fail", "message": "checkout is broken" })), "checkout is broken");
        let waits = |seconds: u32, state: Option<Value>| Judgement::Waits { seconds, message: "not yet".into(), state };
        assert_eq!(returned(json!({ "verdict": "wait" })), waits(30, None));
        let later = json!({ "verdict": "wait", "retryAfterSeconds": 0.5, "state": { "run": 7 } });
        assert_eq!(returned(later), waits(10, Some(json!({ "run": 7 }))));
        assert_eq!(returned(json!({ "verdict": "wait", "retryAfterSeconds": 1e300 })), waits(3600, None));
    }

    #[test]
    fn g5_functions_that_were_written_for_ecs_are_understood() {
        assert_eq!(returned(json!({ "hookStatus": "SUCCEEDED" })), Judgement::Passes("yes".into()));
        fails(returned(json!({ "hookStatus": "FAILED" })), "it said no");
        let waits = returned(json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 60, "hookDetails": { "a": 1 } }));
        let state = Some(json!({ "a": 1 }));
        assert_eq!(waits, Judgement::Waits { seconds: 60, message: "not yet".into(), state });
    }

    #[test]
    fn g5_what_says_nothing_is_no_yes() {
        for nothing in [json!(null), json!("ok"), json!({}), json!({ "ok": true }), json!([{ "verdict": "pass" }])] {
            fails(returned(nothing), "neither `verdict` nor `hookStatus`");
        }
        fails(returned(json!({ "verdict": "PASS" })), "pass, fail or wait was expected");
        fails(returned(json!({ "verdict": "wait", "state": "x".repeat(40_000) })), "more than 32000 bytes");
        assert!(matches!(judge(Reply::Raised("boom".into()), &Hook::default()), Judgement::Unheard(_)));
        assert!(matches!(judge(Reply::Silent("reset".into()), &Hook::default()), Judgement::Unheard(_)));
        fails(judge(Reply::Forbidden("not this host".into()), &Hook::default()), "not this host");
    }

    #[test]
    fn g5_every_status_of_http_has_its_meaning() {
        let plain = http(false, None);
        assert_eq!(answered(204, " ", &plain), Judgement::Passes("HTTP 204".into()));
        assert_eq!(answered(200, r#"{"verdict": "pass"}"#, &plain), Judgement::Passes("yes".into()));
        fails(answered(200, r#"{"ok": true}"#, &plain), "Say with `http.expect` what is a yes");
        fails(answered(200, "fine", &plain), "HTTP 200 with fine");
        fails(answered(301, "", &plain), "nobody follows");
        fails(answered(404, "no such run", &plain), "HTTP 404: no such run");
        for later in [202, 429, 503] {
            assert!(matches!(answered(later, "", &plain), Judgement::Waits { seconds: 30, .. }), "{later}");
        }
        fails(answered(202, r#"{"verdict": "fail"}"#, &plain), "it said no");
        let after = Reply::Answered { status: 429, retry_after: Some(90), body: String::new() };
        assert!(matches!(judge(after, &plain), Judgement::Waits { seconds: 90, .. }));
        assert!(matches!(answered(500, "", &plain), Judgement::Unheard(_)));
        fails(answered(403, "", &plain), "HTTP 403");
        assert!(matches!(answered(403, "", &http(true, None)), Judgement::Waits { .. }));
    }

    #[test]
    fn g5_an_endpoint_without_the_contract_is_judged_by_a_field() {
        let ok = http(false, Some(Expect { json: "/result/ok".into(), equals: json!(true) }));
        assert_eq!(answered(200, r#"{"result": {"ok": true}}"#, &ok), Judgement::Passes("/result/ok = true".into()));
        fails(
            answered(200, r#"{"result": {"ok": "true"}}"#, &ok),
            "/result/ok = true was expected, and it is \"true\"",
        );
        fails(answered(200, r#"{"verdict": "pass"}"#, &ok), "there is no such field");
        fails(answered(200, "", &ok), "without a body");
        fails(answered(200, "true", &ok), "no such field");
    }
}
