//! One fault at each API call of a deployment, of each kind: whatever it is, the run ends well or clean, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossfade_local::Outcome;
use crossfade_sim::world::sample::{Layout, ShopOptions};
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_tests::strategies::{STRATEGIES, Strategy};
use crossfade_tests::{APPROVE, REJECT, Scene};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Throttled,
    InternalError,
    ReplyLost,
    RequestLost,
    AccessDenied,
}

/// One fault at the nth call of the functions.
struct Once {
    nth: usize,
    kind: Kind,
    count: std::sync::atomic::AtomicUsize,
    struck: Arc<AtomicBool>,
}

impl Faults for Once {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        if request.caller.as_deref().is_none_or(|caller| caller == "operator") {
            return None;
        }
        if self.count.fetch_add(1, Ordering::Relaxed) != self.nth {
            return None;
        }
        self.struck.store(true, Ordering::Relaxed);
        let refuse = |status, code: &str| {
            Some(Fault::Refuse { status, code: code.into(), message: "a fault of the test".into() })
        };
        match (self.kind, request.service) {
            (Kind::Throttled, Service::Ec2) => refuse(503, "RequestLimitExceeded"),
            (Kind::Throttled, Service::AutoScaling | Service::ElasticLoadBalancing | Service::Sns) => {
                refuse(400, "Throttling")
            }
            (Kind::Throttled, _) => refuse(400, "ThrottlingException"),
            (Kind::InternalError, _) => refuse(500, "InternalFailure"),
            (Kind::AccessDenied, Service::Ec2) => refuse(403, "UnauthorizedOperation"),
            (Kind::AccessDenied, _) => refuse(403, "AccessDenied"),
            (Kind::ReplyLost, _) => Some(Fault::LoseReply),
            (Kind::RequestLost, _) => Some(Fault::LoseRequest),
        }
    }
}

/// Plays one deployment with one fault; whether the fault struck at all.
async fn run(strategy: &Strategy, nth: usize, kind: Kind, rejected: bool, equipped: bool) -> bool {
    let scene = Scene::new(ShopOptions { requests_per_second: 5.0, equipped, ..strategy.options() });
    let struck = Arc::new(AtomicBool::default());
    let faults = Once { nth, kind, count: Default::default(), struck: struck.clone() };
    scene.sim.set_faults(Some(Arc::new(faults)));
    let ended = scene.play("faulty", &strategy.document(&scene), if rejected { REJECT } else { APPROVE }).await;
    let name = strategy.name;
    let what = format!("{name}, {kind:?} at call {nth}, rejected {rejected}: {}\n{:#?}", ended.cause(), ended.log);
    assert_eq!(ended.summary.requests_lost, 0, "{what}");
    match ended.summary.outcome {
        Outcome::Succeeded if !rejected => {
            if strategy.layout == Layout::Weighted {
                assert_eq!(scene.weights(), (0, 100), "{what}");
            }
            assert_eq!(scene.size("shop__7"), Some((4, 4, 8)), "{what}");
            assert_eq!(scene.size("shop__6"), Some((0, 0, 0)), "{what}");
            scene.holds_no_lock();
        }
        Outcome::FailedClean => {
            let now = scene.sim.world().inventory();
            assert!(now == scene.before, "not as it was: {what}");
            scene.holds_no_lock();
        }
        other => panic!("{other:?}: {what}"),
    }
    struck.load(Ordering::Relaxed)
}

/// Every call of a run, one run each, until the fault comes too late to strike.
async fn sweep(strategy: &str, kind: Kind, rejected: bool, equipped: bool) {
    let strategy = STRATEGIES.iter().find(|it| it.name == strategy).expect("there is such a strategy");
    let mut nth = 0;
    while run(strategy, nth, kind, rejected, equipped).await {
        nth += 1;
    }
    eprintln!("{}, {kind:?}, rejected {rejected}: {nth} calls", strategy.name);
    assert!(nth > 100, "a deployment makes more calls than {nth}: the faults did not strike");
}

macro_rules! sweeps {
    ($($name:ident: $strategy:literal, $kind:ident, $rejected:literal;)+) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            sweep($strategy, Kind::$kind, $rejected, false).await;
        })+
    };
}

sweeps! {
    a_throttle_at_any_call: "shift", Throttled, false;
    an_internal_error_at_any_call: "shift", InternalError, false;
    a_lost_reply_at_any_call: "shift", ReplyLost, false;
    a_lost_request_at_any_call: "shift", RequestLost, false;
    a_denied_access_at_any_call: "shift", AccessDenied, false;
    a_lost_reply_at_any_call_with_a_rollback: "shift", ReplyLost, true;
    a_denied_access_at_any_call_with_a_rollback: "shift", AccessDenied, true;
    a_lost_reply_at_any_call_of_a_basic_deployment: "basic", ReplyLost, false;
    a_denied_access_at_any_call_of_a_basic_deployment: "basic", AccessDenied, false;
    a_lost_reply_at_any_call_of_a_canary: "canary", ReplyLost, false;
    a_denied_access_at_any_call_of_a_canary: "canary", AccessDenied, false;
    a_denied_access_at_any_call_of_a_canary_with_a_rollback: "canary", AccessDenied, true;
    a_lost_reply_at_any_call_of_a_swap: "swap", ReplyLost, false;
    a_denied_access_at_any_call_of_a_swap: "swap", AccessDenied, false;
    p48_a_lost_reply_at_any_call_of_a_listener_swap: "listener swap", ReplyLost, false;
    p48_a_denied_access_at_any_call_of_a_listener_swap: "listener swap", AccessDenied, false;
}

#[tokio::test(start_paused = true)]
async fn a_denied_access_at_any_call_with_policies_schedules_and_hooks() {
    sweep("shift", Kind::AccessDenied, false, true).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_at_any_call_with_policies_schedules_and_hooks() {
    sweep("shift", Kind::ReplyLost, false, true).await;
}
