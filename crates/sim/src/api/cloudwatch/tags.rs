//! Tags of alarms.

use std::collections::BTreeMap;

use super::only;
use crate::api::query::required;
use crate::world::{Refusal, Tree, World};

/// The most tags of an alarm, and the longest key and value (CloudWatch API reference, PutMetricAlarm and Tag).
const TAGS: usize = 50;
const KEY: usize = 128;
const VALUE: usize = 256;

/// The tags of a request's list.
pub(super) fn read(tags: &[Tree]) -> Result<BTreeMap<String, String>, Refusal> {
    let tag = |tag: &Tree| match (tag.str("Key"), tag.str("Value").unwrap_or_default()) {
        (Some(key), value) if key.chars().count() > KEY || value.chars().count() > VALUE => {
            Err(Refusal::validation("A tag has a key of at most 128 characters, and a value of at most 256"))
        }
        (Some(key), value) if !key.is_empty() && !key.starts_with("aws:") => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Refusal::validation("A tag must have a key that does not begin with aws:")),
    };
    if tags.len() > TAGS {
        return Err(Refusal::validation("An alarm can have at most 50 tags"));
    }
    tags.iter().map(tag).collect()
}

pub(super) fn add(world: &mut World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(parameters, &["ResourceARN", "Tags"])?;
    let tags = read(parameters.list("Tags"))?;
    let alarm = world.alarm_by_arn(required(parameters, "ResourceARN")?)?;
    let mut all = alarm.tags.clone();
    all.extend(tags);
    if all.len() > TAGS {
        return Err(Refusal::validation("An alarm can have at most 50 tags"));
    }
    alarm.tags = all;
    Ok(Tree::default())
}

pub(super) fn remove(world: &mut World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(parameters, &["ResourceARN", "TagKeys"])?;
    let keys = parameters.strings("TagKeys");
    world.alarm_by_arn(required(parameters, "ResourceARN")?)?.tags.retain(|key, _| !keys.contains(key));
    Ok(Tree::default())
}

pub(super) fn list(world: &mut World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(parameters, &["ResourceARN"])?;
    let tags = &world.alarm_by_arn(required(parameters, "ResourceARN")?)?.tags;
    let tag = |(key, value): (&String, &String)| Tree::map([("Key", Tree::text(key)), ("Value", Tree::text(value))]);
    Ok(Tree::map([("Tags", Tree::List(tags.iter().map(tag).collect()))]))
}
