//! Images, instance types and instances.

use super::{paged, required};
use crate::api::query::{Xml, only};
use crate::world::spot::SpotInstance;
use crate::world::{Image, Instance, Lifecycle, Refusal, Tree, World, timestamp};

/// When images were made of which nobody says it.
const MADE: &str = "2026-01-02T08:00:00.000Z";

/// Whether a text is like a pattern of EC2's filters, in which `*` is any text and `?` any character.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => {
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.into_iter().any(|at| like(rest.as_str(), &text[at..]))
        }
        Some(first) => {
            let mut letters = text.chars();
            letters.next().is_some_and(|letter| first == '?' || first == letter)
                && like(rest.as_str(), letters.as_str())
        }
    }
}

pub(super) fn images(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["ImageId", "Owner", "IncludeDeprecated", "IncludeDisabled", "Filter", "MaxResults", "NextToken"])?;
    let ids = form.strings("ImageId");
    let filters = form.list("Filter");
    let known = |name: &str| name.starts_with("tag:") || ["name", "state", "image-id"].contains(&name);
    if let Some(other) = filters.iter().filter_map(|it| it.str("Name")).find(|name| !known(name)) {
        return Err(Refusal::not_implemented(&format!("the filter {other}")));
    }
    let matches = |image: &Image, filter: &Tree| {
        let values = filter.strings("Value");
        match filter.str("Name").unwrap_or_default() {
            "state" => values.contains(&image.state),
            "image-id" => values.contains(&image.id),
            "name" => values.iter().any(|pattern| like(pattern, &image.name)),
            tag => {
                let key = tag.strip_prefix("tag:").unwrap_or_default();
                image.tags.get(key).is_some_and(|value| values.contains(value))
            }
        }
    };
    let owners = form.strings("Owner");
    if let Some(other) = owners.iter().find(|owner| *owner != "self") {
        return Err(Refusal::not_implemented(&format!("the owner {other}")));
    }
    let shown = |image: &&Image| image.state != "deregistered";
    let found: Vec<&Image> = if ids.is_empty() {
        world.images.values().filter(shown).collect()
    } else {
        let find = |id: &String| {
            let message = format!("The image id '[{id}]' does not exist");
            let missing = || Refusal::new(400, "InvalidAMIID.NotFound", &message);
            world.images.get(id).filter(shown).ok_or_else(missing)
        };
        ids.iter().map(find).collect::<Result<_, _>>()?
    };
    let asked = |image: &&Image| {
        (owners.is_empty() || image.owner.is_none()) && filters.iter().all(|filter| matches(image, filter))
    };
    let (found, next) = paged(found.into_iter().filter(asked).collect(), form)?;
    let mut xml = Xml::new();
    xml.items("imagesSet", found, |xml, image| {
        xml.leaf("imageId", &image.id)
            .leaf("imageLocation", format!("{}/{}", world.account, image.name))
            .leaf("imageState", &image.state)
            .leaf("imageOwnerId", image.owner.as_ref().unwrap_or(&world.account))
            .leaf("isPublic", false)
            .leaf("architecture", &image.architecture)
            .leaf("imageType", "machine")
            .leaf("name", &image.name)
            .leaf("rootDeviceType", "ebs")
            .leaf("rootDeviceName", &image.root_device)
            .leaf("virtualizationType", "hvm")
            .leaf("hypervisor", "xen")
            .leaf("creationDate", world.images_made.get(&image.id).map_or(MADE, String::as_str));
        xml.items("blockDeviceMapping", [image], |xml, image| {
            xml.leaf("deviceName", &image.root_device);
            xml.tag("ebs", |xml| {
                xml.leaf("snapshotId", &image.snapshot)
                    .leaf("volumeSize", 8)
                    .leaf("deleteOnTermination", true)
                    .leaf("volumeType", "gp3")
                    .leaf("encrypted", false);
            });
        });
        xml.items("tagSet", &image.tags, |xml, (key, value)| {
            xml.leaf("key", key).leaf("value", value);
        });
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// A copy of an image of this region, available at once: in AWS that takes minutes.
pub(super) fn copy(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["Name", "SourceImageId", "SourceRegion", "Description", "ClientToken", "TagSpecification"])?;
    let (name, source) = (required(form, "Name")?, required(form, "SourceImageId")?);
    if required(form, "SourceRegion")? != world.region {
        return Err(Refusal::not_implemented("a copy from another region"));
    }
    let message = format!("The image id '[{source}]' does not exist");
    let image = world.images.get(source).filter(|image| image.state == "available");
    let mut image = image.cloned().ok_or_else(|| Refusal::new(400, "InvalidAMIID.NotFound", &message))?;
    let id = format!("ami-0{}", world.hex(16));
    (image.id, image.name, image.owner) = (id.clone(), name.to_owned(), None);
    let own = |it: &&Tree| it.str("ResourceType") == Some("image");
    let tags = form.list("TagSpecification").iter().filter(own).flat_map(|it| it.list("Tag"));
    image.tags = tags.filter_map(|tag| Some((tag.str("Key")?.to_owned(), tag.str("Value")?.to_owned()))).collect();
    let made = timestamp(world.now_millis());
    world.date_image(&id, &made);
    world.add_image(image);
    let mut xml = Xml::new();
    xml.leaf("imageId", &id);
    Ok(xml)
}

pub(super) fn instance_types(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceType", "MaxResults", "NextToken"])?;
    let names = form.strings("InstanceType");
    if let Some(name) = names.iter().find(|name| !world.instance_types.contains_key(*name)) {
        let message = format!("The following supplied instance types do not exist: [{name}]");
        return Err(Refusal::new(400, "InvalidInstanceType", &message));
    }
    let found = world.instance_types.iter().filter(|(name, _)| names.is_empty() || names.contains(name)).collect();
    let (found, next) = paged(found, form)?;
    let mut xml = Xml::new();
    xml.items("instanceTypeSet", found, |xml, (name, architectures)| {
        xml.leaf("instanceType", name).leaf("currentGeneration", true);
        xml.tag("processorInfo", |xml| {
            xml.items("supportedArchitectures", architectures, |xml, architecture| xml.text(architecture));
        });
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

pub(super) fn instances(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceId", "Filter", "MaxResults", "NextToken"])?;
    let ids = form.strings("InstanceId");
    let mut all: Vec<Seen> = world.instances.values().map(|it| of_group(world, it)).collect();
    all.extend(world.spot.instances.values().filter_map(of_spot));
    if let Some(id) = ids.iter().find(|id| !all.iter().any(|it| it.id == **id)) {
        let message = format!("The instance ID '{id}' does not exist");
        return Err(Refusal::new(400, "InvalidInstanceID.NotFound", &message));
    }
    let filters = form.list("Filter");
    let known = |name: &str| name.starts_with("tag:") || name == "instance-state-name" || name == "instance-id";
    if let Some(other) = filters.iter().filter_map(|it| it.str("Name")).find(|name| !known(name)) {
        return Err(Refusal::not_implemented(&format!("the filter {other}")));
    }
    let passes = |seen: &Seen, filter: &Tree| {
        let values = filter.strings("Value");
        let name = filter.str("Name").unwrap_or_default();
        match name.strip_prefix("tag:") {
            None if name == "instance-id" => values.contains(&seen.id),
            Some(key) => seen.tags.iter().any(|(name, value)| name == key && values.contains(value)),
            None => values.iter().any(|value| value == seen.state.1),
        }
    };
    all.retain(|it| (ids.is_empty() || ids.contains(&it.id)) && filters.iter().all(|filter| passes(it, filter)));
    all.sort_by(|one, other| one.id.cmp(&other.id));
    let (found, next) = paged(all, form)?;
    let mut xml = Xml::new();
    xml.items("reservationSet", found, |xml, instance| {
        xml.leaf("reservationId", instance.id.replacen("i-", "r-", 1)).leaf("ownerId", &world.account);
        xml.items("instancesSet", [instance], |xml, instance| write(xml, world, &instance));
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// An instance, whoever has started it.
struct Seen {
    id: String,
    image: String,
    instance_type: String,
    launched_at: u64,
    subnet: Option<String>,
    zone: String,
    state: (u32, &'static str),
    tags: Vec<(String, String)>,
}

fn of_group(world: &World, instance: &Instance) -> Seen {
    let state = match (instance.lifecycle, instance.server.stopped) {
        (Lifecycle::Terminated, _) => (48, "terminated"),
        (Lifecycle::Pending, _) => (0, "pending"),
        (Lifecycle::Terminating, Some(_)) => (32, "shutting-down"),
        (_, Some(_)) => (48, "terminated"),
        _ => (16, "running"),
    };
    let propagated = world.group(&instance.group).into_iter().flat_map(|group| group.tags.iter());
    let propagated = propagated.filter(|(_, tag)| tag.propagate).map(|(key, tag)| (key.clone(), tag.value.clone()));
    let own = [("aws:autoscaling:groupName".to_owned(), instance.group.clone())];
    Seen {
        id: instance.id.clone(),
        image: instance.image.clone(),
        instance_type: instance.instance_type.clone(),
        launched_at: instance.launched_at,
        subnet: instance.subnet.clone(),
        zone: instance.zone.clone(),
        state,
        tags: propagated.chain(own).collect(),
    }
}

fn of_spot(instance: &SpotInstance) -> Option<Seen> {
    let own = [("spotinst:aws:ec2:group:id".to_owned(), instance.group.clone())];
    Some(Seen {
        id: instance.id.clone()?,
        image: instance.image.clone(),
        instance_type: instance.instance_type.clone(),
        launched_at: instance.created_at,
        subnet: None,
        zone: instance.zone.clone(),
        state: instance.ec2_state(),
        tags: instance.tags.iter().cloned().chain(own).collect(),
    })
}

fn write(xml: &mut Xml, world: &World, instance: &Seen) {
    let (code, state) = instance.state;
    xml.leaf("instanceId", &instance.id)
        .leaf("imageId", &instance.image)
        .leaf("instanceType", &instance.instance_type)
        .leaf("launchTime", timestamp(instance.launched_at))
        .maybe("subnetId", instance.subnet.as_ref());
    xml.tag("instanceState", |xml| {
        xml.leaf("code", code).leaf("name", state);
    });
    xml.tag("placement", |xml| {
        xml.leaf("availabilityZone", &instance.zone);
    });
    let architecture = world.images.get(&instance.image).map(|image| &image.architecture);
    xml.maybe("architecture", architecture);
    xml.items("tagSet", &instance.tags, |xml, (key, value)| {
        xml.leaf("key", key).leaf("value", value);
    });
}
