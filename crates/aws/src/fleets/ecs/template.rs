//! What new services are made from: a base, its task definition, and which container stands in which pool.

use crossfade_core::document::Problem;
use crossfade_core::kinds::dns::is_registry;
use crossfade_core::kinds::ecs::{Definition, EcsService, Place, TaskDefinition};
use crossfade_core::kinds::elb::short;
use crossfade_core::kinds::{Blueprint, Compute};
use crossfade_core::lane::Lane;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::Services;
use super::client::{count, list, text};
use super::create::foreign;
use crate::fleets::{Runs, Template};

impl Services {
    /// Looks at a base.
    pub(super) async fn of_base(&self, compute: &Compute, lanes: &[Lane]) -> Result<Template> {
        let Compute::EcsService(asked) = compute else { return Err(super::other_kind()) };
        let mut template = Template::default();
        if let Some(written) = &asked.definition {
            match of_definition(asked, written, lanes) {
                Ok((mut definition, notes)) => {
                    template.notes = notes;
                    let read = written.read(&asked.container, "image:tag").ok();
                    let (service, read) = read.unwrap_or_default();
                    self.stand_in_dns(asked, (&service, &read), lanes, &mut definition, &mut template).await?;
                    template.blueprint = Some(Blueprint::EcsService(definition));
                }
                Err(problem) => template.problems.push(problem),
            }
            return Ok(template);
        }
        let Some(base) = self.service(&asked.base).await? else {
            template.problems.push(format!(
                "compute.ecsService.base = {} does not exist in the cluster {}. Correct the name.",
                asked.base, self.cluster
            ));
            return Ok(template);
        };
        let arn = text(&base, "taskDefinition").to_owned();
        let Some((definition, _)) = self.definition(&arn).await? else {
            template.problems.push(format!("The task definition {arn} of the base {} does not exist.", asked.base));
            return Ok(template);
        };
        template.problems.extend(unknown(&base));
        template.problems.extend(no_room_for_tags(&asked.base, &base));
        match chosen(asked, &base, &definition, lanes) {
            Ok((container, places)) => {
                let own_address = text(&definition, "networkMode") == "awsvpc";
                let (role, note) = role(&asked.role, text(&base, "roleArn"), own_address, balanced(lanes));
                template.notes.extend(note);
                let mut made = TaskDefinition { arn: arn.clone(), container, own_address, places, role, written: None };
                template.problems.extend(no_role(asked, own_address, balanced(lanes)));
                self.stand_in_dns(asked, (&base, &definition), lanes, &mut made, &mut template).await?;
                template.blueprint = Some(Blueprint::EcsService(made));
            }
            Err(problem) => template.problems.push(problem),
        }
        template.notes.extend(unpinned(&definition));
        if text(&definition, "status") == "INACTIVE" {
            template
                .notes
                .push(format!("The task definition {arn} of the base is deregistered; a new revision is made from it"));
        }
        Ok(template)
    }
}

impl Services {
    /// The places in Cloud Map services, which depend on their records (K33): an SRV record names a container and its port, an A record
    /// has the address alone, which only tasks with one of their own can give.
    async fn stand_in_dns(
        &self,
        asked: &EcsService,
        (base, definition): (&Value, &Value),
        lanes: &[Lane],
        made: &mut TaskDefinition,
        template: &mut Template,
    ) -> Result<()> {
        let containers = list(definition, "containerDefinitions");
        let (before, mut looked) = (template.problems.len(), Vec::new());
        for lane in lanes.iter().filter(|lane| is_registry(&lane.test)) {
            if looked.contains(&&lane.test) {
                continue;
            }
            looked.push(&lane.test);
            let types = self.client.registries.types(&lane.test).await?;
            let pools = lane.sides().map(String::clone).to_vec();
            match place_in(asked, base, containers, &made.container, made.own_address, (&types, lane)) {
                Ok((container, port)) => made.places.push(Place { pools, container, port }),
                Err(problem) => template.problems.push(problem),
            }
        }
        // Otherwise ECS registers a task as healthy as soon as it runs (P88).
        if !looked.is_empty() && unchecked(containers) && template.problems.len() == before {
            template.problems.push(format!(
                "No container of the task definition of {} has a healthCheck, so that Cloud Map would be told that a task serves before \
                 it does. Give the container {} one.",
                if asked.base.is_empty() { "the definition" } else { &asked.base },
                made.container
            ));
        }
        Ok(())
    }
}

/// Whether no container tells how it is.
fn unchecked(containers: &[Value]) -> bool {
    containers.iter().all(|it| it["healthCheck"].is_null())
}

/// The container and port that stand in a Cloud Map service with records of these types.
fn place_in(
    asked: &EcsService,
    base: &Value,
    containers: &[Value],
    container: &str,
    own_address: bool,
    (types, lane): (&[String], &Lane),
) -> std::result::Result<(String, u16), String> {
    if !types.iter().any(|kind| kind == "SRV") {
        return match own_address {
            true => Ok((String::new(), 0)),
            false => Err(format!(
                "The tasks of {} have the addresses of their hosts, whose ports only SRV records tell, and {} has [{}]. Use Cloud Map \
                 services with SRV records.",
                asked.base,
                short(&lane.test),
                types.join(", ")
            )),
        };
    }
    let registry = list(base, "serviceRegistries").iter().find(|it| !text(it, "containerName").is_empty());
    let (container, port) = match registry {
        Some(it) if asked.port.is_none() => (text(it, "containerName").to_owned(), count(it, "containerPort")),
        _ => (container.to_owned(), port(asked, container, containers, lane)?),
    };
    let mapped = ports(containers, &container);
    match u16::try_from(port) {
        Ok(narrow) if mapped.contains(&port) => Ok((container, narrow)),
        _ => Err(not_mapped(asked, &container, port, &mapped, lane)),
    }
}

/// The most tags that a service may have (ECS API reference, Tag).
const TAGS: usize = 50;
/// How many of them are ours: whose it is, which revision, of which deployment, and whether it serves.
const OURS: usize = 4;

/// Why a copy has no room for our tags beside the base's own.
fn no_room_for_tags(name: &str, base: &Value) -> Option<String> {
    let there = list(base, "tags").iter().filter(|tag| foreign(tag)).count();
    (there > TAGS - OURS).then(|| {
        format!(
            "The base {name} has {there} tags. A copy has {OURS} of crossfade's beside them, and a service may have {TAGS}. Take {} off the \
             base.",
            there + OURS - TAGS
        )
    })
}

/// That an image may change under a fleet that runs: a tag moves, and nobody has pinned what it meant (P86).
fn unpinned(definition: &Value) -> Vec<String> {
    let moves = |it: &&Value| text(it, "versionConsistency") == "disabled" && !text(it, "image").contains("@sha256:");
    let containers = list(definition, "containerDefinitions").iter().filter(moves);
    let note = |it: &Value| {
        format!(
            "The container {} has versionConsistency disabled and an image by its tag: a task that starts later, in a rollback, too, \
             runs what the tag means by then. Give images by their digests",
            text(it, "name")
        )
    };
    containers.map(note).collect()
}

/// What is made from a template that is written out, and what is worth knowing about it.
fn of_definition(
    asked: &EcsService,
    written: &Definition,
    lanes: &[Lane],
) -> std::result::Result<(TaskDefinition, Vec<String>), String> {
    // Whatever the image, its place is known.
    let (service, definition) = written.read(&asked.container, "image:tag").map_err(|problems| in_words(&problems))?;
    if let Some(unknown) = unknown(&service).into_iter().next() {
        return Err(unknown);
    }
    let named = EcsService { base: "its definition".into(), ..asked.clone() };
    let (container, places) = chosen(&named, &service, &definition, lanes)?;
    let own_address = text(&definition, "networkMode") == "awsvpc";
    if let Some(problem) = no_role(asked, own_address, balanced(lanes)) {
        return Err(problem);
    }
    let (role, note) = role(&asked.role, text(&service, "role"), own_address, balanced(lanes));
    let notes = unpinned(&definition).into_iter().chain(note).collect();
    let written = Some(written.clone());
    Ok((TaskDefinition { arn: String::new(), container, own_address, places, role, written }, notes))
}

/// In how many target groups of lanes a service stands.
fn balanced(lanes: &[Lane]) -> usize {
    lanes.iter().filter(|lane| !is_registry(&lane.test)).count()
}

/// Why ECS takes no role of somebody's for a service, in words: only its own does more than one target group, and addresses of tasks.
fn hindrance(own_address: bool, pools: usize) -> Option<&'static str> {
    match pools {
        _ if own_address => Some("its tasks have addresses of their own (network mode awsvpc)"),
        0 => Some("it stands in no target group"),
        1 => None,
        _ => Some("it stands in several target groups"),
    }
}

/// Why the role that the document names cannot be had.
fn no_role(asked: &EcsService, own_address: bool, pools: usize) -> Option<String> {
    let why = hindrance(own_address, pools).filter(|_| !asked.role.is_empty())?;
    Some(format!(
        "compute.ecsService.role = {}: for the new service ECS takes none but its service-linked role, since {why}. Leave it out.",
        asked.role
    ))
}

/// The role by which ECS is to register tasks, where it is not its own: the document's, or the template's.
fn role(asked: &str, theirs: &str, own_address: bool, pools: usize) -> (Option<String>, Option<String>) {
    let theirs = if theirs.contains("aws-service-role/") { "" } else { theirs };
    match (asked, theirs, hindrance(own_address, pools)) {
        ("", "", _) => (None, None),
        ("", theirs, None) => (Some(theirs.to_owned()), None),
        ("", theirs, Some(why)) => {
            (None, Some(format!("ECS registers tasks by its service-linked role rather than by {theirs}, since {why}")))
        }
        (asked, ..) => (Some(asked.to_owned()), None),
    }
}

fn in_words(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The two parts, with the container and the image in the places that are kept for them.
pub(super) fn filled(written: &Definition, container: &str, image: &str) -> Result<(Value, Value)> {
    written.read(container, image).map_err(|problems| Kind::Drifted.because(in_words(&problems)))
}

/// The fields of a service that a copy gets, as they are.
pub(super) const COPIED: &[&str] = &[
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "deploymentConfiguration",
    "placementConstraints",
    "placementStrategy",
    "healthCheckGracePeriodSeconds",
    "schedulingStrategy",
    "availabilityZoneRebalancing",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
];

/// The fields of a service that a copy gets otherwise, or that say how it is.
const OTHERS: &[&str] = &[
    "cluster",
    "clientToken",
    "role",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "serviceArn",
    "serviceName",
    "clusterArn",
    "loadBalancers",
    "serviceRegistries",
    "status",
    "desiredCount",
    "runningCount",
    "pendingCount",
    "taskDefinition",
    "taskSets",
    "deployments",
    "roleArn",
    "events",
    "createdAt",
    "createdBy",
    "deploymentController",
    "tags",
    "platformFamily",
    "currentServiceDeployment",
    "currentServiceRevisions",
    "resourceManagementType",
];

/// What of a service nobody here knows, and so a copy could lack.
fn unknown(base: &Value) -> Vec<String> {
    let fields = base.as_object().into_iter().flatten();
    let unknown = fields.filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|it| !it.is_empty()));
    let unknown: Vec<&str> = unknown
        .map(|(name, _)| name.as_str())
        .filter(|name| !COPIED.contains(name) && !OTHERS.contains(name))
        .collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "The base {} has {}, which this release of crossfade does not know, so that a copy would lack it. Upgrade crossfade, or use \
         a base without it.",
        text(base, "serviceName"),
        unknown.join(", ")
    )]
}

/// The container whose image is replaced, and the places of the pools.
fn chosen(
    asked: &EcsService,
    base: &Value,
    definition: &Value,
    lanes: &[Lane],
) -> std::result::Result<(String, Vec<Place>), String> {
    let containers = list(definition, "containerDefinitions");
    let names: Vec<&str> = containers.iter().map(|it| text(it, "name")).collect();
    let named = |it: &&Value| !text(it, "containerName").is_empty();
    let registered = list(base, "serviceRegistries").iter().filter(named);
    let balanced: Vec<&Value> = list(base, "loadBalancers").iter().chain(registered).collect();
    let behind = |lane: &Lane| {
        let of = |it: &&&Value| lane.sides().iter().any(|pool| pool.as_str() == text(it, "targetGroupArn"));
        balanced.iter().find(of).copied()
    };
    let container = match asked.container.as_str() {
        "" => {
            let first = lanes.iter().find_map(behind).or(balanced.first().copied()).map(|it| text(it, "containerName"));
            match (first, names.as_slice()) {
                (Some(name), _) => name.to_owned(),
                (None, [one]) => (*one).to_owned(),
                (None, _) => {
                    return Err(format!(
                        "The task definition of the base {} has the containers {}. Say with compute.ecsService.container whose \
                         image is to be replaced.",
                        asked.base,
                        names.join(", ")
                    ));
                }
            }
        }
        name => name.to_owned(),
    };
    if !names.contains(&container.as_str()) {
        return Err(format!(
            "The task definition of the base {} has no container {container}; it has {}. Correct compute.ecsService.container.",
            asked.base,
            names.join(", ")
        ));
    }
    let mut places = Vec::new();
    for lane in lanes.iter().filter(|lane| !is_registry(&lane.test)) {
        let place = match behind(lane) {
            Some(it) if asked.port.is_none() => (text(it, "containerName").to_owned(), count(it, "containerPort")),
            _ => (container.clone(), port(asked, &container, containers, lane)?),
        };
        let mapped = ports(containers, &place.0);
        if !mapped.contains(&place.1) {
            return Err(not_mapped(asked, &place.0, place.1, &mapped, lane));
        }
        let port = u16::try_from(place.1).unwrap_or(0);
        places.push(Place { pools: lane.sides().map(String::clone).to_vec(), container: place.0, port });
    }
    Ok((container, places))
}

/// What tasks of a definition run: the container that a pool reaches, or the only one; otherwise each of them, those first without which
/// a task does not run.
pub(super) fn runs(definition: &Value, made: &TaskDefinition, members: usize) -> Vec<Runs> {
    let containers = list(definition, "containerDefinitions");
    let reached = made.places.iter().map(|place| place.container.as_str()).find(|name| !name.is_empty());
    let reached = reached.and_then(|name| containers.iter().find(|it| text(it, "name") == name));
    let runs = |it: &Value, container: Option<String>| Runs {
        image: text(it, "image").to_owned(),
        called: container.is_none().then(|| format!("container {}", text(it, "name"))),
        members,
        container,
    };
    match (reached, containers) {
        (Some(it), _) => vec![runs(it, None)],
        (None, [only]) => vec![runs(only, None)],
        (None, several) => {
            let mut several: Vec<&Value> = several.iter().collect();
            several.sort_by_key(|it| it["essential"] == false);
            several.into_iter().map(|it| runs(it, Some(text(it, "name").to_owned()))).collect()
        }
    }
}

/// The ports that a container maps.
fn ports(containers: &[Value], name: &str) -> Vec<u32> {
    let container = containers.iter().find(|it| text(it, "name") == name);
    container.map_or_else(Vec::new, |it| list(it, "portMappings").iter().map(|it| count(it, "containerPort")).collect())
}

fn port(asked: &EcsService, container: &str, containers: &[Value], lane: &Lane) -> std::result::Result<u32, String> {
    match (asked.port, ports(containers, container).as_slice()) {
        (Some(port), _) => Ok(u32::from(port)),
        (None, [one]) => Ok(*one),
        (None, mapped) => Err(format!(
            "The container {container} of the base {} maps {} ports, so nobody can tell which one {} and {} reach. Say so with \
             compute.ecsService.port.",
            asked.base,
            mapped.len(),
            short(&lane.production),
            short(&lane.test)
        )),
    }
}

fn not_mapped(asked: &EcsService, container: &str, port: u32, mapped: &[u32], lane: &Lane) -> String {
    let mapped: Vec<String> = mapped.iter().map(ToString::to_string).collect();
    format!(
        "No container definition has a port mapping that matches the target port: {} and {} are to reach port {port} of the container \
         {container} of the base {}, which maps [{}]. Correct compute.ecsService.port, or map that port.",
        lane.production,
        lane.test,
        asked.base,
        mapped.join(", ")
    )
}

/// How pools stand in a service: its load balancers, and its registries.
///
/// # Errors
/// `RequestRefused` for a blueprint whose pools are not known to it: the record is of another routing.
pub(super) fn entries(blueprint: &TaskDefinition, pools: &[String]) -> Result<(Vec<Value>, Vec<Value>)> {
    let (mut balancers, mut registries) = (Vec::new(), Vec::new());
    for pool in pools {
        let place = blueprint.place(pool).ok_or_else(|| {
            Kind::RequestRefused.because(format!(
                "Nothing says which container and port stand in {}. Name it in routing, as when the service was made.",
                short(pool)
            ))
        })?;
        let mut entry = json!({});
        if !place.container.is_empty() {
            entry = json!({ "containerName": place.container, "containerPort": place.port });
        }
        let (name, all) = match is_registry(pool) {
            true => ("registryArn", &mut registries),
            false => ("targetGroupArn", &mut balancers),
        };
        entry[name] = json!(pool);
        all.push(entry);
    }
    Ok((balancers, registries))
}

#[cfg(test)]
mod tests {
    use crossfade_core::lane::Movement;
    use serde_json::json;

    use super::*;

    fn asked(change: Value) -> EcsService {
        let mut asked = json!({ "cluster": "shop", "base": "shop-base" });
        asked.as_object_mut().expect("it is one").extend(change.as_object().expect("it is one").clone());
        serde_json::from_value(asked).expect("it is one")
    }

    fn lane(production: &str, test: &str) -> Lane {
        Lane { production: production.into(), test: test.into(), by: Movement::Attachment }
    }

    fn definition() -> Value {
        json!({ "containerDefinitions": [
            { "name": "web", "portMappings": [{ "containerPort": 8080 }] },
            { "name": "admin", "portMappings": [{ "containerPort": 9000 }, { "containerPort": 9001 }] },
        ] })
    }

    fn base() -> Value {
        let web = json!({ "targetGroupArn": "a", "containerName": "web", "containerPort": 8080 });
        let admin = json!({ "targetGroupArn": "c", "containerName": "admin", "containerPort": 9001 });
        json!({ "serviceName": "shop-base", "loadBalancers": [web, admin] })
    }

    #[test]
    fn p88_without_a_check_of_its_container_a_task_registers_too_early() {
        let mut containers = definition()["containerDefinitions"].as_array().expect("it is a list").clone();
        assert!(unchecked(&containers));
        containers[0]["healthCheck"] = json!({ "command": ["CMD", "true"] });
        assert!(!unchecked(&containers));
    }

    #[test]
    fn k33_an_srv_record_names_a_container_and_its_port_and_an_a_record_neither() {
        let definition = definition();
        let containers = list(&definition, "containerDefinitions");
        let lane = lane("arn:aws:servicediscovery:r:1:service/srv-a", "arn:aws:servicediscovery:r:1:service/srv-b");
        let of = |change: Value, own_address: bool, types: &[&str]| {
            let types: Vec<String> = types.iter().map(|&kind| kind.to_owned()).collect();
            let (asked, base) = (asked(change), json!({ "serviceName": "shop-base" }));
            let container = if asked.container.is_empty() { "web".to_owned() } else { asked.container.clone() };
            place_in(&asked, &base, containers, &container, own_address, (&types, &lane))
        };
        assert_eq!(of(json!({}), true, &["A"]), Ok((String::new(), 0)));
        assert!(of(json!({}), false, &["A"]).unwrap_err().contains("Use Cloud Map services with SRV records"));
        for own_address in [true, false] {
            assert_eq!(of(json!({}), own_address, &["SRV"]), Ok(("web".into(), 8080)));
        }
        let admin = json!({ "container": "admin", "port": 9001 });
        assert_eq!(of(admin, false, &["SRV"]), Ok(("admin".into(), 9001)));
        assert!(of(json!({ "container": "admin" }), false, &["SRV"]).unwrap_err().contains("maps 2 ports"));
        assert!(of(json!({ "port": 1 }), false, &["SRV"]).unwrap_err().contains("which maps [8080]"));
        let places = vec![
            Place { pools: vec![lane.test.clone()], container: String::new(), port: 0 },
            Place { pools: vec!["b".into()], container: "web".into(), port: 8080 },
        ];
        let made = TaskDefinition { places, ..TaskDefinition::default() };
        let (balancers, registries) = entries(&made, &[lane.test.clone(), "b".into()]).unwrap();
        assert_eq!(json!(registries), json!([{ "registryArn": lane.test }]));
        assert_eq!(balancers.len(), 1);
    }

    #[test]
    fn s3_each_pool_has_the_place_that_the_base_has_there() {
        let lanes = [lane("a", "b"), lane("d", "c")];
        let (container, places) = chosen(&asked(json!({})), &base(), &definition(), &lanes).unwrap();
        assert_eq!(container, "web");
        let places: Vec<_> = places.iter().map(|it| (it.pools.join(" "), it.container.as_str(), it.port)).collect();
        assert_eq!(places, [("a b".to_owned(), "web", 8080), ("d c".to_owned(), "admin", 9001)]);
    }

    #[test]
    fn s3_what_the_document_says_comes_first_and_what_nobody_can_tell_is_asked_for() {
        let bare = json!({ "serviceName": "shop-base" });
        let of = |change: Value| chosen(&asked(change), &bare, &definition(), &[lane("a", "b")]);
        assert!(of(json!({})).unwrap_err().contains("has the containers web, admin"));
        assert_eq!(of(json!({ "container": "web" })).unwrap().1[0].port, 8080);
        assert!(of(json!({ "container": "admin" })).unwrap_err().contains("maps 2 ports"));
        assert_eq!(of(json!({ "container": "admin", "port": 9000 })).unwrap().1[0].port, 9000);
        assert!(of(json!({ "container": "db" })).unwrap_err().contains("no container db; it has web, admin"));
        let wrong = of(json!({ "container": "web", "port": 80 })).unwrap_err();
        assert!(wrong.contains("No container definition has a port mapping that matches the target port"), "{wrong}");
        assert!(wrong.contains("a and b") && wrong.contains("[8080]"), "{wrong}");
    }

    #[test]
    fn s3_a_template_that_is_written_out_has_its_container_and_image_filled_in() {
        let written = Definition {
            service: "launchType: FARGATE\nloadBalancers:\n  - {targetGroupArn: a, containerName: web, containerPort: 8080}".into(),
            task_definition: r#"{"networkMode": "awsvpc", "containerDefinitions": [
                {"name": "${CONTAINER_NAME}", "image": "${DOCKER_IMAGE_NAME}", "portMappings": [{"containerPort": 8080}]}]}"#
                .into(),
        };
        let (service, definition) = filled(&written, "web", "shop:7").unwrap();
        assert_eq!(service["launchType"], "FARGATE");
        assert_eq!(definition["containerDefinitions"][0]["name"], "web");
        assert_eq!(definition["containerDefinitions"][0]["image"], "shop:7");
        let asked = asked(json!({ "container": "web" }));
        let (found, notes) = of_definition(&asked, &written, &[lane("a", "b")]).unwrap();
        assert_eq!((found.container.as_str(), found.own_address, notes.len()), ("web", true, 0));
        assert_eq!((found.places[0].container.as_str(), found.places[0].port), ("web", 8080));
        let wrong = Definition { service: "[]".into(), ..written };
        assert!(of_definition(&asked, &wrong, &[]).unwrap_err().contains("definition.service: it is no object"));
    }

    #[test]
    fn s9_a_role_is_taken_over_where_ecs_takes_one_and_refused_where_it_is_asked_for_and_ecs_does_not() {
        let own = "arn:aws:iam::123456789012:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
        assert_eq!(role("", own, false, 1), (None, None));
        assert_eq!(role("", "ecsServiceRole", false, 1), (Some("ecsServiceRole".into()), None));
        assert_eq!(role("mine", "ecsServiceRole", false, 1), (Some("mine".into()), None));
        for (own_address, pools, why) in [(true, 1, "awsvpc"), (false, 0, "no target group"), (false, 2, "several")] {
            let (taken, note) = role("", "ecsServiceRole", own_address, pools);
            assert!(taken.is_none() && note.is_some_and(|note| note.contains(why)), "{why}");
            let refused = no_role(&asked(json!({ "role": "mine" })), own_address, pools);
            assert!(refused.is_some_and(|it| it.contains("role = mine") && it.contains(why)), "{why}");
            assert_eq!(no_role(&asked(json!({})), own_address, pools), None);
        }
        assert_eq!(no_role(&asked(json!({ "role": "mine" })), false, 1), None);
    }

    #[test]
    fn p86_an_image_that_may_change_under_a_fleet_is_said() {
        let container = |consistency: &str, image: &str| {
            unpinned(
                &json!({ "containerDefinitions": [{ "name": "web", "versionConsistency": consistency, "image": image }] }),
            )
        };
        assert!(
            container("disabled", "shop:latest").concat().contains("container web has versionConsistency disabled")
        );
        assert!(container("disabled", "shop@sha256:ab").is_empty() && container("enabled", "shop:latest").is_empty());
    }

    #[test]
    fn a_field_of_a_service_that_nobody_knows_is_refused_by_name() {
        assert_eq!(unknown(&base()), Vec::<String>::new());
        let with = json!({ "serviceName": "shop-base", "soonToCome": { "a": 1 }, "empty": [], "roleArn": "x" });
        assert!(unknown(&with).concat().contains("has soonToCome, which"));
    }
}
