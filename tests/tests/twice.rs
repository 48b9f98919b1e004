//! Any step may run twice, or its answer get lost: every invocation of every function is made twice in a row, or fails the
//! first time before or after its work, and everything ends as it does once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crossfade_local::Outcome;
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::{ShopOptions, Source};
use crossfade_tests::{APPROVE, REJECT, Scene, Twice};
use futures_util::future::BoxFuture;
use serde_json::Value;

/// What the platform makes of the first attempt at each invocation.
#[derive(Clone, Copy, Debug)]
enum First {
    /// It never reaches the function.
    Refused,
    /// The function does its work, but nobody learns of it (P57).
    Unanswered,
}

/// Fails the first attempt at each invocation, told apart by function and payload.
struct Flaky {
    functions: Arc<dyn Functions>,
    first: First,
    seen: Mutex<BTreeSet<String>>,
}

impl Functions for Flaky {
    fn invoke(&self, function: &str, mut payload: Value) -> BoxFuture<'static, Invocation> {
        let invocation = self.functions.invoke(function, payload.clone());
        // Every attempt to ask has a token of its own.
        payload.as_object_mut().map(|fields| fields.remove("taskToken"));
        if !self.seen.lock().expect("nobody panicked").insert(format!("{function} {payload}")) {
            return invocation;
        }
        let platform = |error: &str| Invocation::Platform { error: error.into(), cause: "a fault of the test".into() };
        match self.first {
            First::Refused => Box::pin(async move { platform("Lambda.TooManyRequestsException") }),
            First::Unanswered => Box::pin(async move {
                invocation.await;
                platform("Lambda.Unknown")
            }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p57_every_first_attempt_may_fail_before_or_after_its_work() {
    for first in [First::Refused, First::Unanswered] {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(ShopOptions::default());
            let functions = scene.sim.functions();
            let flaky = Arc::new(Flaky { functions, first, seen: Mutex::default() });
            scene.sim.set_functions(flaky.clone());
            let ended = scene.play("flaky", &scene.document(), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{first:?}: {}\n{:#?}", ended.cause(), ended.log);
            ended.lost_nothing();
            assert!(flaky.seen.lock().expect("nobody panicked").len() > 12, "the faults did not strike");
            match outcome {
                Outcome::FailedClean => scene.is_as_before(),
                _ => assert_eq!((scene.weights(), scene.size("shop__6")), ((0, 100), Some((0, 0, 0)))),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_step_twice_ends_as_every_step_once() {
    for base in [Source::Pinned, Source::LaunchConfiguration] {
        for (answer, outcome) in [(APPROVE, Outcome::Succeeded), (REJECT, Outcome::FailedClean)] {
            let scene = Scene::new(ShopOptions { base, ..ShopOptions::default() });
            scene.sim.set_functions(Arc::new(Twice(scene.sim.functions())));
            let ended = scene.play("twice", &scene.document(), answer).await;
            assert_eq!(ended.summary.outcome, outcome, "{base:?}: {}\n{:#?}", ended.cause(), ended.log);
            ended.lost_nothing();
            if outcome == Outcome::FailedClean {
                scene.is_as_before();
            } else {
                assert_eq!(scene.weights(), (0, 100));
                assert_eq!(scene.size("shop__6"), Some((0, 0, 0)));
                assert_eq!(scene.size("shop__7"), Some((4, 4, 8)));
                scene.holds_no_lock();
            }
        }
    }
}
