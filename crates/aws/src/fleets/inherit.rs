//! What a new fleet takes from its base, beside what a fleet that serves has: the question and the answer, whatever the kind.
//!
//! It is read for people who look at a plan, never for a deployment.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use crossfade_core::kinds::{Blueprint, Compute};
use crossfade_core::observed::{Fleet, Schedule};
use crossfade_core::settings::{Setting, Settings};
use serde::Serialize;
use serde_json::Value;

use super::user_data::decoded;
use crate::ec2::Ec2;

/// A base, and the fleet that serves.
#[derive(Clone, Copy, Debug)]
pub struct Heirs<'a> {
    /// The document.
    pub compute: &'a Compute,
    /// What the base's members are made from, pinned.
    pub blueprint: &'a Blueprint,
    /// The fleet that serves, if one does.
    pub serving: Option<&'a Fleet>,
    /// What the document said by which that one was made, where the template stands in documents and it is known.
    pub earlier: Option<&'a Compute>,
    /// The fleet whose scaling a new one gets.
    pub scaling_from: Option<&'a str>,
    /// The images of which somebody wants to know more.
    pub images: &'a [&'a str],
    /// The time, in milliseconds since 1970.
    pub now_millis: u64,
}

/// An image, as people know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// Its id.
    pub image: String,
    /// What it is called, if it is.
    pub called: Option<String>,
    /// When it was made, in milliseconds since 1970, as far as that is known.
    pub made_millis: Option<u64>,
}

/// What each of them has.
#[derive(Clone, Debug, Default)]
pub struct Inherited {
    /// The fleet that serves; nothing where none does, or where the two cannot be compared.
    pub serving: Option<Settings>,
    /// A new one.
    pub new: Settings,
    /// What resizes them at set times, each with the name of the fleet that has it.
    pub schedules: Vec<(String, Schedule)>,
    /// The images, as far as AWS tells of them.
    pub images: Vec<Known>,
    /// What cannot be compared, each in a sentence.
    pub notes: Vec<String>,
}

/// The dimensions and labels by which metrics name a fleet or what it stands behind: they differ from fleet to fleet.
const OF_FLEETS: [&str; 2] = ["TargetGroup", "LoadBalancer"];

/// Takes from policies what names the fleet that has them, and where it stands.
pub(super) fn without_names(value: &mut Value, fleets: &[&str]) {
    match value {
        Value::Array(items) => {
            items.retain(|item| !names_a_fleet(item, fleets));
            items.iter_mut().for_each(|item| without_names(item, fleets));
        }
        Value::Object(fields) => {
            fields.retain(|name, _| !name.eq_ignore_ascii_case("resourceLabel"));
            fields.values_mut().for_each(|field| without_names(field, fleets));
        }
        _ => {}
    }
}

fn names_a_fleet(dimension: &Value, fleets: &[&str]) -> bool {
    let text = |name: &str| {
        let fields = dimension.as_object().filter(|fields| fields.len() == 2)?;
        fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?.1.as_str()
    };
    let Some((name, value)) = text("name").zip(text("value")) else { return false };
    OF_FLEETS.contains(&name) || fleets.contains(&value)
}

/// The fingerprint of user data in base64, as it is told.
pub(super) fn fingerprint_of(base64: &str) -> Setting {
    Setting::hidden(&decoded(Some(base64)).unwrap_or_else(|| base64.to_owned()))
}

/// What EC2 knows of images. One that is gone is nobody's concern here.
pub(super) async fn known(ec2: &Ec2, images: &[&str]) -> Vec<Known> {
    let mut known = Vec::new();
    for id in images {
        if let Ok(image) = ec2.image(id).await {
            let made = DateTime::from_str(&image.created, Format::DateTime).ok();
            let made_millis = made.and_then(|at| u64::try_from(at.to_millis().ok()?).ok());
            known.push(Known { image: image.id, called: image.name, made_millis });
        }
    }
    known
}
