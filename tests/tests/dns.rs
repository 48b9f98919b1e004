//! Traffic that is shifted by weighted records of a name in DNS, with resolvers that keep every answer to the last second, and clients
//! that keep addresses for longer.

use std::sync::Arc;

use crossfade_local::Outcome;
use crossfade_sim::world::sample::{Compute, Layout, NewImage, Records, ShopOptions};
use crossfade_tests::{APPROVE, REJECT, Scene};

fn named() -> ShopOptions {
    ShopOptions { compute: Compute::Services, layout: Layout::Named, ..ShopOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn s4_services_are_replaced_by_weights_of_records_and_no_request_is_lost() {
    for (seed, answer, outcome) in [(1, APPROVE, Outcome::Succeeded), (2, REJECT, Outcome::FailedClean)] {
        let scene = Scene::seeded(seed, named());
        let ended = scene.play("dns", &scene.document(), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{}\n{}", ended.cause(), ended.log.join("\n"));
        ended.lost_nothing();
        match answer {
            APPROVE => {
                assert_eq!(scene.weights(), (0, 100));
                assert_eq!(scene.size("shop__6").map(|(_, desired, _)| desired), Some(0));
                assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4));
            }
            _ => scene.is_as_before(),
        }
    }
}
