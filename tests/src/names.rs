//! Shops whose traffic follows a name in DNS, and what happens to the name's records while deployments run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crossfade_local::Outcome;
use crossfade_sim::world::dns::RecordSet;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Fault, Faults, Request, Sim};
use serde_json::Value;

use crate::{APPROVE, REJECT, Scene};

/// What somebody makes of records.
pub type Edit = fn(&mut Vec<RecordSet>);
/// What happens to the nth request.
pub type Strikes = fn(usize) -> Option<Fault>;

/// The zone and the name whose records lead to the shop.
fn name_of(scene: &Scene) -> (String, String) {
    let name = scene.shop.name.as_ref().expect("it has a name");
    (name.zone.clone(), name.name.clone())
}

/// The records of the shop's name.
pub fn records_of(scene: &Scene) -> Vec<RecordSet> {
    let (zone, name) = name_of(scene);
    scene.world().records(&zone, &name)
}

/// Edits the records of the shop's name.
pub fn edit(scene: &Scene, edit: impl FnOnce(&mut Vec<RecordSet>)) {
    let (zone, name) = name_of(scene);
    let mut records = records_of(scene);
    edit(&mut records);
    scene.world().set_records(&zone, &name, &records);
}

/// Plays the usual deployment, approved and rejected, in this shop.
pub async fn both_ways(options: impl Fn() -> ShopOptions, change: impl Fn(&mut Value), what: &str) {
    for (seed, answer, outcome) in [(1, APPROVE, Outcome::Succeeded), (2, REJECT, Outcome::FailedClean)] {
        let scene = Scene::seeded(seed, options());
        let ended = scene.play("dns", &scene.document_with(&change), answer).await;
        assert_eq!(ended.summary.outcome, outcome, "{what}: {}\n{}", ended.cause(), ended.log.join("\n"));
        ended.lost_nothing();
        if answer == REJECT {
            scene.is_as_before();
            continue;
        }
        scene.never_had_less_than(4.0, what);
        assert_eq!(scene.weights(), (0, 100), "{what}");
        assert_eq!(scene.size("shop__6").map(|(_, desired, _)| desired), Some(0), "{what}");
        assert_eq!(scene.size("shop__7").map(|(_, desired, _)| desired), Some(4), "{what}");
    }
}

/// Plays the deployment of this document and asserts that it is refused in these words, and that nothing was touched.
pub async fn is_refused(scene: &Scene, document: &Value, words: &[&str]) {
    let ended = scene.play("refused", document, APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::FailedClean, "{words:?}: {}", ended.log.join("\n"));
    for word in words {
        assert!(ended.cause().contains(word), "{word}: {}", ended.cause());
    }
    scene.is_as_before();
}

/// Somebody edits the records when a change of them arrives: after it was decided, and before it takes effect.
pub struct Hand {
    sim: Weak<Sim>,
    seen: AtomicUsize,
    nth: usize,
    edit: Edit,
    name: (String, String),
    left: Mutex<Option<Vec<RecordSet>>>,
}

impl Hand {
    /// Lays it on the shop's records, at the first change.
    pub fn on(scene: &Scene, edit: Edit) -> Arc<Self> {
        Self::at(scene, 0, edit)
    }

    /// Lays it on the shop's records, at a later change.
    pub fn at(scene: &Scene, nth: usize, edit: Edit) -> Arc<Self> {
        let (sim, name) = (Arc::downgrade(&scene.sim), name_of(scene));
        let hand = Arc::new(Self { sim, seen: AtomicUsize::new(0), nth, edit, name, left: Mutex::default() });
        scene.sim.set_faults(Some(hand.clone()));
        hand
    }

    /// The records as it left them.
    pub fn left(&self) -> Vec<RecordSet> {
        self.left.lock().expect("nobody panicked").clone().expect("somebody edited them")
    }
}

impl Faults for Hand {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        if request.operation == "ChangeResourceRecordSets" && self.seen.fetch_add(1, Ordering::Relaxed) == self.nth {
            let sim = self.sim.upgrade().expect("it runs");
            let mut world = sim.world();
            let mut records = world.records(&self.name.0, &self.name.1);
            (self.edit)(&mut records);
            world.set_records(&self.name.0, &self.name.1, &records);
            *self.left.lock().expect("nobody panicked") = Some(records);
        }
        None
    }
}

/// Does something to the nth request of an operation.
pub struct Nth(&'static str, AtomicUsize, Strikes);

impl Nth {
    /// Lays it on the account.
    pub fn on(scene: &Scene, operation: &'static str, strikes: Strikes) {
        scene.sim.set_faults(Some(Arc::new(Self(operation, AtomicUsize::new(0), strikes))));
    }
}

impl Faults for Nth {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        (request.operation == self.0).then(|| self.1.fetch_add(1, Ordering::Relaxed)).and_then(self.2)
    }
}
