//! The strategies, each with the layout that it needs and a document that asks for one approval.

use crossfade_sim::world::sample::{Layout, ShopOptions};
use crossfade_sim::{Fault, Faults, Request};
use serde_json::{Value, json};

use crate::Scene;

/// A strategy on a router that it can have.
#[derive(Clone, Copy)]
pub struct Strategy {
    /// What a person calls it.
    pub name: &'static str,
    /// How the shop's router has to be laid out for it.
    pub layout: Layout,
    document: fn(&Scene) -> Value,
}

/// Every strategy.
pub const STRATEGIES: [Strategy; 5] = [
    Strategy { name: "basic", layout: Layout::Attached, document: Scene::document },
    Strategy {
        name: "canary",
        layout: Layout::Attached,
        document: |scene| canary(scene, json!({ "approveAfterPhases": [2] })),
    },
    Strategy { name: "shift", layout: Layout::Weighted, document: Scene::document },
    Strategy { name: "swap", layout: Layout::Staged, document: Scene::document },
    Strategy { name: "listener swap", layout: Layout::Staged, document: listener_swap },
];

impl Strategy {
    /// The ordinary shop for it.
    pub fn options(&self) -> ShopOptions {
        ShopOptions { layout: self.layout, ..ShopOptions::default() }
    }

    /// A scene with that shop.
    pub fn scene(&self) -> Scene {
        Scene::new(self.options())
    }

    /// Its document for a scene.
    pub fn document(&self, scene: &Scene) -> Value {
        (self.document)(scene)
    }
}

/// A canary with these settings.
pub fn canary(scene: &Scene, settings: Value) -> Value {
    scene.document_with(|d| d["strategy"] = json!({ "canary": settings }))
}

/// The swap of two listeners.
pub fn listener_swap(scene: &Scene) -> Value {
    scene.document_with(|d| d["routing"] = scene.listeners())
}

/// Denies for ever that a function sizes the running fleet to 0: the last thing that a deployment changes in production.
pub struct NeverDownsized;

impl Faults for NeverDownsized {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let of = |key: &str| request.form.get(key).map(String::as_str);
        let strikes = request.operation == "UpdateAutoScalingGroup"
            && request.caller.is_some()
            && of("AutoScalingGroupName") == Some("shop__6")
            && of("MaxSize") == Some("0");
        strikes.then(|| Fault::Refuse { status: 403, code: "AccessDenied".into(), message: "not allowed".into() })
    }
}
