//! What is deployed while it goes wrong: every strategy, approved and rejected.

use crossfade_sim::world::sample::ShopOptions;
use serde_json::{Value, json};

use crate::Scene;
use crate::strategies::{STRATEGIES, Strategy};

/// A deployment and what its operator says.
#[derive(Clone, Copy)]
pub struct Case {
    /// How it deploys.
    pub strategy: Strategy,
    /// Whether the operator says no: then it is rolled back, and the faults strike the rollback, too.
    pub rejected: bool,
    /// Whether the fleets have policies, schedules, hooks and the like.
    pub equipped: bool,
    /// Whether the oldest fleets are deleted in the end. What is pruned, no rollback can bring back.
    pub prunes: bool,
}

impl Case {
    /// All of them.
    pub fn all() -> Vec<Case> {
        let plain = STRATEGIES.iter().flat_map(|&strategy| {
            [false, true].map(|rejected| Case { strategy, rejected, equipped: false, prunes: false })
        });
        let shift = STRATEGIES.iter().copied().find(|strategy| strategy.name == "shift");
        let equipped = shift.into_iter().flat_map(|strategy| {
            [false, true].map(|rejected| Case { strategy, rejected, equipped: true, prunes: false })
        });
        let prunes = shift.map(|strategy| Case { strategy, rejected: false, equipped: false, prunes: true });
        plain.chain(equipped).chain(prunes).collect()
    }

    /// What a person calls it: `canary`, `shift, equipped, rejected`.
    pub fn name(&self) -> String {
        let words = [(self.equipped, "equipped"), (self.prunes, "pruning"), (self.rejected, "rejected")];
        let words = words.into_iter().filter(|(is, _)| *is).map(|(_, word)| word);
        std::iter::once(self.strategy.name).chain(words).collect::<Vec<_>>().join(", ")
    }

    /// The account: a shop with little traffic, so that a run takes little time.
    pub fn options(&self) -> ShopOptions {
        ShopOptions { requests_per_second: 5.0, equipped: self.equipped, ..self.strategy.options() }
    }

    /// Its document.
    pub fn document(&self, scene: &Scene) -> Value {
        let mut document = self.strategy.document(scene);
        if !self.prunes {
            document["compute"]["autoScalingGroup"]["keepRevisions"] = json!(10);
        }
        document
    }

    /// The healthy instances that production never has fewer of.
    pub fn guard(&self) -> f64 {
        f64::from(self.options().instances)
    }
}
