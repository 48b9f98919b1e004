//! The sample's images, of either kind, and instance types.

use super::{ARM_AMI, ARM_IMAGE, NEW_AMI, NEW_IMAGE, NO_CAPACITY, NewImage, PENDING_AMI};
use crate::world::ecs::{ContainerBehaviour, ContainerImage};
use crate::world::{Flaws, Image, ImageBehaviour, World};

/// Where the shop's container images are.
pub(super) const REPOSITORY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop";
/// The other team's container image.
pub(super) const FOREIGN: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/other-team:1";
/// ECS's words when there is no room for a task.
const NO_ROOM: &str = "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later or \
    in a different availability zone.";

/// Adds the container images of the shop.
pub(super) fn add_container_images(world: &mut World, new: NewImage) {
    for revision in 2..=6 {
        world.add_container_image(ContainerImage::new(&format!("{REPOSITORY}:{revision}")));
    }
    world.add_container_image(ContainerImage::new(FOREIGN));
    let good = ContainerBehaviour::default();
    let behaviour = match new {
        NewImage::Good => good,
        NewImage::Unhealthy => ContainerBehaviour { passes_health_checks: false, ..good },
        NewImage::NoCapacity => ContainerBehaviour { placement_failure: Some(NO_ROOM.into()), ..good },
        NewImage::Slow => ContainerBehaviour { boot_seconds: (3 * 3600, 3 * 3600), ..good },
        NewImage::FailsLater => ContainerBehaviour { fails_after_seconds: Some(300), ..good },
        NewImage::Errors | NewImage::ErrorsLater | NewImage::Sluggish => {
            ContainerBehaviour { flaws: flaws(new), ..good }
        }
        NewImage::CrashLoop => ContainerBehaviour { exits_after_seconds: Some(4), boot_seconds: (60, 60), ..good },
    };
    world.add_container_image(ContainerImage::new(NEW_IMAGE).behaviour(behaviour));
    let of_another_architecture = ContainerBehaviour { exits_after_seconds: Some(0), ..ContainerBehaviour::default() };
    world.add_container_image(ContainerImage::new(ARM_IMAGE).behaviour(of_another_architecture));
}

/// What is wrong with it that its health checks do not see.
fn flaws(new: NewImage) -> Flaws {
    match new {
        NewImage::Errors => Flaws { errors_per_mille: 60, ..Flaws::default() },
        NewImage::ErrorsLater => Flaws { errors_per_mille: 60, errors_after_seconds: 20 * 60, ..Flaws::default() },
        NewImage::Sluggish => Flaws { slower_percent: 50, ..Flaws::default() },
        _ => Flaws::default(),
    }
}

/// Adds the AMIs of the shop, and the instance types that they run on.
pub(super) fn add_images(world: &mut World, new: NewImage) {
    for name in ["m6i.large", "m5.large", "t3.micro"] {
        world.add_instance_type(name, &["x86_64"]);
    }
    for name in ["m7g.large", "t4g.micro"] {
        world.add_instance_type(name, &["arm64"]);
    }
    for revision in 1..=6 {
        world.add_image(Image::new(&format!("ami-0a11ce0000000000{revision}")));
    }
    let good = ImageBehaviour::default();
    let behaviour = match new {
        NewImage::Good => good,
        NewImage::Unhealthy | NewImage::CrashLoop => ImageBehaviour { passes_health_checks: false, ..good },
        NewImage::NoCapacity => ImageBehaviour { launch_failure: Some(NO_CAPACITY.into()), ..good },
        NewImage::Slow => ImageBehaviour { boot_seconds: (3 * 3600, 3 * 3600), ..good },
        NewImage::Errors | NewImage::ErrorsLater | NewImage::Sluggish => ImageBehaviour { flaws: flaws(new), ..good },
        NewImage::FailsLater => ImageBehaviour { fails_after_seconds: Some(300), ..good },
    };
    world.add_image(Image::new(NEW_AMI).behaviour(behaviour));
    world.add_image(Image::new(ARM_AMI).architecture("arm64"));
    world.add_image(Image::new(PENDING_AMI).state("pending"));
}
