//! Launch templates and their versions.

use std::collections::BTreeMap;

use super::{data, paged, required};
use crate::api::query::{Xml, only};
use crate::world::{LaunchTemplate, LaunchTemplateVersion, Refusal, Tree, World, timestamp};

fn find<'a>(world: &'a World, form: &Tree) -> Result<&'a LaunchTemplate, Refusal> {
    world.template(form.str("LaunchTemplateId"), form.str("LaunchTemplateName"))
}

fn not_dry(form: &Tree) -> Result<(), Refusal> {
    if form.is_true("DryRun") {
        return Err(Refusal::new(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."));
    }
    Ok(())
}

fn write_template(xml: &mut Xml, world: &World, name: &str, template: &LaunchTemplate) {
    xml.tag(name, |xml| {
        xml.leaf("launchTemplateId", &template.id)
            .leaf("launchTemplateName", &template.name)
            .leaf("createTime", timestamp(template.created_at))
            .leaf("createdBy", format!("arn:aws:iam::{}:root", world.account))
            .leaf("defaultVersionNumber", template.default_version)
            .leaf("latestVersionNumber", template.versions.keys().next_back().copied().unwrap_or_default())
            .items("tagSet", tags(template), |xml, tag| {
                xml.maybe("key", tag.str("Key")).maybe("value", tag.str("Value"));
            });
    });
}

fn tags(template: &LaunchTemplate) -> &[Tree] {
    match &template.tags {
        Tree::List(tags) => tags,
        _ => &[],
    }
}

fn write_version(
    xml: &mut Xml,
    world: &World,
    template: &LaunchTemplate,
    number: u64,
    version: &LaunchTemplateVersion,
) {
    xml.leaf("launchTemplateId", &template.id)
        .leaf("launchTemplateName", &template.name)
        .leaf("versionNumber", number)
        .maybe("versionDescription", version.description.as_ref())
        .leaf("createTime", timestamp(version.created_at))
        .leaf("createdBy", format!("arn:aws:iam::{}:root", world.account))
        .leaf("defaultVersion", number == template.default_version);
    data::write(xml, "LaunchTemplateData", &version.data);
}

/// What a request says of instances. EC2 refuses one that says nothing, even if it names a source.
fn given_data(form: &Tree) -> Result<Tree, Refusal> {
    let missing = || Refusal::new(400, "MissingParameter", "The request must contain the parameter LaunchTemplateData");
    data::from_form(form.get("LaunchTemplateData").ok_or_else(missing)?)
}

/// What makes a repeated request one.
fn client_token(form: &Tree) -> Result<Option<String>, Refusal> {
    match form.str("ClientToken") {
        Some(token) if token.len() > 128 || !token.is_ascii() => {
            Err(Refusal::new(400, "InvalidParameterValue", "A client token has at most 128 characters, of ASCII"))
        }
        token => Ok(token.map(str::to_owned)),
    }
}

pub(super) fn create(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let known =
        ["DryRun", "ClientToken", "LaunchTemplateName", "VersionDescription", "LaunchTemplateData", "TagSpecification"];
    only(form, &known)?;
    not_dry(form)?;
    let name = required(form, "LaunchTemplateName")?.to_owned();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "().-/_".contains(c);
    if !(3..=128).contains(&name.len()) || !name.chars().all(allowed) {
        let message =
            "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and ().-/_";
        return Err(Refusal::new(400, "InvalidLaunchTemplateName.MalformedException", message));
    }
    let data = given_data(form)?;
    let token = client_token(form)?;
    let existing = world.templates.values().find(|template| template.name == name);
    let id = match (existing, &token) {
        (Some(template), Some(token)) if template.tokens.get(token).is_some_and(|(asked, _)| asked == form) => {
            template.id.clone()
        }
        (Some(_), _) => {
            let message = "Launch template name already in use.";
            return Err(Refusal::new(400, "InvalidLaunchTemplateName.AlreadyExistsException", message));
        }
        // Version 1 is what a template is made with; the other tokens are those of later versions.
        (None, Some(token))
            if world.templates.values().any(|it| it.tokens.get(token).is_some_and(|(_, number)| *number == 1)) =>
        {
            return Err(token_mismatch());
        }
        (None, _) => {
            let version = LaunchTemplateVersion {
                data,
                description: form.str("VersionDescription").map(str::to_owned),
                created_at: world.now_millis(),
            };
            let own = |it: &&Tree| it.str("ResourceType") == Some("launch-template");
            let tags = form.list("TagSpecification").iter().find(own);
            let template = LaunchTemplate {
                id: format!("lt-0{}", world.hex(16)),
                name,
                created_at: world.now_millis(),
                default_version: 1,
                next_version: 2,
                versions: BTreeMap::from([(1, version)]),
                tags: Tree::List(tags.map(|it| it.list("Tag").to_vec()).unwrap_or_default()),
                tokens: token.map(|token| (token, (form.clone(), 1))).into_iter().collect(),
            };
            let id = template.id.clone();
            world.templates.insert(id.clone(), template);
            id
        }
    };
    let mut xml = Xml::new();
    if let Some(template) = world.templates.get(&id) {
        write_template(&mut xml, world, "launchTemplate", template);
    }
    Ok(xml)
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["DryRun", "LaunchTemplateId", "LaunchTemplateName", "Filter", "NextToken", "MaxResults"])?;
    not_dry(form)?;
    let (ids, names) = (form.strings("LaunchTemplateId"), form.strings("LaunchTemplateName"));
    let mut found: Vec<&LaunchTemplate> = if ids.is_empty() && names.is_empty() {
        world.templates.values().collect()
    } else {
        let by_id = ids.iter().map(|id| world.template(Some(id), None));
        let by_name = names.iter().map(|name| world.template(None, Some(name)));
        by_id.chain(by_name).collect::<Result<_, _>>()?
    };
    for filter in form.list("Filter") {
        let values = filter.strings("Value");
        match filter.str("Name").unwrap_or_default() {
            "launch-template-id" => found.retain(|template| values.contains(&template.id)),
            "launch-template-name" => found.retain(|template| values.contains(&template.name)),
            name => match name.strip_prefix("tag:") {
                Some(key) => found.retain(|template| {
                    let has = |tag: &Tree| {
                        tag.str("Key") == Some(key) && values.iter().any(|value| tag.str("Value") == Some(value))
                    };
                    tags(template).iter().any(has)
                }),
                None => return Err(Refusal::not_implemented(&format!("the filter {name}"))),
            },
        }
    }
    let (found, next) = paged(found, form)?;
    let mut xml = Xml::new();
    xml.tag("launchTemplates", |xml| {
        found.into_iter().for_each(|template| write_template(xml, world, "item", template));
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

pub(super) fn modify(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["DryRun", "ClientToken", "LaunchTemplateId", "LaunchTemplateName", "SetDefaultVersion"])?;
    not_dry(form)?;
    let template = find(world, form)?;
    let id = template.id.clone();
    if let Some(version) = form.str("SetDefaultVersion") {
        let number = template.number(Some(version)).ok_or_else(|| version_not_found(version))?;
        if let Some(template) = world.templates.get_mut(&id) {
            template.default_version = number;
        }
    }
    let mut xml = Xml::new();
    if let Some(template) = world.templates.get(&id) {
        write_template(&mut xml, world, "launchTemplate", template);
    }
    Ok(xml)
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["DryRun", "LaunchTemplateId", "LaunchTemplateName"])?;
    not_dry(form)?;
    let id = find(world, form)?.id.clone();
    let mut xml = Xml::new();
    if let Some(template) = world.templates.remove(&id) {
        write_template(&mut xml, world, "launchTemplate", &template);
    }
    Ok(xml)
}

pub(super) fn create_version(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    let known = [
        "DryRun",
        "ClientToken",
        "LaunchTemplateId",
        "LaunchTemplateName",
        "SourceVersion",
        "VersionDescription",
        "LaunchTemplateData",
        "ResolveAlias",
    ];
    only(form, &known)?;
    not_dry(form)?;
    let given = given_data(form)?;
    let template = find(world, form)?;
    let id = template.id.clone();
    let token = client_token(form)?;
    let known = token.as_ref().and_then(|token| template.tokens.get(token));
    let number = match known {
        // The same token is the same version, however often it is asked for (P39).
        Some((asked, number)) if asked == form => *number,
        Some(_) => {
            return Err(token_mismatch());
        }
        None => {
            if template.versions.len() >= world.settings.max_template_versions {
                return Err(Refusal::new(
                    400,
                    "VersionLimitExceeded",
                    &format!("You have reached the limit of versions for the launch template {id}"),
                ));
            }
            // Without a source nothing is inherited.
            let mut data = match form.str("SourceVersion") {
                None => Tree::default(),
                Some(version) => {
                    let number = template.number(Some(version)).ok_or_else(|| version_not_found(version))?;
                    without_snapshots(template.versions[&number].data.clone())
                }
            };
            for (name, value) in given.members() {
                data.set(name, value.clone());
            }
            let description = form.str("VersionDescription").map(str::to_owned);
            let version = LaunchTemplateVersion { data, description, created_at: world.now_millis() };
            let Some(template) = world.templates.get_mut(&id) else { return Ok(Xml::new()) };
            let number = template.next_version;
            template.next_version += 1;
            template.versions.insert(number, version);
            if let Some(token) = token {
                template.tokens.insert(token, (form.clone(), number));
            }
            number
        }
    };
    let mut xml = Xml::new();
    if let Some(template) = world.templates.get(&id)
        && let Some(version) = template.versions.get(&number)
    {
        xml.tag("launchTemplateVersion", |xml| write_version(xml, world, template, number, version));
    }
    Ok(xml)
}

/// Inherited block devices lose the snapshots that they were made from, which belong to the old image (P71).
fn without_snapshots(mut data: Tree) -> Tree {
    if let Some(Tree::List(mut mappings)) = data.take("BlockDeviceMappings") {
        for mapping in &mut mappings {
            if let Some(mut ebs) = mapping.take("Ebs") {
                ebs.take("SnapshotId");
                mapping.set("Ebs", ebs);
            }
        }
        data.set("BlockDeviceMappings", Tree::List(mappings));
    }
    data
}

pub(super) fn describe_versions(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    let known = [
        "DryRun",
        "LaunchTemplateId",
        "LaunchTemplateName",
        "LaunchTemplateVersion",
        "MinVersion",
        "MaxVersion",
        "NextToken",
        "MaxResults",
        "ResolveAlias",
    ];
    only(form, &known)?;
    not_dry(form)?;
    let wanted = form.strings("LaunchTemplateVersion");
    let mut found = Vec::new();
    if form.str("LaunchTemplateId").is_none() && form.str("LaunchTemplateName").is_none() {
        // Without a template, the latest or default versions of all templates can be asked for, and no others.
        if wanted.is_empty() || wanted.iter().any(|version| !["$Latest", "$Default"].contains(&version.as_str())) {
            return Err(Refusal::new(400, "MissingParameter", "A launch template ID or name must be specified"));
        }
        for template in world.templates.values() {
            found.extend(wanted.iter().filter_map(|version| Some((template, template.number(Some(version))?))));
        }
    } else {
        let template = find(world, form)?;
        if wanted.is_empty() {
            let bound = |name: &str| template.number(Some(form.str(name)?));
            let (least, most) = (bound("MinVersion").unwrap_or(0), bound("MaxVersion").unwrap_or(u64::MAX));
            let inside = template.versions.keys().filter(|number| (least..=most).contains(*number));
            found.extend(inside.rev().map(|number| (template, *number)));
        }
        for version in &wanted {
            let number = template.number(Some(version)).ok_or_else(|| version_not_found(version))?;
            if !found.iter().any(|(_, known)| *known == number) {
                found.push((template, number));
            }
        }
    }
    let (found, next) = paged(found, form)?;
    let mut shown = Vec::new();
    for (template, number) in found {
        let Some(mut version) = template.versions.get(&number).cloned() else { continue };
        // Asked to, EC2 shows the image that a parameter holds, and not its name.
        if let Some(image) = version.data.str("ImageId").filter(|_| form.is_true("ResolveAlias")) {
            let image = world.resolve_image(image).map_err(|why| Refusal::new(400, "InvalidParameterValue", &why))?;
            version.data.set("ImageId", Tree::text(image));
        }
        shown.push((template, number, version));
    }
    let mut xml = Xml::new();
    xml.items("launchTemplateVersionSet", shown, |xml, (template, number, version)| {
        write_version(xml, world, template, number, &version);
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

pub(super) fn delete_versions(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["DryRun", "LaunchTemplateId", "LaunchTemplateName", "LaunchTemplateVersion"])?;
    not_dry(form)?;
    let template = find(world, form)?;
    let (id, name, default) = (template.id.clone(), template.name.clone(), template.default_version);
    let (mut deleted, mut refused) = (Vec::new(), Vec::new());
    for version in form.strings("LaunchTemplateVersion") {
        let Some(template) = world.templates.get_mut(&id) else { break };
        match version.parse::<u64>() {
            Err(_) => refused.push((
                version,
                "launchTemplateVersionDoesNotExist",
                "Only numbers name versions that are to be deleted",
            )),
            Ok(number) if number == default => {
                refused.push((version, "unexpectedError", "Cannot delete the default version of a launch template"));
            }
            Ok(number) if template.versions.remove(&number).is_some() => deleted.push(number),
            Ok(_) => refused.push((
                version,
                "launchTemplateVersionDoesNotExist",
                "The specified launch template version does not exist",
            )),
        }
    }
    let mut xml = Xml::new();
    xml.items("successfullyDeletedLaunchTemplateVersionSet", deleted, |xml, number| {
        xml.leaf("launchTemplateId", &id).leaf("launchTemplateName", &name).leaf("versionNumber", number);
    });
    xml.items("unsuccessfullyDeletedLaunchTemplateVersionSet", refused, |xml, (number, code, message)| {
        xml.leaf("launchTemplateId", &id).leaf("launchTemplateName", &name).leaf("versionNumber", number);
        xml.tag("responseError", |xml| {
            xml.leaf("code", code).leaf("message", message);
        });
    });
    Ok(xml)
}

fn token_mismatch() -> Refusal {
    let message = "The client token has already been used with different parameters";
    Refusal::new(400, "IdempotentParameterMismatch", message)
}

fn version_not_found(version: &str) -> Refusal {
    let message = format!("Could not find the specified version {version} for the launch template.");
    Refusal::new(400, "InvalidLaunchTemplateId.VersionNotFound", &message)
}
