//! Tags of load balancers, listeners, rules and target groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::query::{Xml, only};
use crate::world::{Refusal, Tree, World, not_found};

/// The most resources that one call describes.
const AT_ONCE: usize = 20;
/// The most tags of a resource.
const TAGS: usize = 50;

/// The resources that a request names, all of which must exist.
fn resources(world: &World, form: &Tree) -> Result<Vec<String>, Refusal> {
    let arns = form.strings("ResourceArns");
    if arns.is_empty() {
        return Err(Refusal::validation("At least one resource ARN must be specified"));
    }
    for arn in &arns {
        if world.listeners.values().any(|listener| listener.default_rule == *arn) {
            return Err(Refusal::not_implemented("tags of default rules"));
        }
        world.balancing_tags(arn).ok_or_else(|| not_found(arn))?;
    }
    Ok(arns)
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ResourceArns"])?;
    let arns = resources(world, form)?;
    if arns.len() > AT_ONCE {
        return Err(Refusal::validation(&format!("At most {AT_ONCE} resource ARNs can be described at once")));
    }
    let mut xml = Xml::new();
    xml.members("TagDescriptions", arns, |xml, arn| {
        xml.leaf("ResourceArn", &arn).members("Tags", world.balancing_tags(&arn).into_iter().flatten(), |xml, tag| {
            xml.leaf("Key", tag.0).leaf("Value", tag.1);
        });
    });
    Ok(xml)
}

/// One tag of a request, checked as AWS does.
fn read(tag: &Tree) -> Result<(String, String), Refusal> {
    let (key, value) = (tag.str("Key").unwrap_or_default(), tag.str("Value").unwrap_or_default());
    let allowed = |text: &str| text.chars().all(|it| it.is_alphanumeric() || it == ' ' || "_.:/=+-@".contains(it));
    if !(1..=128).contains(&key.chars().count()) || value.chars().count() > 256 || !allowed(key) || !allowed(value) {
        return Err(Refusal::validation(&format!("The tag '{key}' = '{value}' is not valid")));
    }
    if key.starts_with("aws:") {
        return Err(Refusal::validation(&format!("The key '{key}' is reserved: keys must not begin with aws:")));
    }
    Ok((key.to_owned(), value.to_owned()))
}

pub(super) fn add(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ResourceArns", "Tags"])?;
    let arns = resources(world, form)?;
    let tags = form.list("Tags").iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if tags.is_empty() {
        return Err(Refusal::validation("At least one tag must be specified"));
    }
    let keys: BTreeSet<&String> = tags.iter().map(|(key, _)| key).collect();
    if keys.len() < tags.len() {
        return Err(Refusal::new(400, "DuplicateTagKeys", "A tag key was specified more than once"));
    }
    // All or nothing: everything is checked before anything changes.
    for arn in &arns {
        let has = world.balancing_tags(arn);
        let all: BTreeSet<&String> = has.into_iter().flat_map(BTreeMap::keys).chain(keys.iter().copied()).collect();
        if all.len() > TAGS {
            let message = format!("The maximum number of tags, {TAGS}, is reached for '{arn}'");
            return Err(Refusal::new(400, "TooManyTags", &message));
        }
    }
    for arn in &arns {
        if let Some(has) = world.balancing_tags_mut(arn) {
            has.extend(tags.iter().cloned());
        }
    }
    Ok(Xml::new())
}

pub(super) fn remove(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ResourceArns", "TagKeys"])?;
    let keys = form.strings("TagKeys");
    for arn in resources(world, form)? {
        if let Some(tags) = world.balancing_tags_mut(&arn) {
            // What is not there is removed already.
            tags.retain(|key, _| !keys.contains(key));
        }
    }
    Ok(Xml::new())
}
