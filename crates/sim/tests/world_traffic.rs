//! Requests that are served and lost, without any API in between. Pitfalls by their numbers in the semantics sheet.

use std::time::Instant;

use crossfade_sim::world::sample::{self, NewImage, Shop, ShopOptions, Source};
use crossfade_sim::world::{GroupSpec, World};

const START: u64 = 1_767_603_600_000;

struct Stage {
    world: World,
    shop: Shop,
}

impl Stage {
    fn new(options: ShopOptions) -> Self {
        let mut world = World::new(7, START);
        let shop = sample::shop(&mut world, options);
        Self { world, shop }
    }

    fn wait(&mut self, seconds: u64) {
        self.world.advance(self.world.now_millis() + seconds * 1000);
    }

    fn candidate(&mut self, size: u32) {
        let data = serde_json::json!({ "ImageId": self.shop.new_ami, "InstanceType": "m6i.large" });
        let version = self.world.add_launch_template_version(&self.shop.template, &data, "for a test").unwrap();
        let spec = GroupSpec {
            name: "shop__7".into(),
            min: size,
            max: size,
            desired: size,
            settings: serde_json::json!({
                "LaunchTemplate": { "LaunchTemplateId": self.shop.template, "Version": version.to_string() },
                "VPCZoneIdentifier": "subnet-1",
            }),
            target_groups: vec![self.shop.target_group_b.clone()],
            ..GroupSpec::default()
        };
        self.world.add_group(spec).unwrap();
    }

    fn shift(&mut self, to_b: u32) {
        let (a, b) = (self.shop.target_group_a.clone(), self.shop.target_group_b.clone());
        assert!(self.world.set_weights(self.shop.route(), &[(&a, 100 - to_b), (&b, to_b)]));
    }

    fn served_by(&self, arn: &str) -> u64 {
        self.world.traffic().target_groups.get(arn).map_or(0, |totals| totals.served)
    }

    fn causes(&self) -> Vec<(&'static str, bool)> {
        self.world.traffic().losses.into_iter().map(|loss| (loss.cause, loss.excused)).collect()
    }
}

/// A blue/green shift done right loses nothing, and the split is exact.
#[test]
fn a_careful_shift_loses_nothing_and_splits_exactly() {
    let mut stage = Stage::new(ShopOptions::default());
    stage.candidate(4);
    stage.wait(120);
    assert!(stage.world.steady_since("shop__7", &stage.shop.target_group_b.clone()).is_some());
    stage.shift(10);
    let (a, b) = (stage.shop.target_group_a.clone(), stage.shop.target_group_b.clone());
    let before = (stage.served_by(&a), stage.served_by(&b));
    stage.wait(100);
    let after = (stage.served_by(&a) - before.0, stage.served_by(&b) - before.1);
    assert!(after.1.abs_diff(500) <= 2 && after.0.abs_diff(4500) <= 16, "{after:?}");
    stage.shift(100);
    stage.wait(60);
    let totals = stage.world.traffic().totals;
    assert_eq!((totals.lost, totals.lost_by_aws, totals.lost_by_application), (0, 0, 0));
    assert_eq!(totals.served + stage.world.traffic().in_flight, 280 * 50);
}

/// P10: a target group without targets answers 503.
#[test]
fn p10_a_shift_to_nothing_loses_requests() {
    let mut stage = Stage::new(ShopOptions::default());
    stage.shift(50);
    stage.wait(10);
    let report = stage.world.traffic();
    assert!(report.totals.lost.abs_diff(250) <= 1, "{report:?}");
    assert_eq!(report.losses[0].cause, "the target group has no target to send it to");
    assert_eq!(report.losses[0].target_group, Some(stage.shop.target_group_b.clone()));
    // The first request goes to shop-a, the second to shop-b, 20 ms later.
    assert!(report.losses[0].first_millis - START <= 20);
}

/// P11: when no target is healthy, requests go to all of them: those that boot lose theirs, and nothing is hidden.
#[test]
fn p11_a_shift_to_booting_targets_fails_open() {
    let mut stage = Stage::new(ShopOptions::default());
    stage.candidate(2);
    stage.wait(16);
    assert_eq!(stage.world.registered_in(&stage.shop.target_group_b.clone()), 2);
    stage.shift(100);
    stage.wait(5);
    assert_eq!(stage.causes(), [("the application had not started yet", false)]);
    stage.wait(120);
    let lost = stage.world.traffic().totals.lost;
    stage.wait(60);
    assert_eq!(stage.world.traffic().totals.lost, lost, "none after they have booted");
}

/// P11: an application that answers with errors loses every request that is sent to it.
#[test]
fn p11_a_shift_to_a_sick_application_loses_requests() {
    let mut stage = Stage::new(ShopOptions { new_image: NewImage::Unhealthy, ..ShopOptions::default() });
    stage.candidate(2);
    stage.wait(120);
    assert_eq!(stage.world.healthy_in(&stage.shop.target_group_b.clone()), 0);
    stage.shift(100);
    stage.wait(10);
    assert_eq!(stage.causes(), [("the application answers with errors", false)]);
    assert!(stage.world.traffic().totals.lost >= 500);
}

/// P62: all weights 0.
#[test]
fn p62_all_weights_zero_serve_nobody() {
    let mut stage = Stage::new(ShopOptions::default());
    let (a, b) = (stage.shop.target_group_a.clone(), stage.shop.target_group_b.clone());
    let route = stage.shop.route().to_owned();
    stage.world.set_weights(&route, &[(&a, 0), (&b, 0)]);
    stage.wait(1);
    assert_eq!(stage.causes(), [("all weights are 0", false)]);
}

/// Requests that AWS loses are told apart from those that whoever routed them loses.
#[test]
fn instances_that_aws_takes_are_excused_until_the_checks_notice() {
    let mut stage = Stage::new(ShopOptions::default());
    stage.wait(10);
    let victim = stage.world.instances_of("shop__6")[0].clone();
    assert!(stage.world.kill_instance(&victim));
    let at_once = stage.world.traffic().totals.lost_by_aws;
    assert!((3..=4).contains(&at_once), "a quarter of 50/s for 300 ms is in flight: {at_once}");
    stage.wait(30);
    let totals = stage.world.traffic().totals;
    assert_eq!(totals.lost, 0);
    // Two failed checks, 5 s apart: at most 10 s of a quarter of the traffic.
    assert!(totals.lost_by_aws > at_once && totals.lost_by_aws <= at_once + 130, "{totals:?}");
    stage.wait(60);
    assert_eq!(stage.world.traffic().totals.lost_by_aws, totals.lost_by_aws);
}

/// An application that fails by itself is neither the deployer's fault nor AWS's.
#[test]
fn applications_that_fail_later_are_told_apart() {
    let mut stage = Stage::new(ShopOptions { new_image: NewImage::FailsLater, ..ShopOptions::default() });
    stage.candidate(4);
    stage.wait(120);
    stage.shift(10);
    stage.wait(215);
    let totals = stage.world.traffic().totals;
    assert_eq!((totals.lost, totals.lost_by_application), (0, 0));
    stage.wait(60);
    let totals = stage.world.traffic().totals;
    assert!(totals.lost_by_application > 0, "{totals:?}");
    // As soon as the checks know, sending more there is whoever routes' fault.
    stage.wait(60);
    assert!(stage.world.traffic().totals.lost > 0);
}

/// P45: a client keeps going to the target group of its cookie, at 0 % too, until the cookie expires.
#[test]
fn p45_cookies_win_over_weights() {
    let mut stage = Stage::new(ShopOptions { sticky_seconds: Some(60), ..ShopOptions::default() });
    stage.candidate(4);
    stage.wait(90);
    stage.shift(100);
    let a = stage.shop.target_group_a.clone();
    let before = stage.served_by(&a);
    stage.wait(10);
    assert!(stage.served_by(&a) > before + 100, "still there");
    stage.wait(60);
    let before = stage.served_by(&a);
    stage.wait(60);
    assert_eq!(stage.served_by(&a), before, "all cookies have expired");
    assert_eq!(stage.world.traffic().totals.lost, 0);
}

/// Deleting a group with force cuts off what its instances were doing.
#[test]
fn forced_deletion_cuts_requests_off() {
    let mut stage = Stage::new(ShopOptions::default());
    stage.wait(10);
    let request = crossfade_sim::Request::query(
        crossfade_sim::Service::AutoScaling,
        "DeleteAutoScalingGroup",
        [("AutoScalingGroupName", "shop__6"), ("ForceDelete", "true")],
    );
    assert_eq!(crossfade_sim::api::autoscaling::handle(&mut stage.world, &request).status, 200);
    assert_eq!(stage.causes(), [("the instance was terminated with the request in flight", false)]);
    stage.wait(60);
    assert!(stage.world.group("shop__6").is_none());
    assert!(stage.world.empty_since("shop__6").unwrap() > START);
    assert_eq!(stage.world.healthy_in(&stage.shop.target_group_a.clone()), 0);
}

/// A world with traffic has the history of a world without, and one seed has one history.
#[test]
fn traffic_influences_nothing_and_seeds_decide_everything() {
    let run = |seed: u64, traffic: bool, step: u64| {
        let mut world = World::new(seed, START);
        let shop = sample::shop(&mut world, ShopOptions::default());
        if !traffic {
            world.stop_traffic(shop.traffic);
        }
        let mut stage = Stage { world, shop };
        stage.candidate(4);
        for _ in 0..240 / step {
            stage.wait(step);
        }
        let b = stage.shop.target_group_b.clone();
        let ids = stage.world.instances_of("shop__7");
        (stage.world.steady_since("shop__7", &b), ids, stage.world.inventory(), stage.world.traffic())
    };
    let (one, again, finer, quiet, other) =
        (run(1, true, 240), run(1, true, 240), run(1, true, 1), run(1, false, 240), run(2, true, 240));
    assert_eq!(one, again);
    assert_eq!(one, finer, "however often somebody looks");
    assert_eq!((&one.0, &one.1, &one.2), (&quiet.0, &quiet.1, &quiet.2));
    assert_ne!(one.1, other.1);
}

/// `steady_since` and `empty_since` are moments, and an interruption starts them anew.
#[test]
fn oracles_count_from_the_last_interruption() {
    let mut stage = Stage::new(ShopOptions::default());
    let a = stage.shop.target_group_a.clone();
    stage.wait(100);
    assert_eq!(stage.world.steady_since("shop__6", &a), Some(START), "from the beginning");
    assert_eq!(stage.world.empty_since("shop__5"), Some(START));
    assert_eq!(stage.world.empty_since("shop__6"), None);
    let victim = stage.world.instances_of("shop__6")[0].clone();
    stage.world.sicken_instance(&victim);
    stage.wait(20);
    assert_eq!(stage.world.steady_since("shop__6", &a), None);
    stage.wait(600);
    let since = stage.world.steady_since("shop__6", &a).unwrap();
    assert!(since > START + 100_000 && since < stage.world.now_millis());
    assert_eq!(stage.world.group_view("shop__6").unwrap().answering, 4);
}

/// How long that takes is printed and judged by nobody: a fraction of a second, on a machine that does nothing else.
#[test]
fn two_hours_at_50_requests_per_second_lose_nothing() {
    let mut stage = Stage::new(ShopOptions::default());
    stage.candidate(4);
    let started = Instant::now();
    stage.wait(7200);
    eprintln!("two hours of traffic took {:?}", started.elapsed());
    let totals = stage.world.traffic().totals;
    // Some are under way at the end.
    assert!((359_900..=360_000).contains(&totals.served), "{}", totals.served);
    assert_eq!(totals.lost, 0);
}

/// Every variant of the shop can be built, is steady from the start and serves everything.
#[test]
fn every_shop_is_open() {
    let images = [NewImage::Good, NewImage::Unhealthy, NewImage::NoCapacity, NewImage::Slow, NewImage::FailsLater];
    let sources = [Source::Pinned, Source::Default, Source::Latest, Source::LaunchConfiguration, Source::Mixed];
    for (new_image, base) in images.into_iter().zip(sources) {
        for default_action in [false, true] {
            let options = ShopOptions {
                new_image,
                base,
                default_action,
                sticky_seconds: default_action.then_some(60),
                login: default_action,
                suspended_on_base: vec!["ScheduledActions".into()],
                ..ShopOptions::default()
            };
            let mut stage = Stage::new(options);
            let before = stage.world.inventory();
            stage.wait(900);
            assert_eq!(stage.world.steady_since("shop__6", &stage.shop.target_group_a.clone()), Some(START));
            assert_eq!(stage.world.weights(stage.shop.route()).iter().map(|it| it.1).collect::<Vec<_>>(), [100, 0]);
            assert_eq!(stage.world.traffic().totals.lost, 0);
            assert_eq!(stage.world.inventory(), before, "time alone changes nothing");
            assert_eq!(stage.world.group_view("shop-base").unwrap().desired, 0);
        }
    }
}

/// What a human does behind everybody's back shows in the inventory.
#[test]
fn the_inventory_shows_what_a_human_changed() {
    let mut stage = Stage::new(ShopOptions::default());
    let before = stage.world.inventory();
    stage.world.resize("shop__6", 5, 8, 5).unwrap();
    stage.wait(120);
    assert_ne!(stage.world.inventory(), before);
    stage.world.resize("shop__6", 4, 8, 4).unwrap();
    stage.wait(120);
    assert_eq!(stage.world.inventory(), before, "other instances, same account");
    stage.world.set_tag("shop__6", "crossfade:revision", None).unwrap();
    assert_ne!(stage.world.inventory(), before);
    stage.world.set_tag("shop__6", "crossfade:revision", Some("6")).unwrap();
    assert_eq!(stage.world.inventory(), before);
    stage.shift(1);
    assert_ne!(stage.world.inventory(), before);
}

/// What the API shows is not yet what the nodes of the load balancer do.
#[test]
fn a_change_of_weights_takes_a_while_to_reach_the_nodes() {
    let mut stage = Stage::new(ShopOptions::default());
    stage.candidate(4);
    stage.wait(120);
    stage.world.settings.routing_lag_millis = (20_000, 20_000);
    let (a, b) = (stage.shop.target_group_a.clone(), stage.shop.target_group_b.clone());
    let mut from = (stage.served_by(&a), stage.served_by(&b));
    let mut since = |stage: &mut Stage, seconds: u64| {
        stage.wait(seconds);
        let now = (stage.served_by(&a), stage.served_by(&b));
        let served = (now.0 - from.0, now.1 - from.1);
        from = now;
        served
    };
    stage.shift(50);
    assert_eq!(stage.world.weights(stage.shop.route()).iter().map(|(_, weight)| *weight).collect::<Vec<_>>(), [50, 50]);
    // Changes reach them one after the other.
    assert_eq!(since(&mut stage, 10), (500, 0));
    stage.shift(100);
    assert_eq!(since(&mut stage, 10).1, 0);
    let both = since(&mut stage, 10);
    assert!(both.0 > 240 && both.1 > 240, "{both:?}");
    since(&mut stage, 1);
    assert_eq!(since(&mut stage, 10), (0, 500));
    // Whoever takes the old fleet away meanwhile loses what still goes there.
    stage.shift(0);
    stage.world.resize("shop__7", 0, 0, 0).unwrap();
    stage.wait(60);
    assert!(stage.causes().contains(&("the target group has no target to send it to", false)));
}

/// The load balancer waits for requests under way for as long as the deregistration delay says, and then cuts them off, whether
/// or not the instance still runs.
#[test]
fn a_deregistration_delay_of_nothing_cuts_off_what_is_under_way() {
    for (deregistration_seconds, cut) in [(0, true), (1, false)] {
        let mut stage = Stage::new(ShopOptions { deregistration_seconds, ..ShopOptions::default() });
        stage.wait(10);
        let one = stage.world.instances_of("shop__6")[0].clone();
        let arn = stage.shop.target_group_a.clone();
        stage.world.deregister_by_hand(&arn, &one);
        stage.wait(10);
        let cause = ("the deregistration delay was over with the request in flight", false);
        assert_eq!(stage.causes().contains(&cause), cut, "{deregistration_seconds} s: {:?}", stage.causes());
    }
}

/// Each change takes its own time to reach the nodes.
#[test]
fn slow_nodes_follow_each_change_within_their_range() {
    let mut stage = Stage::new(ShopOptions { slow_nodes: true, ..ShopOptions::default() });
    stage.candidate(4);
    stage.wait(120);
    let b = stage.shop.target_group_b.clone();
    stage.shift(100);
    stage.wait(2);
    assert_eq!(stage.served_by(&b), 0, "none of them within 3 s");
    stage.wait(14);
    let before = stage.served_by(&b);
    stage.wait(10);
    assert_eq!(stage.served_by(&b) - before, 500, "all of them after 15 s");
}
