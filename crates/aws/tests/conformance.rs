//! What every kind of fleet has to keep, whoever carries it out: the same verbs, called twice, after lost replies, on what is gone or still
//! going, with the same end. Each kind passes it against its simulation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_aws::{Carrying, Deletion, Fleets, Made, Order, Platforms};
use crossfade_core::capacity::Size;
use crossfade_core::kinds::{Blueprint, Compute, Instances};
use crossfade_core::lane::{Lane, Movement};
use crossfade_core::observed::Fleet;
use crossfade_sim::world::sample::{self, Shop, ShopOptions};
use crossfade_sim::world::spot::{SPOT_ACCOUNT, SPOT_TOKEN};
use crossfade_sim::{Fault, Faults, Request, Settings, Sim};
use serde_json::{Value, json};

const FLEET: &str = "shop__7";
const DEPLOYMENT: &str = "conformance-7";

/// An account with fleets of one kind.
struct Account {
    sim: Arc<Sim>,
    shop: Shop,
    fleets: Fleets,
    compute: Compute,
    infrastructure: String,
    lanes: Vec<Lane>,
}

impl Account {
    fn new(compute: sample::Compute) -> Self {
        let sim = Sim::new(Settings::default());
        let options = ShopOptions { compute, equipped: true, ..ShopOptions::default() };
        let shop = sample::shop(&mut sim.world(), options);
        sim.secrets().define(&format!("crossfade/spot/{SPOT_ACCOUNT}"), SPOT_TOKEN);
        let base = &shop.base_group;
        let of_document = match (&shop.cluster, &shop.spot_account) {
            (Some(cluster), _) => json!({ "ecsService": { "cluster": cluster, "base": base, "name": "shop" } }),
            (None, Some(account)) => json!({ "elastigroup": { "account": account, "base": base, "name": "shop" } }),
            (None, None) => json!({ "autoScalingGroup": { "base": shop.base_group, "name": "shop" } }),
        };
        let compute: Compute = serde_json::from_value(of_document).expect("it is one");
        let base = compute.base_of_definition().expect("it has one");
        let lane = Lane {
            production: shop.target_group_a.clone(),
            test: shop.target_group_b.clone(),
            by: Movement::Attachment,
        };
        Self {
            fleets: Platforms::new(&sim.sdk_config()).on(&compute.platform()),
            infrastructure: format!("shop/production/{base}"),
            compute,
            lanes: vec![lane],
            shop,
            sim,
        }
    }

    async fn blueprint(&self) -> Blueprint {
        let template = self.fleets.template(&self.compute, &self.lanes, Some(&self.shop.new_ami)).await.unwrap();
        assert_eq!(template.problems, Vec::<String>::new());
        template.blueprint.expect("nothing stands in the way")
    }

    async fn create(&self, blueprint: &Blueprint) -> crossfade_core::Result<Vec<String>> {
        let pools = [self.shop.target_group_b.clone()];
        let order = Order {
            name: FLEET,
            base: &self.shop.base_group,
            blueprint,
            artifact: &self.shop.new_ami,
            pools: &pools,
            infrastructure: &self.infrastructure,
            revision: 7,
            deployment: DEPLOYMENT,
            instances: Instances::NONE,
        };
        self.fleets.create(&order).await
    }

    async fn fleet(&self, name: &str) -> Fleet {
        self.fleets.get(name).await.unwrap().unwrap_or_else(|| panic!("{name} exists"))
    }

    async fn wait(&self, seconds: u64) {
        self.sim.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Loses the reply of this call, once.
    fn lose_reply(&self, operation: &str) {
        self.sim.set_faults(Some(Arc::new(Once(Mutex::new(Some((operation.to_owned(), Fault::LoseReply)))))));
    }

    fn inventory(&self) -> Value {
        self.sim.world().inventory()
    }
}

struct Once(Mutex<Option<(String, Fault)>>);

impl Faults for Once {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let mut fault = self.0.lock().unwrap();
        fault.take_if(|(operation, _)| *operation == request.operation).map(|(_, fault)| fault)
    }
}

/// The kinds, each with its sample.
const KINDS: [sample::Compute; 4] = [
    sample::Compute::Groups,
    sample::Compute::Services,
    sample::Compute::ServicesOnInstances,
    sample::Compute::Elastigroups,
];
/// The sample's fleet that serves.
const SERVING: &str = "shop__6";
/// One that is kept at size 0.
const KEPT: &str = "shop__5";

fn pinned(size: u32) -> Size {
    Size { min: size, desired: size, max: size }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_found_by_its_tag_and_by_its_name_with_all_that_it_is() {
    for kind in KINDS {
        let account = Account::new(kind);
        let mut found = account.fleets.of(&account.infrastructure).await.unwrap();
        found.sort_by_key(|fleet| fleet.revision);
        let names: Vec<&str> = found.iter().map(|fleet| fleet.name.as_str()).collect();
        assert_eq!(names, ["shop__2", "shop__3", "shop__4", KEPT, SERVING], "{kind:?}");
        let serving = account.fleet(SERVING).await;
        assert_eq!(found.last(), Some(&serving), "{kind:?}");
        assert_eq!((serving.revision, serving.capacity(), serving.live()), (Some(6), 4, true), "{kind:?}");
        assert_eq!(serving.target_groups, std::slice::from_ref(&account.shop.target_group_a), "{kind:?}");
        assert!(!account.fleet(KEPT).await.live(), "{kind:?}");
        assert_eq!(account.fleets.get("shop__99").await.unwrap(), None, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn made_twice_or_after_a_lost_reply_there_is_one() {
    for kind in KINDS {
        for lost in [
            "",
            "CreateAutoScalingGroup",
            "CreateLaunchTemplateVersion",
            "RegisterTaskDefinition",
            "CreateService",
            "CreateGroup",
        ] {
            let account = Account::new(kind);
            let blueprint = account.blueprint().await;
            account.lose_reply(lost);
            account.create(&blueprint).await.unwrap();
            let once = account.inventory();
            account.create(&blueprint).await.unwrap();
            assert_eq!(account.inventory(), once, "{kind:?} {lost}");
            account.wait(60).await;
            let made = account.fleet(FLEET).await;
            assert_eq!((made.size, made.members.len()), (Size::ZERO, 0), "{kind:?}");
            assert_eq!(made.deployment.as_deref(), Some(DEPLOYMENT), "{kind:?}");
            assert_eq!(made.target_groups, std::slice::from_ref(&account.shop.target_group_b), "{kind:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_made_is_refused_and_left_alone() {
    for kind in KINDS {
        let account = Account::new(kind);
        let blueprint = account.blueprint().await;
        account.create(&blueprint).await.unwrap();
        let before = account.inventory();
        let pools = [account.shop.target_group_b.clone()];
        let order = Order {
            name: FLEET,
            base: &account.shop.base_group,
            blueprint: &blueprint,
            artifact: &account.shop.new_ami,
            pools: &pools,
            infrastructure: &account.infrastructure,
            revision: 7,
            deployment: "another",
            instances: Instances::NONE,
        };
        let refused = account.fleets.create(&order).await.unwrap_err();
        assert!(refused.message.contains("exists already") && refused.message.contains("left alone"), "{refused}");
        let made = Made { blueprint: &blueprint, fleet: FLEET, artifact: &account.shop.new_ami, deployment: "another" };
        account.fleets.forget(&made).await.unwrap();
        assert_eq!(account.inventory(), before, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_size_is_read_back_and_members_come_and_go() {
    for kind in KINDS {
        let account = Account::new(kind);
        account.create(&account.blueprint().await).await.unwrap();
        for _ in 0..2 {
            account.fleets.resize(FLEET, pinned(2)).await.unwrap();
        }
        account.wait(300).await;
        let grown = account.fleet(FLEET).await;
        assert!(grown.has_size(pinned(2)), "{kind:?}: {}", grown.size);
        assert_eq!(grown.capacity(), 2, "{kind:?}: {:?}", grown.members);
        let pool = crossfade_aws::Pools::new(&account.sim.sdk_config());
        let registered = pool.registered(&grown.target_groups).await.unwrap();
        assert!(registered[0].targets.iter().all(|target| grown.has(target)), "{kind:?}: {registered:?}");
        assert_eq!(registered[0].healthy(), 2, "{kind:?}");
        for _ in 0..2 {
            account.fleets.resize(FLEET, Size::ZERO).await.unwrap();
        }
        account.wait(600).await;
        let gone = account.fleet(FLEET).await;
        assert_eq!((gone.size, gone.members.len(), gone.live()), (Size::ZERO, 0, false), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_retires_stays_at_0_and_comes_back_as_it_was() {
    for kind in KINDS {
        let account = Account::new(kind);
        let before = account.fleet(SERVING).await;
        let as_it_was = account.inventory();
        account.fleets.rest(SERVING, true).await.unwrap();
        account.fleets.resize(SERVING, Size::ZERO).await.unwrap();
        account.fleets.empty_reserve(SERVING).await.unwrap();
        // Past whatever its scheduled actions and policies would have done.
        account.wait(26 * 3600).await;
        let retired = account.fleet(SERVING).await;
        assert_eq!((retired.size, retired.members.len()), (Size::ZERO, 0), "{kind:?}");
        assert!(retired.schedules_rest(), "{kind:?}");
        account.fleets.resize(SERVING, before.size).await.unwrap();
        account.fleets.give_back(&retired, &before).await.unwrap();
        let back = account.fleet(SERVING).await;
        assert!(back.has_size(before.size), "{kind:?}: {} was {}", back.size, before.size);
        assert_eq!(back.schedules_rest(), before.schedules_rest(), "{kind:?}");
        assert_eq!(back.own.differences(&before.own, SERVING), Vec::<String>::new(), "{kind:?}");
        let carried = |inventory: &Value| {
            ["scalingPolicies", "scheduledActions", "scalableTargets"].map(|it| inventory[it].clone())
        };
        assert_eq!(carried(&account.inventory()), carried(&as_it_was), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_fleet_moves_between_pools_and_back() {
    for kind in KINDS {
        let account = Account::new(kind);
        let blueprint = account.blueprint().await;
        let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
        let before = account.fleet(KEPT).await.target_groups;
        let elsewhere: Vec<String> = before.iter().filter(|pool| **pool != b).cloned().collect();
        for _ in 0..2 {
            account.fleets.attach(KEPT, std::slice::from_ref(&b), &blueprint).await.unwrap();
            account.fleets.detach(KEPT, &elsewhere).await.unwrap();
        }
        account.wait(30).await;
        assert_eq!(account.fleet(KEPT).await.target_groups, std::slice::from_ref(&b), "{kind:?}");
        account.fleets.attach(KEPT, std::slice::from_ref(&a), &blueprint).await.unwrap();
        account.fleets.detach(KEPT, &[b]).await.unwrap();
        account.wait(30).await;
        assert_eq!(account.fleet(KEPT).await.target_groups, [a], "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_scales_is_carried_once_and_taken_away_with_the_fleet() {
    for kind in KINDS {
        let account = Account::new(kind);
        let as_it_was = account.inventory();
        let blueprint = account.blueprint().await;
        account.create(&blueprint).await.unwrap();
        account.fleets.resize(FLEET, Size { min: 2, desired: 4, max: 8 }).await.unwrap();
        account.wait(300).await;
        let counterparts = [account.lanes[0].replaced_by(&account.shop.target_group_b)];
        let carrying = Carrying {
            compute: &account.compute,
            from: &account.shop.base_group,
            fleet: FLEET,
            size: Size { min: 2, desired: 4, max: 8 },
            counterparts: &counterparts,
            now_millis: account.sim.clock.now_millis(),
        };
        let lines = account.fleets.carry(&carrying).await.unwrap();
        assert!(lines.iter().any(|line| line.starts_with("Carried") && line.contains("policy")), "{kind:?}: {lines:?}");
        // Spot keeps the alarms of its policies to itself.
        let alarms = kind != sample::Compute::Elastigroups;
        assert_eq!(lines.iter().any(|line| line.starts_with("Carried alarm")), alarms, "{kind:?}: {lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("Carried scheduled ")), "{kind:?}: {lines:?}");
        let scaling = account.fleet(FLEET).await;
        assert_eq!((scaling.size.min, scaling.size.max, scaling.bounded()), (2, 8, true), "{kind:?}");
        assert!(!scaling.schedules_rest(), "{kind:?}");
        let once = account.inventory();
        assert_eq!(account.fleets.carry(&carrying).await.unwrap(), Vec::<String>::new(), "{kind:?}");
        assert_eq!(account.inventory(), once, "{kind:?}");

        account.fleets.rest(FLEET, true).await.unwrap();
        account.fleets.resize(FLEET, Size::ZERO).await.unwrap();
        account.wait(600).await;
        let fleet = account.fleet(FLEET).await;
        assert_eq!(fleet.members.len(), 0, "{kind:?}");
        while account.fleets.delete(&fleet, false).await.unwrap() != Deletion::Gone {
            account.wait(10).await;
        }
        assert_eq!(account.fleets.delete(&fleet, false).await.unwrap(), Deletion::Gone, "{kind:?}");
        let made =
            Made { blueprint: &blueprint, fleet: FLEET, artifact: &account.shop.new_ami, deployment: DEPLOYMENT };
        for _ in 0..2 {
            account.fleets.forget(&made).await.unwrap();
        }
        assert_eq!(account.fleets.get(FLEET).await.unwrap(), None, "{kind:?}");
        assert_eq!(account.inventory(), as_it_was, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_with_members_is_not_deleted() {
    for kind in KINDS {
        let account = Account::new(kind);
        let serving = account.fleet(SERVING).await;
        assert_eq!(account.fleets.delete(&serving, false).await.unwrap(), Deletion::NotYet, "{kind:?}");
        assert_eq!(account.fleet(SERVING).await.capacity(), 4, "{kind:?}");
    }
}

/// Remembers what changes what scales, in its order.
struct Remembered(Mutex<Vec<String>>);

impl Faults for Remembered {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        if ["Register", "Put"].iter().any(|verb| request.operation.starts_with(verb)) {
            self.0.lock().unwrap().push(request.operation.clone());
        }
        None
    }
}

#[tokio::test(start_paused = true)]
async fn s5_p91_what_the_document_says_of_scaling_is_given_once_in_the_order_of_what_was_carried() {
    let lost = ["", "RegisterScalableTarget", "PutScalingPolicy", "PutMetricAlarm", "PutScheduledAction"];
    for (kind, lost) in [sample::Compute::Services, sample::Compute::ServicesOnInstances]
        .into_iter()
        .zip(lost.iter().cycle())
        .chain(lost.iter().map(|lost| (sample::Compute::Services, lost)))
    {
        let mut account = Account::new(kind);
        let alarm = json!({
            "name": "cpu", "comparisonOperator": "GreaterThanThreshold", "threshold": 90,
            "metric": { "namespace": "AWS/ECS", "metricName": "CPUUtilization", "statistic": "Average" },
        });
        account.compute = serde_json::from_value(json!({ "ecsService": {
            "cluster": account.shop.cluster, "base": account.shop.base_group, "name": "shop",
            "scaling": { "written": { "min": 2, "max": 8, "policies": [{ "step": {
                "name": "busy", "adjustmentType": "ExactCapacity", "stepAdjustments": [{ "scalingAdjustment": 8 }],
                "alarms": [alarm],
            } }], "scheduledActions": [{ "name": "night", "schedule": "rate(1 day)", "max": 4 }] } },
        } }))
        .expect("it is one");
        account.create(&account.blueprint().await).await.unwrap();
        account.fleets.resize(FLEET, Size { min: 2, desired: 4, max: 8 }).await.unwrap();
        account.wait(300).await;
        let counterparts = [account.lanes[0].replaced_by(&account.shop.target_group_b)];
        let carrying = Carrying {
            compute: &account.compute,
            from: "the document",
            fleet: FLEET,
            size: Size { min: 2, desired: 4, max: 8 },
            counterparts: &counterparts,
            now_millis: account.sim.clock.now_millis(),
        };
        let remembered = Arc::new(Remembered(Mutex::default()));
        if lost.is_empty() {
            account.sim.set_faults(Some(remembered.clone()));
        } else {
            account.lose_reply(lost);
        }
        account.fleets.carry(&carrying).await.unwrap();
        if lost.is_empty() {
            let order = remembered.0.lock().unwrap().join(" ");
            let expected =
                "RegisterScalableTarget PutScalingPolicy PutMetricAlarm PutScheduledAction RegisterScalableTarget";
            assert_eq!(order, expected, "{kind:?}");
        }
        let once = account.inventory();
        let has = &once["scalableTargets"]["service/shop/shop__7"];
        assert_eq!(has["policies"].as_object().map(serde_json::Map::len), Some(1), "{kind:?} {lost}: {has}");
        assert_eq!(has["scheduledActions"].as_object().map(serde_json::Map::len), Some(1), "{kind:?} {lost}: {has}");
        assert!(once["alarms"].get("shop__7-cpu").is_some(), "{kind:?} {lost}");
        assert_eq!(account.fleets.carry(&carrying).await.unwrap(), Vec::<String>::new(), "{kind:?} {lost}");
        assert_eq!(account.inventory(), once, "{kind:?} {lost}");
    }
}
