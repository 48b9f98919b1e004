//! Tags of groups.

use super::page_size;
use crate::api::query::{Xml, only, page};
use crate::world::{GroupTag, Refusal, Tree, World};

/// Key and tag of one entry of a request's list.
pub(super) fn read(tag: &Tree) -> Result<(String, GroupTag), Refusal> {
    let key = tag.str("Key").unwrap_or_default();
    if key.is_empty() || key.len() > 128 {
        return Err(Refusal::validation("The key of a tag must have between 1 and 128 characters"));
    }
    if key.starts_with("aws:") {
        return Err(Refusal::validation(&format!("The key '{key}' is reserved: keys must not begin with aws:")));
    }
    let value = tag.str("Value").unwrap_or_default();
    if value.len() > 256 {
        return Err(Refusal::validation("The value of a tag must have at most 256 characters"));
    }
    Ok((key.to_owned(), GroupTag { value: value.to_owned(), propagate: tag.is_true("PropagateAtLaunch") }))
}

pub(super) fn write_tag(xml: &mut Xml, group: &str, key: &str, tag: &GroupTag) {
    xml.leaf("ResourceId", group)
        .leaf("ResourceType", "auto-scaling-group")
        .leaf("Key", key)
        .leaf("Value", &tag.value)
        .leaf("PropagateAtLaunch", tag.propagate);
}

/// The group that an entry of a request's list belongs to.
fn owner(tag: &Tree) -> Result<&str, Refusal> {
    if tag.str("ResourceType").is_some_and(|kind| kind != "auto-scaling-group") {
        return Err(Refusal::validation("The resource type of a tag must be auto-scaling-group"));
    }
    tag.str("ResourceId").ok_or_else(|| Refusal::validation("A tag must name its resource"))
}

pub(super) fn create(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["Tags"])?;
    // All or nothing: everything is checked before anything changes.
    for tag in form.list("Tags") {
        let (key, _) = read(tag)?;
        let group = world.group_mut(owner(tag)?)?;
        if group.tags.len() >= 50 && !group.tags.contains_key(&key) {
            return Err(Refusal::new(400, "LimitExceeded", "A group can have at most 50 tags"));
        }
    }
    for entry in form.list("Tags") {
        let (key, tag) = read(entry)?;
        world.group_mut(owner(entry)?)?.tags.insert(key, tag);
    }
    Ok(Xml::new())
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["Tags"])?;
    for tag in form.list("Tags") {
        world.group_mut(owner(tag)?)?;
    }
    for tag in form.list("Tags") {
        world.group_mut(owner(tag)?)?.tags.remove(tag.str("Key").unwrap_or_default());
    }
    Ok(Xml::new())
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["Filters", "MaxRecords", "NextToken"])?;
    let all = world.groups.values().flat_map(|group| group.tags.iter().map(|(key, tag)| (&group.name, key, tag)));
    let mut found: Vec<_> = all.collect();
    for filter in form.list("Filters") {
        let values = filter.strings("Values");
        let name = filter.str("Name").unwrap_or_default();
        if !["auto-scaling-group", "key", "value", "propagate-at-launch"].contains(&name) {
            return Err(Refusal::validation(&format!("'{name}' is not a valid filter")));
        }
        found.retain(|(group, key, tag)| {
            let subject = match name {
                "auto-scaling-group" => (*group).clone(),
                "key" => (*key).clone(),
                "value" => tag.value.clone(),
                _ => tag.propagate.to_string(),
            };
            values.contains(&subject)
        });
    }
    let (found, next) = page(found, form.str("NextToken"), page_size(form, 50, 100)?)?;
    let mut xml = Xml::new();
    xml.members("Tags", found, |xml, (group, key, tag)| write_tag(xml, group, key, tag));
    xml.maybe("NextToken", next);
    Ok(xml)
}
