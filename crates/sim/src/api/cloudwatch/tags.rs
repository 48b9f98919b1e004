//! Tags of alarms.

use std::collections::BTreeMap;

use super::only;
use crate::api::query::required;
use crate::world::{Refusal, Tree, World};

/// The tags of a request's list.
pub(super) fn read(tags: &[Tree]) -> Result<BTreeMap<String, String>, Refusal> {
    let tag = |tag: &Tree| match tag.str("Key") {
        Some(key) if !key.is_empty() && !key.starts_with("aws:") => {
            Ok((key.to_owned(), tag.str("Value").unwrap_or_default().to_owned()))
        }
        _ => Err(Refusal::validation("A tag must have a key that does not begin with aws:")),
    };
    tags.iter().map(tag).collect()
}

pub(super) fn add(world: &mut World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(parameters, &["ResourceARN", "Tags"])?;
    let tags = read(parameters.list("Tags"))?;
    world.alarm_by_arn(required(parameters, "ResourceARN")?)?.tags.extend(tags);
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
