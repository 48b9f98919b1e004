//! What AWS refuses, or does not answer.

use std::sync::Arc;

use crossfade_core::Kind;
use crossfade_core::plan::Direction;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Fault, Faults, Request};
use crossfade_tests::{APPROVE, Scene};

use crate::{AT_ONCE, ONE, interfered, shown, why};

/// Goes wrong whenever one of these functions makes a call.
struct Struck {
    operation: &'static str,
    callers: &'static [&'static str],
    fault: Fault,
}

impl Faults for Struck {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let strikes = request.operation == self.operation
            && request.caller.as_deref().is_some_and(|caller| self.callers.contains(&caller));
        strikes.then(|| self.fault.clone())
    }
}

fn refused(status: u16, code: &str, message: &str) -> Fault {
    Fault::Refuse { status, code: code.into(), message: message.into() }
}

/// Why the usual deployment fails when that call of these functions goes wrong until it is rolled back.
async fn struck(kind: Kind, operation: &'static str, callers: &'static [&'static str], fault: Fault) -> String {
    let scene = Scene::new(ShopOptions::default());
    scene.sim.set_faults(Some(Arc::new(Struck { operation, callers, fault })));
    let sim = scene.sim.clone();
    let see = move |happening: &Happening| {
        if matches!(&happening.what, What::StageStarted { direction: Direction::Rollback, .. }) {
            sim.set_faults(None);
        }
    };
    scene.watched(ONE, &scene.document(), Box::new(|_| APPROVE), see).await.lost_nothing();
    scene.is_as_before();
    why(&scene, ONE, kind)
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_a_denied_call_says() {
    let denied = refused(
        403,
        "AccessDenied",
        "User: arn:aws:sts::123456789012:assumed-role/crossfade-UpscaleRole/crossfade-upscale is not authorized to perform: \
         autoscaling:UpdateAutoScalingGroup on resource: shop__7 because no identity-based policy allows the \
         autoscaling:UpdateAutoScalingGroup action",
    );
    let said = struck(Kind::AccessDenied, "UpdateAutoScalingGroup", &["upscale"], denied).await;
    shown(Kind::AccessDenied, "AccessDenied", &said);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_an_exhausted_quota_says() {
    let limit = refused(400, "LimitExceeded", "You have reached your limit of Auto Scaling groups.");
    let said = struck(Kind::QuotaExceeded, "CreateAutoScalingGroup", &["setup"], limit).await;
    shown(Kind::QuotaExceeded, "QuotaExceeded", &said);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_a_request_that_is_refused_says() {
    let scene = Scene::new(ShopOptions::default());
    let image = scene.shop.new_ami.clone();
    let gone = move |world: &mut crossfade_sim::world::World| {
        world.image_mut(&image).expect("it exists").state = "deregistered".into();
    };
    interfered(&scene, &scene.document(), ("Set up", AT_ONCE), gone).await.lost_nothing();
    shown(Kind::RequestRefused, "RequestRefused", &why(&scene, ONE, Kind::RequestRefused));
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_a_throttle_says_that_does_not_end() {
    let slow = refused(400, "Throttling", "Rate exceeded");
    let said = struck(Kind::Throttled, "DescribeAutoScalingGroups", &["wait-steady"], slow).await;
    shown(Kind::Throttled, "Throttled", &said);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_a_call_without_an_answer() {
    let said = struck(Kind::ServiceUnavailable, "ModifyRule", &["shift-weight"], Fault::LoseRequest).await;
    shown(Kind::ServiceUnavailable, "ServiceUnavailable", &said);
}

#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_said_of_weights_that_do_not_read_back() {
    let stale = Fault::Stale { within_millis: 3_600_000 };
    let said = struck(Kind::NotEffective, "DescribeRules", &["shift-weight", "wait-steady"], stale).await;
    shown(Kind::NotEffective, "NotEffective", &said);
}
