//! Any step may run twice: every invocation of every function is made twice in a row, and everything ends as it does once.

use std::sync::Arc;

use crossfade_local::Outcome;
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::{ShopOptions, Source};
use crossfade_tests::{APPROVE, REJECT, Scene};
use futures_util::future::BoxFuture;
use serde_json::Value;

/// Invokes every function twice, one after the other, and answers what the second one says.
struct Twice(Arc<dyn Functions>);

impl Functions for Twice {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        let (first, second) = (self.0.invoke(function, payload.clone()), self.0.invoke(function, payload));
        // Asking twice would make two tokens of one; Step Functions itself does not repeat an answered task.
        Box::pin(async move {
            first.await;
            second.await
        })
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
