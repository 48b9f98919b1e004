//! The sample's images and instance types.

use super::{ARM_AMI, NEW_AMI, NO_CAPACITY, NewImage, PENDING_AMI};
use crate::world::{Image, ImageBehaviour, World};

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
        NewImage::Unhealthy => ImageBehaviour { passes_health_checks: false, ..good },
        NewImage::NoCapacity => ImageBehaviour { launch_failure: Some(NO_CAPACITY.into()), ..good },
        NewImage::Slow => ImageBehaviour { boot_seconds: (3 * 3600, 3 * 3600), ..good },
        NewImage::FailsLater => ImageBehaviour { fails_after_seconds: Some(300), ..good },
    };
    world.add_image(Image::new(NEW_AMI).behaviour(behaviour));
    world.add_image(Image::new(ARM_AMI).architecture("arm64"));
    world.add_image(Image::new(PENDING_AMI).state("pending"));
}
