//! Machine images as values: the newest one of a name and tags, and the tags of one.

use std::collections::BTreeMap;

use crossfade_core::document::references::{Found, Missing};
use crossfade_core::trigger::{Image, Images};
use crossfade_core::{Class, Failure, Result};

use super::{Fetched, Unavailable, missing};
use crate::ec2::{Ec2, Ec2Error};
use crate::refusal::called;

const CALL: &str = "ec2:DescribeImages";

/// The id of the newest available image that counts.
pub(super) async fn newest(ec2: &Ec2, wanted: &Images) -> Fetched {
    let found = ec2.images_like(wanted.owner.as_deref(), wanted.name.as_deref(), &wanted.tags).await;
    let found = found.map_err(|error| unreadable(&wanted.to_string(), &error))?;
    // The same judge as that of triggers: what EC2's filters let through may differ.
    let counts = |image: &&crate::ec2::Image| {
        let seen = Image {
            id: image.id.clone(),
            name: image.name.clone().unwrap_or_default(),
            owner: image.owner.clone(),
            tags: image.tags.clone(),
        };
        image.state == "available" && wanted.why_not(&seen, &image.owner).is_none()
    };
    let newest = found.iter().filter(counts).max_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    let Some(image) = newest else {
        return Err(missing(
            format!("there is no available image with {wanted}"),
            "Correct the name or the tags, or make the image first; `aws ec2 describe-images --owners self` lists those that there are.",
        ));
    };
    let name = image.name.as_deref().unwrap_or("no name");
    Ok(Found::Text { text: image.id.clone(), version: Some(format!("{name}, of {}", image.created)) })
}

/// The tags of an image, or why they cannot be had.
///
/// # Errors
/// What passes, such as a throttle.
pub(super) async fn tags(ec2: &Ec2, id: &str) -> Result<std::result::Result<BTreeMap<String, String>, Missing>> {
    match ec2.image(id).await {
        Ok(image) => Ok(Ok(image.tags)),
        Err(error) => match unreadable(id, &error) {
            Unavailable::Missing(missing) => Ok(Err(missing)),
            Unavailable::Passing(failure) => Err(failure),
        },
    }
}

fn unreadable(on: &str, error: &Ec2Error) -> Unavailable {
    let failure: Failure = called(CALL, on, error);
    if failure.kind.class() == Class::Transient {
        return Unavailable::Passing(failure);
    }
    missing(failure.message.trim_end_matches('.').to_owned(), "Correct the image, or allow the call.")
}
