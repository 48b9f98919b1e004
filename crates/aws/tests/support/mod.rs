//! The sample shop with the adapters in front of it, and the SDK's clients to look at what they did.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_autoscaling::types::AutoScalingGroup;
use crossfade_aws::asg::{AutoScalingGroups, Candidate, Carrier, LaunchSources};
use crossfade_core::capacity::Size;
use crossfade_core::kinds::asg::{LaunchSource, Own as GroupOwn};
use crossfade_core::kinds::{Instances, Own};
use crossfade_core::observed::Fleet;
use crossfade_sim::world::sample::{self, NEW_AMI, Shop, ShopOptions};
use crossfade_sim::{Fault, Faults, Request, Settings, Sim};
use serde_json::Value;

/// The base of the shop.
pub(crate) const BASE: &str = "shop-base";
/// The fleet that the tests make.
pub(crate) const FLEET: &str = "shop__7";
/// The infrastructure definition of the shop's revisions.
pub(crate) const INFRASTRUCTURE: &str = "shop/production/shop-base";
/// The deployment that makes it.
pub(crate) const DEPLOYMENT: &str = "d-7";

/// One account with the shop in it.
pub(crate) struct Account {
    pub(crate) sim: Arc<Sim>,
    pub(crate) shop: Shop,
    pub(crate) fleets: AutoScalingGroups,
    pub(crate) sources: LaunchSources,
    pub(crate) carrier: Carrier,
    pub(crate) sdk: aws_sdk_autoscaling::Client,
}

impl Account {
    pub(crate) fn new(options: ShopOptions) -> Self {
        let sim = Sim::new(Settings::default());
        let shop = sample::shop(&mut sim.world(), options);
        let config = sim.sdk_config();
        Self {
            fleets: AutoScalingGroups::new(&config),
            sources: LaunchSources::new(&config),
            carrier: Carrier::new(&config),
            sdk: aws_sdk_autoscaling::Client::new(&config),
            sim,
            shop,
        }
    }

    pub(crate) async fn wait(&self, seconds: u64) {
        self.sim.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// A fleet that is there.
    pub(crate) async fn fleet(&self, name: &str) -> Fleet {
        self.fleets.get(name).await.unwrap().unwrap()
    }

    /// A group as the SDK shows it.
    pub(crate) async fn describe(&self, name: &str) -> AutoScalingGroup {
        let answer = self.sdk.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await.unwrap();
        answer.auto_scaling_groups.unwrap().remove(0)
    }

    /// What of a fleet only its kind knows.
    pub(crate) async fn own(&self, name: &str) -> GroupOwn {
        match self.fleet(name).await.own {
            Own::AutoScalingGroup(own) => own,
            Own::EcsService(_) | Own::Elastigroup(_) => panic!("{name} is an Auto Scaling group"),
        }
    }

    /// A group as the account's inventory has it.
    pub(crate) fn group(&self, name: &str) -> Value {
        self.sim.world().inventory()["autoScalingGroups"][name].clone()
    }

    /// The target groups of the candidate, as adapters want them.
    pub(crate) fn stage(&self) -> Vec<String> {
        vec![self.shop.target_group_b.clone()]
    }

    pub(crate) async fn derive(&self) -> (LaunchSource, LaunchSource) {
        let (base, _) = self.sources.of_base(BASE).await.unwrap();
        let made = self.sources.derive(&base, FLEET, NEW_AMI, DEPLOYMENT, INFRASTRUCTURE, None).await.unwrap();
        (base, made)
    }

    /// Makes the candidate, behind `shop-b`.
    pub(crate) async fn create(&self) -> crossfade_core::Result<()> {
        let (base, made) = self.derive().await;
        self.fleets.create(&candidate(&base, &made, &self.stage())).await
    }

    /// Gives a fleet that many instances, no more and no less.
    pub(crate) async fn fill(&self, fleet: &str, instances: u32) {
        self.fleets.resize(fleet, Size { min: instances, desired: instances, max: instances }).await.unwrap();
        self.wait(300).await;
    }

    /// How often an operation was called since `from`, well or badly.
    pub(crate) fn calls(&self, from: usize, operation: &str) -> usize {
        self.sim.calls()[from..].iter().filter(|call| call.operation == operation).count()
    }

    /// The operations that changed something since `from`.
    pub(crate) fn changes(&self, from: usize) -> Vec<String> {
        let calls = self.sim.calls();
        let changes = calls[from..].iter().filter(|call| call.effect == crossfade_sim::Effect::Mutate);
        changes.map(|call| call.operation.clone()).collect()
    }

    pub(crate) fn now(&self) -> u64 {
        self.sim.clock.now_millis()
    }

    /// What goes wrong, operation by operation, each once.
    pub(crate) fn faults(&self, faults: Vec<(&str, Fault)>) {
        let faults = faults.into_iter().map(|(operation, fault)| (operation.to_owned(), fault)).collect();
        self.sim.set_faults(Some(Arc::new(Once(Mutex::new(faults)))));
    }
}

pub(crate) fn candidate<'a>(
    base_source: &'a LaunchSource,
    source: &'a LaunchSource,
    target_groups: &'a [String],
) -> Candidate<'a> {
    Candidate {
        name: FLEET,
        base: BASE,
        base_source,
        source,
        target_groups,
        infrastructure: INFRASTRUCTURE,
        revision: 7,
        deployment: DEPLOYMENT,
        instance_tags: Instances::NONE.tags,
    }
}

struct Once(Mutex<Vec<(String, Fault)>>);

impl Faults for Once {
    fn strike(&self, _nth: usize, request: &Request) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap();
        let at = faults.iter().position(|(operation, _)| *operation == request.operation)?;
        Some(faults.remove(at).1)
    }
}

/// The fault of a call that is refused.
pub(crate) fn refuse(status: u16, code: &str) -> Fault {
    Fault::Refuse { status, code: code.to_owned(), message: "Not now.".to_owned() }
}
