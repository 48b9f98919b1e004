//! Functions that end without an answer, whatever the platform calls it: that is nobody's decision, and stops no rollback.

use std::sync::Arc;

use crossfade_local::Outcome;
use crossfade_sim::lambda::{Functions, Invocation, function_name};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_tests::faults::kind::DEATHS;
use crossfade_tests::{REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

/// Lets every invocation die that is to ask somebody, on the way forward or back: before it has done anything, or afterwards.
struct Speechless {
    functions: Arc<dyn Functions>,
    direction: &'static str,
    death: &'static str,
    has_asked: bool,
}

impl Functions for Speechless {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let asks = function_name(function) == "approve" && payload.get("taskToken").is_some();
        if asks && payload["progress"]["direction"] == self.direction {
            let (error, cause) = (self.death.into(), "RequestId: 0 Error: Runtime exited".into());
            let asked = self.has_asked.then(|| self.functions.invoke(function, payload));
            return Box::pin(async move {
                if let Some(asked) = asked {
                    asked.await;
                }
                Invocation::Platform { error, cause }
            });
        }
        self.functions.invoke(function, payload)
    }
}

async fn speechless(direction: &'static str, death: &'static str, has_asked: bool) -> (Outcome, String, Vec<String>) {
    let scene = Scene::new(ShopOptions { requests_per_second: 2.0, ..ShopOptions::default() });
    let functions = scene.sim.functions();
    scene.sim.set_functions(Arc::new(Speechless { functions, direction, death, has_asked }));
    let document = scene.document_with(|d| d["rollback"] = json!({ "approval": { "timeoutMinutes": 30 } }));
    let ended = scene.play("speechless", &document, REJECT).await;
    ended.lost_nothing();
    scene.is_as_before();
    let of = format!("approval#{direction}#");
    for (key, asked) in
        scene.installation.records("deployment#speechless").into_iter().filter(|(sk, _)| sk.starts_with(&of))
    {
        // Whoever looks sees nothing asked that nobody can answer any more.
        assert_eq!((&asked["decision"], &asked["taskToken"]), (&json!("reject"), &json!("")), "{key}: {asked:#}");
        assert_eq!(asked["by"], "nobody, who could not be asked", "{key}: {asked:#}");
    }
    (ended.summary.outcome, ended.cause().to_owned(), ended.log)
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_could_be_asked_is_not_taken_for_a_no() {
    for death in DEATHS {
        for has_asked in [false, true] {
            let (outcome, cause, _) = speechless("deploy", death, has_asked).await;
            assert_eq!(outcome, Outcome::FailedClean, "{death}: {cause}");
            assert!(cause.contains("The approval could not be asked for"), "{death}: {cause}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_waits_for_nobody_who_cannot_be_asked() {
    for death in DEATHS {
        for has_asked in [false, true] {
            let (outcome, cause, log) = speechless("rollback", death, has_asked).await;
            assert_eq!(outcome, Outcome::FailedClean, "{death}: {cause}");
            assert!(log.iter().any(|line| line.starts_with("Nobody looks at what is left: ")), "{death}: {log:#?}");
        }
    }
}
