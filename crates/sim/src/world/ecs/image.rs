//! Container images, and how what is in them behaves.

use super::Definition;
use crate::world::{Flaws, World};

/// How what an image runs behaves, which is what tests and demonstrations vary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerBehaviour {
    /// How long it takes to be pulled: shortest, longest.
    pub pull_seconds: (u64, u64),
    /// How long after its start the application takes until it answers: shortest, longest.
    pub boot_seconds: (u64, u64),
    /// Whether the application answers properly at all. When not, it answers everything with an error.
    pub passes_health_checks: bool,
    /// After how long of answering it fails for good.
    pub fails_after_seconds: Option<u64>,
    /// How long after its start the container ends by itself.
    pub exits_after_seconds: Option<u64>,
    /// Why no container of it can be started, in AWS's words.
    pub start_failure: Option<String>,
    /// Why no task with it can be placed, in AWS's words.
    pub placement_failure: Option<String>,
    /// What is wrong with the application that no health check sees.
    pub flaws: Flaws,
}

impl Default for ContainerBehaviour {
    fn default() -> Self {
        Self {
            pull_seconds: (10, 45),
            boot_seconds: (3, 12),
            passes_health_checks: true,
            fails_after_seconds: None,
            exits_after_seconds: None,
            start_failure: None,
            placement_failure: None,
            flaws: Flaws::default(),
        }
    }
}

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerImage {
    /// Its name as containers give it: `REGISTRY/REPOSITORY:TAG`, or with a digest.
    pub name: String,
    /// How what is in it behaves.
    pub behaviour: ContainerBehaviour,
}

impl ContainerImage {
    /// An image of an application that works.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), behaviour: ContainerBehaviour::default() }
    }

    /// The same image with something else in it.
    pub fn behaviour(mut self, behaviour: ContainerBehaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// Its digest: the one that its name gives, or one that follows from the name.
    pub fn digest(name: &str) -> String {
        if let Some((_, digest)) = name.split_once('@') {
            return digest.to_owned();
        }
        let fold =
            |seed: u64| name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let words: String =
            [0xcbf2_9ce4_8422_2325, 0x9e37_79b9_7f4a_7c15, 0x2545_f491_4f6c_dd1d, 0xd6e8_feb8_6659_fd93]
                .map(|seed| format!("{:016x}", fold(seed)))
                .concat();
        format!("sha256:{words}")
    }
}

impl World {
    /// Adds a container image, or replaces it. Tasks that are running keep to what it was.
    pub fn add_container_image(&mut self, image: ContainerImage) {
        self.ecs.images.insert(image.name.clone(), image);
    }

    /// A container image, to change how it behaves from now on.
    pub fn container_image_mut(&mut self, name: &str) -> Option<&mut ContainerImage> {
        self.ecs.images.get_mut(name)
    }

    /// How a task of a definition behaves as a whole: as slow and as ill as the worst of its essential containers.
    pub(super) fn behaviour_of(&self, definition: &Definition) -> ContainerBehaviour {
        let mut all: Option<ContainerBehaviour> = None;
        for container in definition.containers() {
            let name = container["image"].as_str().unwrap_or_default();
            let one = self.ecs.images.get(name).map(|image| image.behaviour.clone());
            let one = one.or_else(|| self.ecs.other_images.clone());
            let one = one.unwrap_or_else(|| ContainerBehaviour {
                start_failure: Some(format!(
                    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref \
                     {name}: {name}: not found"
                )),
                ..ContainerBehaviour::default()
            });
            all = Some(match all {
                None => one,
                Some(all) => all.and(one, container["essential"] != false),
            });
        }
        all.unwrap_or_default()
    }
}

impl ContainerBehaviour {
    /// Two containers of one task.
    fn and(self, other: Self, essential: bool) -> Self {
        let slower = |(a, b): (u64, u64), (c, d): (u64, u64)| (a.max(c), b.max(d));
        let sooner = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        let other = if essential {
            other
        } else {
            // What becomes of it later does not matter to the task.
            Self { exits_after_seconds: None, fails_after_seconds: None, passes_health_checks: true, ..other }
        };
        Self {
            pull_seconds: slower(self.pull_seconds, other.pull_seconds),
            boot_seconds: slower(self.boot_seconds, other.boot_seconds),
            passes_health_checks: self.passes_health_checks && other.passes_health_checks,
            fails_after_seconds: sooner(self.fails_after_seconds, other.fails_after_seconds),
            exits_after_seconds: sooner(self.exits_after_seconds, other.exits_after_seconds),
            start_failure: self.start_failure.or(other.start_failure),
            placement_failure: self.placement_failure.or(other.placement_failure),
            flaws: self.flaws.and(other.flaws),
        }
    }
}
