//! A simulated account like the one that a state was read from, with crossfade installed in it.
//!
//! What it owns: the order in which things are put there, what is assumed where nothing was read (how long images boot, how busy
//! members are), and [`Names`]: the simulated account is always the same one, so that what names another is written otherwise in it.
//!
//! What it must never do: look at AWS, or decide what a deployment does.

use std::collections::BTreeMap;
use std::time::Duration;

use crossfade_aws::clone::State;
use crossfade_core::{Kind, Result};
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::ecs::ContainerBehaviour;
use crossfade_sim::world::{ImageBehaviour, SLOW_NETWORK, SLOW_NODES, TrafficSource, World};
use crossfade_sim::{Settings, Sim};
use serde_json::{Value, json};

use crate::installation::{Installation, TABLE};
use crate::names::Names;

/// How busy the members that serve are assumed to be, in percent: policies that look at their load find nothing to do.
const BUSY_PERCENT: f64 = 40.0;
/// How long a request takes, and how long a connection to a Network Load Balancer is open, in milliseconds.
const REQUEST_MILLIS: u64 = 300;
const CONNECTION_MILLIS: u64 = 25_000;
/// How long instances are assumed to take until they are in service, in seconds: shortest, longest.
const LAUNCH_SECONDS: (u64, u64) = (8, 14);

/// How long tasks are assumed to take until their containers start, in seconds.
const START_SECONDS: u64 = 45;

/// Furnishes an account like the one that was read, at the time at which it was read, and installs crossfade in it. So many requests
/// arrive per second, at all entrances together. Call it inside the runtime whose time the account is to follow.
///
/// The account's number, region and partition are those of every simulated account: see [`Names`].
///
/// # Errors
/// `InvalidDocument` when the state does not hang together; which it does, unless somebody has edited it.
pub fn furnish(state: &State, seed: u64, requests_per_second: f64) -> Result<Installation> {
    let state = Names::of(&state.home).state(state)?;
    let sim = Sim::new(Settings { seed, epoch_millis: state.taken_millis, ..Settings::default() });
    let broken = |why: String| Kind::InvalidDocument.because(format!("The state of the account is broken: {why}."));
    {
        let mut world = sim.world();
        launch_sources(&mut world, &state);
        balancing(&mut world, &state);
        groups(&mut world, &state);
        services(&mut world, &state);
        for pool in &state.target_groups {
            let arn = text(&pool.group, "TargetGroupArn");
            pool.targets.iter().for_each(|target| world.restore_target(arn, target));
        }
        state.alarms.iter().for_each(|alarm| world.restore_alarm(&alarm.alarm, alarm.tags.clone()));
        traffic(&mut world, &state, requests_per_second);
        world.restored();
    }
    let installation = Installation::in_process(&sim).map_err(|error| broken(error.to_string()))?;
    for record in &state.records {
        sim.tables().put(TABLE, record).map_err(|why| broken(format!("a record is none: {why}")))?;
    }
    outside(&sim, &state);
    Ok(installation)
}

fn launch_sources(world: &mut World, state: &State) {
    let behaviour = behaviour(state);
    state.images.iter().for_each(|image| world.restore_image(image, behaviour.clone()));
    state.image_parameters.iter().for_each(|(parameter, image)| world.add_image_alias(parameter, image));
    state.instance_types.iter().for_each(|it| world.restore_instance_type(it));
    state.launch_templates.iter().for_each(|it| world.restore_launch_template(&it.template, &it.versions));
    state.launch_configurations.iter().for_each(|it| world.restore_launch_configuration(it));
}

/// What an image runs.
fn behaviour(state: &State) -> ImageBehaviour {
    let plain = ImageBehaviour { launch_seconds: LAUNCH_SECONDS, ..ImageBehaviour::default() };
    match boots(state, LAUNCH_SECONDS.1) {
        Some(boot_seconds) => ImageBehaviour { boot_seconds, ..plain },
        None => plain,
    }
}

/// Applications boot as long as the last revisions took to be healthy, less what launching and checking take: shortest, longest.
fn boots(state: &State, launch_seconds: u64) -> Option<(u64, u64)> {
    let took = state.steady_seconds.iter().copied().map(u64::from);
    let (shortest, longest) = (took.clone().min()?, took.max()?);
    let checks = state.target_groups.iter().map(|it| number(&it.group, "HealthCheckIntervalSeconds"));
    let besides = launch_seconds + checks.max().unwrap_or(0);
    let boots = |seconds: u64| seconds.saturating_sub(besides).max(1);
    Some((boots(shortest), boots(longest)))
}

fn balancing(world: &mut World, state: &State) {
    let tags = |arn: &str| state.balancing_tags.get(arn).cloned().unwrap_or_default();
    for balancer in &state.load_balancers {
        world.restore_load_balancer(balancer, tags(text(balancer, "LoadBalancerArn")));
    }
    for pool in &state.target_groups {
        world.restore_target_group(&pool.group, &pool.attributes, tags(text(&pool.group, "TargetGroupArn")));
    }
    let defaults: BTreeMap<String, &str> = state
        .rules
        .iter()
        .filter(|rule| text(rule, "IsDefault") == "true")
        .filter_map(|rule| {
            let (listener, _) = text(rule, "RuleArn").rsplit_once('/')?;
            Some((listener.replacen(":listener-rule/", ":listener/", 1), text(rule, "RuleArn")))
        })
        .collect();
    for listener in &state.listeners {
        let arn = text(listener, "ListenerArn");
        world.restore_listener(listener, defaults.get(arn).copied().unwrap_or_default(), tags(arn));
    }
    state.rules.iter().for_each(|rule| world.restore_rule(rule, tags(text(rule, "RuleArn"))));
    let network = state.load_balancers.iter().any(|it| text(it, "Type") == "network");
    world.settings.routing_lag_millis = if network { SLOW_NETWORK } else { SLOW_NODES };
}

fn groups(world: &mut World, state: &State) {
    let instances: BTreeMap<&str, &Value> = state.instances.iter().map(|it| (text(it, "InstanceId"), it)).collect();
    let members = state.groups.iter().flat_map(|group| list(&group.group, "Instances").iter().chain(&group.warm));
    for member in members {
        if let Some(subnet) = instances.get(text(member, "InstanceId")).and_then(|it| it["SubnetId"].as_str()) {
            world.restore_subnet(subnet, text(member, "AvailabilityZone"));
        }
    }
    for group in &state.groups {
        let name = text(&group.group, "AutoScalingGroupName");
        world.restore_group(&group.group, &group.as_target_groups);
        for member in list(&group.group, "Instances").iter().chain(&group.warm) {
            let known = instances.get(text(member, "InstanceId"));
            let image = known.and_then(|it| it["ImageId"].as_str()).map(str::to_owned);
            let image = image.or_else(|| image_of(state, member)).unwrap_or_default();
            world.restore_instance(name, member, &image, known.and_then(|it| it["SubnetId"].as_str()));
        }
        group.hooks.iter().for_each(|it| world.restore_hook(name, it));
        group.notifications.iter().for_each(|it| world.restore_notification(name, it));
        group.policies.iter().for_each(|it| world.restore_policy(name, it));
        group.scheduled_actions.iter().for_each(|it| world.restore_scheduled_action(name, it));
    }
}

fn services(world: &mut World, state: &State) {
    if state.clusters.is_empty() {
        return;
    }
    let plain = ContainerBehaviour::default();
    world.assume_container_images(match boots(state, START_SECONDS) {
        Some(boot_seconds) => ContainerBehaviour { boot_seconds, ..plain },
        None => plain,
    });
    for cluster in &state.clusters {
        world.restore_cluster(cluster);
        let name = text(cluster, "clusterName");
        state.container_instances.iter().for_each(|it| world.restore_container_instance(name, it));
    }
    state.task_definitions.iter().for_each(|it| world.restore_task_definition(&it.definition, &json!(it.tags)));
    state.services.iter().for_each(|it| world.restore_service(&it.service));
    state.tasks.iter().for_each(|it| world.restore_task(it));
    for service in &state.services {
        if let Some(target) = &service.target {
            world.restore_scalable_target(target, service.tags.clone());
        }
        service.policies.iter().for_each(|it| world.restore_service_policy(it));
        service.scheduled_actions.iter().for_each(|it| world.restore_service_schedule(it));
    }
}

/// The image of an instance by what it was started from, where nobody was allowed to see the instance.
fn image_of(state: &State, member: &Value) -> Option<String> {
    let template = &member["LaunchTemplate"];
    let of = state.launch_templates.iter().find(|it| it.template["LaunchTemplateId"] == template["LaunchTemplateId"]);
    let version = of?.versions.iter().find(|it| it["VersionNumber"] == template["Version"])?;
    let image = version["LaunchTemplateData"]["ImageId"].as_str()?;
    let parameter = image.strip_prefix("resolve:ssm:");
    Some(parameter.and_then(|it| state.image_parameters.get(it).cloned()).unwrap_or_else(|| image.to_owned()))
}

/// Requests arrive at all entrances, as many at each. How much an instance can do is chosen so that those that serve are not too busy.
fn traffic(world: &mut World, state: &State, requests_per_second: f64) {
    let entrances = state.entrances.len().max(1) as f64;
    for entrance in &state.entrances {
        let rule = entrance.contains(":listener-rule/");
        let listener = match entrance.rsplit_once('/') {
            Some((listener, _)) if rule => listener.replacen(":listener-rule/", ":listener/", 1),
            _ => entrance.clone(),
        };
        let network = entrance.contains("/net/");
        world.add_traffic(TrafficSource {
            listener_arn: listener,
            rule_arn: rule.then(|| entrance.clone()),
            requests_per_second: requests_per_second / entrances,
            request_millis: if network { CONNECTION_MILLIS } else { REQUEST_MILLIS },
            clients: 200,
        });
    }
    let serving = state.groups.iter().filter(|it| it.whole).flat_map(|it| list(&it.group, "Instances")).count();
    let serving = serving + state.tasks.len();
    let each = requests_per_second / serving.max(1) as f64;
    world.settings.instance_requests_per_second = (each * 100.0 / BUSY_PERCENT).max(1.0);
}

/// What is outside says yes: what it really says nobody knows.
fn outside(sim: &Sim, state: &State) {
    for topic in &state.topics {
        sim.topics().define(topic.rsplit(':').next().unwrap_or_default());
    }
    for function in &state.functions {
        let name = function.split(":function:").nth(1).and_then(|rest| rest.split(':').next()).unwrap_or_default();
        let yes = || (Duration::from_secs(1), Invocation::Returned(json!({ "verdict": "pass" })));
        sim.callables().function(name, move |_| yes());
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().or_else(|| text(value, name).parse().ok()).unwrap_or(0)
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}
