//! What the tests share: a shop on the simulated AWS, crossfade installed in it, and deployments played to their end.
//!
//! Tests here check effects: the state of every resource, the requests served and lost, the outcome. Which calls were made
//! is only looked at where a limit on calls is the promise.

pub mod back;
pub mod faults;
pub mod figures;
pub mod machinery;
pub mod names;
pub mod roles;
pub mod scale;
pub mod shown;
pub mod strategies;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossfade_core::document::Decision;
use crossfade_local::watch::Happening;
use crossfade_local::{Answer, Installation, Operator, Outcome, Summary, play};
pub use crossfade_rehearse::differences;
use crossfade_sim::lambda::{Functions, Invocation};
use crossfade_sim::world::sample::{Layout, Shop, ShopOptions, shop};
use crossfade_sim::world::{TargetGroupSpec, World};
use crossfade_sim::{Settings, Sim};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::roles::Roles;

/// The shop, with crossfade installed.
pub struct Scene {
    /// The account.
    pub sim: Arc<Sim>,
    /// What is in it.
    pub shop: Shop,
    /// How its router is laid out.
    pub layout: Layout,
    /// crossfade.
    pub installation: Installation,
    /// Every resource, as it was before anything was deployed.
    pub before: Value,
    /// What its functions may call.
    pub roles: Arc<Roles>,
}

/// A deployment that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its figures.
    pub summary: Summary,
    /// Its log.
    pub log: Vec<String>,
    /// All that was seen of it.
    pub happenings: Vec<Happening>,
}

impl Ended {
    /// Why it failed; empty when it did not.
    pub fn cause(&self) -> &str {
        self.summary.cause.as_deref().unwrap_or_default()
    }

    /// Asserts the first promise, and that there was traffic to lose.
    #[track_caller]
    pub fn lost_nothing(&self) -> &Self {
        assert!(self.summary.requests_served > 0, "without traffic nothing is proved");
        assert_eq!(self.summary.requests_lost, 0, "requests were lost: {:#?}", self.log);
        self
    }
}

impl Scene {
    /// A shop with the default seed.
    pub fn new(options: ShopOptions) -> Self {
        Self::seeded(1, options)
    }

    /// A shop whose randomness follows a seed.
    pub fn seeded(seed: u64, options: ShopOptions) -> Self {
        Self::with_clocks(seed, options, |_| Duration::ZERO)
    }

    /// The same, with functions whose clocks are late by as much as is said of each.
    pub fn with_clocks(seed: u64, options: ShopOptions, late: impl Fn(&str) -> Duration) -> Self {
        let sim = Sim::new(Settings { seed, ..Settings::default() });
        let layout = options.layout;
        let shop = shop(&mut sim.world(), options);
        let installation = Installation::with_clocks(&sim, late).expect("the shipped definitions are good");
        smoke_test(&sim);
        let before = sim.world().inventory();
        let roles = Roles::guard(&sim);
        Self { sim, shop, layout, installation, before, roles }
    }

    /// Takes the account as it is now for what it was before.
    pub fn remember(&mut self) {
        let now = self.sim.world().inventory();
        self.before = now;
    }

    /// Adds another rule with two target groups of its own, `NAME-a` at 100 and `NAME-b` at 0, and answers its ARN.
    pub fn add_route(&mut self, name: &str, checks: bool) -> String {
        let mut world = self.sim.world();
        let group = |world: &mut World, side: &str, weight: u32| {
            let name = format!("{name}-{side}");
            let arn = world.add_target_group(TargetGroupSpec { checks, ..TargetGroupSpec::new(&name) });
            json!({ "TargetGroupArn": arn, "Weight": weight })
        };
        let groups = [group(&mut world, "a", 100), group(&mut world, "b", 0)];
        let actions = json!([{ "Type": "forward", "ForwardConfig": { "TargetGroups": groups } }]);
        let path = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": [format!("/{name}/*")] } }]);
        let listener = &self.shop.listener;
        let rule = (20..100).find_map(|priority| world.add_rule(listener, priority, &path, &actions).ok());
        let rule = rule.expect("the listener takes it");
        drop(world);
        self.remember();
        rule
    }

    /// The usual document of the layout, with an approval while a rollback is still easy: 10 %, 50 %, 100 %; a swap; or all
    /// instances at once. The old fleet is downsized.
    pub fn document(&self) -> Value {
        let shop = &self.shop;
        let second = shop.second.as_ref();
        let with = |first: &str, second: Option<&str>| {
            std::iter::once(first).chain(second).map(str::to_owned).collect::<Vec<_>>()
        };
        let production = with(&shop.target_group_a, second.map(|it| it.target_group_c.as_str()));
        let (routing, strategy) = match self.layout {
            Layout::Weighted => (
                json!({ "weighted": with(shop.route(), second.map(|it| it.route())) }),
                json!({ "blueGreenShift": { "approveAfterPercents": [10] } }),
            ),
            Layout::Named | Layout::Stacks => {
                (self.by_name(), json!({ "blueGreenShift": { "approveAfterPercents": [10] } }))
            }
            Layout::Attached => (
                json!({ "targetGroups": { "production": production } }),
                json!({ "basic": { "approveBeforeDownsize": true } }),
            ),
            Layout::Staged => {
                let test = with(&shop.target_group_b, second.map(|it| it.target_group_d.as_str()));
                (
                    json!({ "targetGroups": { "production": production, "test": test } }),
                    json!({ "blueGreenSwap": { "approveBeforeSwap": true } }),
                )
            }
        };
        let (base, image) = (&shop.base_group, &shop.new_ami);
        let (artifact, compute) = match (&shop.cluster, &shop.spot_account) {
            (None, None) => (json!({ "ami": image }), json!({ "autoScalingGroup": { "base": base, "name": "shop" } })),
            (None, Some(account)) => (
                json!({ "ami": image }),
                json!({ "elastigroup": { "account": account, "base": base, "name": "shop" } }),
            ),
            (Some(cluster), _) => (
                json!({ "image": image }),
                match self.layout {
                    // No load balancer tells which of its containers serves.
                    Layout::Named => {
                        json!({ "ecsService": { "cluster": cluster, "base": base, "name": "shop", "container": "app" } })
                    }
                    _ => json!({ "ecsService": { "cluster": cluster, "base": base, "name": "shop" } }),
                },
            ),
        };
        json!({
            "service": "shop",
            "environment": "production",
            "artifact": artifact,
            "compute": compute,
            "routing": routing,
            "strategy": strategy,
        })
    }

    /// The routing by the shop's name.
    pub fn by_name(&self) -> Value {
        let shop = &self.shop;
        let name = shop.name.as_ref().expect("the layout has a name");
        let pools = [&shop.target_group_a, &shop.target_group_b];
        let Some(other) = &shop.other_stack else {
            return json!({ "dns": [{ "name": name.name, "zone": name.zone, "services": pools, "ttlSeconds": 60 }] });
        };
        let stacks = [&shop.load_balancer, &other.balancer].into_iter().zip(pools);
        let stacks: Vec<Value> = stacks.map(|(arn, pool)| json!({ "arn": arn, "targetGroups": [pool] })).collect();
        json!({ "dns": [{ "name": name.name, "zone": name.zone, "loadBalancers": stacks }] })
    }

    /// The routing by exchanged listeners, of the staged layout.
    pub fn listeners(&self) -> Value {
        let pair = |production: &str, test: &str| json!({ "production": production, "test": test });
        let mut pairs = vec![pair(self.shop.route(), self.shop.test_listener.as_deref().unwrap_or_default())];
        if let Some(second) = &self.shop.second {
            pairs.push(pair(second.route(), second.test_listener.as_deref().unwrap_or_default()));
        }
        json!({ "listeners": pairs })
    }

    /// The usual document with a change.
    pub fn document_with(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut document = self.document();
        change(&mut document);
        document
    }

    /// Plays a deployment to its end, with an operator who always says the same.
    pub async fn play(&self, name: &str, document: &Value, answer: Answer) -> Ended {
        self.play_with(name, document, Box::new(move |_| answer)).await
    }

    /// Plays a deployment to its end.
    pub async fn play_with(&self, name: &str, document: &Value, operator: Operator) -> Ended {
        self.watched(name, document, operator, |_| {}).await
    }

    /// Plays a deployment to its end; `see` is told everything as it happens, and may interfere through the world.
    pub async fn watched(
        &self,
        name: &str,
        document: &Value,
        operator: Operator,
        mut see: impl FnMut(&Happening) + Send + 'static,
    ) -> Ended {
        let happenings: Arc<Mutex<Vec<Happening>>> = Arc::default();
        let told = happenings.clone();
        let sink = Box::new(move |happening: &Happening| {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(happening.clone());
            see(happening);
        });
        let played = play(&self.installation, name, document, self.shop.route(), operator, sink).await;
        let summary = played.expect("the deployment starts");
        assert_eq!(self.roles.refused(), Vec::<String>::new(), "{name}: what the template's roles do not allow");
        let happenings = happenings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ended { summary, log: self.installation.log(name), happenings }
    }

    /// The usual deployment, approved.
    pub async fn succeed(&self, name: &str) -> Ended {
        let ended = self.play(name, &self.document(), APPROVE).await;
        assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
        ended
    }

    /// Asserts that everything is as it was before, and that nothing is held.
    #[track_caller]
    pub fn is_as_before(&self) {
        let world = self.sim.world();
        assert_same(&world.inventory(), &world.lapsed(self.before.clone()));
        drop(world);
        self.holds_no_lock();
    }

    /// Asserts that the lock of the shop's infrastructure definition is free.
    #[track_caller]
    pub fn holds_no_lock(&self) {
        assert_eq!(self.held_locks(), Vec::<Value>::new());
    }

    /// The locks that somebody holds.
    pub fn held_locks(&self) -> Vec<Value> {
        let items = self.sim.tables().items(crossfade_local::TABLE).into_iter();
        items.filter(|item| item["sk"] == "lock" && item.get("holder").is_some()).collect()
    }

    /// The world, for a look or an interference.
    pub fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.sim.world()
    }

    /// Asserts the second promise: production never had fewer healthy instances, or what carries as much, than these.
    #[track_caller]
    pub fn never_had_less_than(&self, instances: f64, what: &str) {
        let least = self.world().least_capacity();
        assert!(least >= Some(instances), "{what}: {least:?}");
    }

    /// Sizes of a group: (min, desired, max).
    pub fn size(&self, fleet: &str) -> Option<(u32, u32, u32)> {
        self.world().fleet_view(fleet).map(|view| (view.min, view.desired, view.max))
    }

    /// The weights of the production and the test target group: `shop-a` and `shop-b`.
    pub fn weights(&self) -> (u32, u32) {
        let weights = self.world().weights(self.shop.route());
        let of = |arn: &str| weights.iter().find(|(name, _)| name == arn).map_or(0, |(_, weight)| *weight);
        (of(&self.shop.target_group_a), of(&self.shop.target_group_b))
    }
}

/// The function that hooks of the tests invoke.
pub const SMOKE: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop-smoke";

/// The shop's smoke test, which wants to be asked twice, and then says yes.
fn smoke_test(sim: &Arc<Sim>) {
    sim.callables().function("shop-smoke", |payload| {
        let asked = payload["state"]["asked"].is_boolean();
        let later = json!({ "verdict": "wait", "retryAfterSeconds": 10, "state": { "asked": true } });
        let answer = if asked { json!({ "verdict": "pass" }) } else { later };
        (Duration::from_secs(1), Invocation::Returned(answer))
    });
}

/// Invokes every function twice, one after the other, and answers what the second one says.
pub struct Twice(pub Arc<dyn Functions>);

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

/// An operator who says yes.
pub const APPROVE: Answer = Answer::Decide(Decision::Approve);
/// An operator who says no.
pub const REJECT: Answer = Answer::Decide(Decision::Reject);

/// Asserts that two inventories are equal, and names the first differences when they are not.
#[track_caller]
pub fn assert_same(now: &Value, before: &Value) {
    let differences = differences(now, before);
    assert!(differences.is_empty(), "the account is not as it was:\n{}", differences.join("\n"));
}
