//! What every kind of switch has to keep: its split is read, set whole, read back and restored, twice, after lost replies and beside
//! somebody else's hand, with the same end, and everything else on it stays. Each kind passes it against its simulation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_aws::{Set, Switches};
use crossfade_core::Kind;
use crossfade_core::kinds::dns::{DnsName, Records, examine};
use crossfade_core::split::{Route, Split};
use crossfade_sim::world::sample::{self, Balancer, Compute, Layout, Shop, ShopOptions};
use crossfade_sim::{Fault, Faults, Request, Settings, Sim};
use serde_json::{Value, json};

/// An account with a switch of one kind.
struct Account {
    sim: Arc<Sim>,
    shop: Shop,
    on: String,
    switches: Switches,
}

/// The kinds of switches, each with settings of somebody's own.
fn kinds() -> Vec<(&'static str, ShopOptions)> {
    let own = || ShopOptions { sticky_seconds: Some(120), login: true, ..ShopOptions::default() };
    let records = |cname, simple| sample::Records { cname, simple, ttl_seconds: 300, ..sample::Records::default() };
    let stacks = |records| ShopOptions { layout: Layout::Stacks, records, ..ShopOptions::default() };
    let named =
        |records| ShopOptions { compute: Compute::Services, layout: Layout::Named, records, ..ShopOptions::default() };
    let dual = sample::Records { dual_stack: true, ..sample::Records::default() };
    vec![
        ("a rule", own()),
        ("a listener", ShopOptions { default_action: true, ..own() }),
        ("a network listener", ShopOptions { balancer: Balancer::Network, ..ShopOptions::default() }),
        ("names of services", named(records(false, false))),
        ("a simple name of a service", named(records(false, true))),
        ("names of load balancers", stacks(records(true, false))),
        ("aliases of load balancers", stacks(sample::Records::default())),
        ("aliases of both types", stacks(dual)),
    ]
}

impl Account {
    async fn new(options: ShopOptions) -> Self {
        let sim = Sim::new(Settings::default());
        let shop = sample::shop(&mut sim.world(), options);
        let (mut switches, on) = (Switches::new(&sim.sdk_config()), shop.route().to_owned());
        if let Some(name) = &shop.name {
            let dns = by_name(&shop, &name.name, &name.zone);
            let (records, _) = examine(&dns, &switches.facts(&dns).await.unwrap()).unwrap();
            assert_eq!(dns.on(), on);
            let known: BTreeMap<String, Records> = BTreeMap::from([(dns.on(), records)]);
            switches = switches.knowing(&known);
        }
        Self { sim, shop, on, switches }
    }

    async fn read(&self) -> Split {
        self.switches.read(&self.on).await.unwrap()
    }

    async fn set(&self, seen: &Split, routes: &[Route]) -> crossfade_core::Result<Set> {
        self.switches.set(&self.on, seen, routes).await
    }

    /// So much of the traffic for the other side, as a plan has it.
    fn shifted(&self, percent: u32) -> Vec<Route> {
        let (a, b) = (&self.shop.target_group_a, &self.shop.target_group_b);
        vec![Route::to(a, 100 - percent), Route::to(b, percent)]
    }

    fn weights(&self) -> (u32, u32) {
        let weights = self.sim.world().weights(&self.on);
        let of = |arn: &str| weights.iter().find(|(name, _)| name == arn).map_or(0, |(_, weight)| *weight);
        (of(&self.shop.target_group_a), of(&self.shop.target_group_b))
    }

    fn inventory(&self) -> Value {
        self.sim.world().inventory()
    }

    /// Loses the reply of the next change.
    fn lose_reply(&self) {
        self.sim.set_faults(Some(Arc::new(Once(Mutex::new(Some(Fault::LoseReply))))));
    }
}

/// How a document names the two sides of the shop's name.
fn by_name(shop: &Shop, name: &str, zone: &str) -> DnsName {
    let pools = [&shop.target_group_a, &shop.target_group_b];
    let leads = match &shop.other_stack {
        None => json!({ "name": name, "zone": zone, "services": pools }),
        Some(other) => {
            let stacks = [&shop.load_balancer, &other.balancer].into_iter().zip(pools);
            let stacks: Vec<Value> = stacks.map(|(arn, pool)| json!({ "arn": arn, "targetGroups": [pool] })).collect();
            json!({ "name": name, "zone": zone, "loadBalancers": stacks })
        }
    };
    serde_json::from_value(leads).expect("it is one")
}

const CHANGES: [&str; 3] = ["ModifyRule", "ModifyListener", "ChangeResourceRecordSets"];

struct Once(Mutex<Option<Fault>>);

impl Faults for Once {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        CHANGES.contains(&request.operation.as_str()).then(|| self.0.lock().unwrap().take()).flatten()
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_is_set_whole_read_back_and_set_twice_is_the_same() {
    for (kind, options) in kinds() {
        let account = Account::new(options).await;
        let before = account.read().await;
        let (serves, waits) = account.weights();
        assert!(serves > 0 && waits == 0, "{kind}: {before:?}");
        for percent in [10, 50, 100] {
            let (seen, routes) = (account.read().await, account.shifted(percent));
            let set = account.set(&seen, &routes).await.unwrap();
            assert!(set.split.has(&routes), "{kind}: {set:?}");
            assert_eq!(set.split, account.read().await, "{kind}");
            assert_eq!(account.weights(), (100 - percent, percent), "{kind}");
            let once = account.inventory();
            let again = account.set(&set.split, &routes).await.unwrap();
            assert_eq!((again.split, account.inventory()), (set.split, once), "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_spreads_says_when_it_has() {
    for (kind, options) in kinds() {
        let account = Account::new(options).await;
        let spreads = account.shop.name.is_some();
        let set = account.set(&account.read().await, &account.shifted(10)).await.unwrap();
        assert_eq!(set.change.is_some(), spreads, "{kind}");
        let Some(change) = set.change else { continue };
        assert!(!account.switches.in_sync(&change).await.unwrap(), "{kind}");
        account.sim.clock.sleep(Duration::from_secs(600)).await;
        assert!(account.switches.in_sync(&change).await.unwrap(), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_reply_a_second_attempt_ends_the_same() {
    for (kind, options) in kinds() {
        let undisturbed = Account::new(options.clone()).await;
        let routes = undisturbed.shifted(10);
        undisturbed.set(&undisturbed.read().await, &routes).await.unwrap();
        let account = Account::new(options).await;
        account.lose_reply();
        let first = account.set(&account.read().await, &routes).await;
        // Whether the call is repeated at once, or somebody looks again.
        if let Err(failure) = first {
            assert_eq!(failure.kind, Kind::StaleRevision, "{kind}: {failure}");
            let set = account.set(&account.read().await, &routes).await.unwrap();
            assert!(set.split.has(&routes), "{kind}: {set:?}");
        }
        assert_eq!(account.inventory(), undisturbed.inventory(), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_has_changed_since_it_was_seen_is_not_overwritten() {
    for (kind, options) in kinds() {
        let account = Account::new(options).await;
        let seen = account.read().await;
        // Another one, who has read the same, is faster.
        account.set(&seen, &account.shifted(30)).await.unwrap();
        let theirs = account.inventory();
        let refused = account.set(&seen, &account.shifted(10)).await.unwrap_err();
        assert_eq!(refused.kind, Kind::StaleRevision, "{kind}: {refused}");
        assert_eq!(account.inventory(), theirs, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_split_that_is_restored_leaves_everything_as_it_was() {
    for (kind, options) in kinds() {
        let account = Account::new(options).await;
        let (before, as_it_was) = (account.read().await, account.inventory());
        for percent in [10, 100] {
            account.set(&account.read().await, &account.shifted(percent)).await.unwrap();
        }
        assert_ne!(account.inventory(), as_it_was, "{kind}");
        for _ in 0..2 {
            let set = account.set(&account.read().await, &before.routes).await.unwrap();
            assert!(set.split.has(&before.routes), "{kind}: {set:?}");
        }
        assert_eq!((account.read().await, account.inventory()), (before, as_it_was), "{kind}");
    }
}
