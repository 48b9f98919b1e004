//! Building the sample account, in an order that never changes: ids follow from the seed and the order.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::data::{SERVED_SUBNETS, configuration_data, settings, template_data};
use super::equipment::{add_warm_pool, equip, hold_leaving, scale_by_itself};
use super::images::{add_container_images, add_images};
use super::routes::{Front, target_group};
use super::services::{self, Pools};
use super::{
    ABSENT_IMAGE, ARM_AMI, ARM_IMAGE, AlsoBehind, Balancer, CLASSIC, Compute, LATTICE, Layout, NEW_AMI, NEW_IMAGE,
    PAGER, PENDING_AMI, RUNNING_AMI, RUNNING_IMAGE, Shop, ShopOptions, Source,
};
use super::{elastigroups, names};
use crate::world::{GroupSpec, Refusal, SLOW_NETWORK, SLOW_NODES, State, Tree, World};

/// The group or service that belongs to somebody else, who is the same beside every shop.
const FOREIGN_GROUP: &str = "other-team";

/// The launch templates of the shop, with the version that each revision was made of.
struct Templates {
    id: String,
    versions: BTreeMap<u64, u64>,
    /// The template that one instance type has for itself, and its versions.
    own: Option<(String, BTreeMap<u64, u64>)>,
}

pub(super) fn build(world: &mut World, options: ShopOptions) -> Result<Shop, Refusal> {
    match options.compute {
        Compute::Groups | Compute::Elastigroups => add_images(world, options.new_image),
        Compute::Services | Compute::ServicesOnInstances => add_container_images(world, options.new_image),
    }
    let (front, other) = Front::first(world, &options)?;
    let second = match options.second_balancer {
        true => Some(Front::second(world, &options)?),
        false => None,
    };
    let other_stack = match options.layout {
        Layout::Stacks => Some(front.other_stack(world, &options)?),
        _ => None,
    };
    if options.unserved_zone {
        let fronts = [Some(&front), second.as_ref(), other_stack.as_ref()].into_iter().flatten();
        fronts.for_each(|front| world.serve_zones(&front.load_balancer, &['a', 'b']));
    }
    let search = match options.also_behind {
        Some(AlsoBehind::TargetGroup) => {
            let search = world.add_target_group(target_group("search", &options));
            front.side_door(world, "search", 6, &search, &options)?;
            Some(search)
        }
        _ => None,
    };
    let fronts = || [Some(&front), second.as_ref()].into_iter().flatten();
    let named = match (options.layout, &other_stack) {
        (Layout::Named, _) => Some(names::add(world, &options)),
        (_, Some(other)) => Some(names::of_stacks(world, &options, [&front, other])),
        _ => None,
    };
    let mut production: Vec<String> = fronts().map(|front| front.production().to_owned()).collect();
    let mut second_pools: Vec<String> = fronts().map(|front| front.target_groups[1].clone()).collect();
    if let Some(named) = &named {
        (production, second_pools) = (vec![named.pools[0].clone()], vec![named.pools[1].clone()]);
    }
    let default_rule = world.listeners.get(&front.listener).map(|it| it.default_rule.clone()).unwrap_or_default();
    let mut shop_groups = None;
    let mut task_definition = None;
    let mut elastigroup = None;
    match options.compute {
        Compute::Groups => shop_groups = Some(add_groups(world, &options, &production, search.as_ref(), &other)?),
        Compute::Services | Compute::ServicesOnInstances => {
            let pools =
                Pools { production: &production, second: &second_pools, search: search.as_ref(), other: &other };
            task_definition = Some(services::add(world, &options, &pools)?);
        }
        Compute::Elastigroups => {
            let second: Vec<String> = fronts().map(|front| front.target_groups[1].clone()).collect();
            let (production, search) = (production.as_slice(), search.as_ref());
            let pools = elastigroups::Pools { production, second: &second, search, other: &other };
            elastigroup = Some(elastigroups::add(world, &options, &pools)?);
        }
    }
    let services = task_definition.is_some();
    let launched = shop_groups.unwrap_or_default();

    if options.pager {
        world.add_alarm(PAGER, false, State::Ok);
    }
    let traffic = match &named {
        Some(named) => named.open(world, &options),
        None => front.open(world, &options),
    };
    let second = second.map(|second| {
        let traffic = second.open(world, &options);
        second.shown(traffic)
    });
    let also_forwards = match options.also_forwards {
        Some(also) => Some(front.also_forward(world, also, &options)?),
        None => None,
    };
    match options.balancer {
        Balancer::Network => world.settings.routing_lag_millis = SLOW_NETWORK,
        Balancer::Application if options.slow_nodes => world.settings.routing_lag_millis = SLOW_NODES,
        Balancer::Application => {}
    }
    let [target_group_a, target_group_b] = match &named {
        Some(named) => named.pools.clone(),
        None => front.target_groups,
    };
    Ok(Shop {
        region: world.region.clone(),
        account: world.account.clone(),
        load_balancer: front.load_balancer,
        listener: front.listener,
        rule: front.rule,
        default_rule,
        test_listener: front.test_listener,
        also_forwards,
        target_group_search: search,
        second,
        target_group_a,
        target_group_b,
        target_group_other: other,
        name: named.map(|named| named.name),
        other_stack: other_stack.map(|stack| stack.entrance()),
        cluster: services.then(|| services::CLUSTER.into()),
        task_definition,
        template: launched.template,
        template_name: options.name.clone(),
        override_template: launched.override_template,
        running_version: launched.running_version,
        launch_configuration: launched.configuration,
        spot_account: elastigroup.is_some().then(|| crate::world::spot::SPOT_ACCOUNT.into()),
        base_group: elastigroup.unwrap_or_else(|| options.base()),
        running_group: options.revision(6),
        earlier_groups: (2..=5).rev().map(|it| options.revision(it)).collect(),
        foreign_group: FOREIGN_GROUP.into(),
        running_ami: if services { RUNNING_IMAGE } else { RUNNING_AMI }.into(),
        new_ami: if services { NEW_IMAGE } else { NEW_AMI }.into(),
        arm_ami: if services { ARM_IMAGE } else { ARM_AMI }.into(),
        pending_ami: if services { ABSENT_IMAGE } else { PENDING_AMI }.into(),
        traffic,
    })
}

/// What the shop's groups are started from.
#[derive(Default)]
struct Launched {
    template: String,
    override_template: Option<String>,
    running_version: u64,
    configuration: Option<String>,
}

/// Adds the shop's groups and the other team's, and what they are started from.
fn add_groups(
    world: &mut World,
    options: &ShopOptions,
    production: &[String],
    search: Option<&String>,
    other: &str,
) -> Result<Launched, Refusal> {
    let templates = Templates::add(world, options);

    let launch_configuration = (options.base == Source::LaunchConfiguration).then(|| format!("{}-lc", options.name));
    if let Some(name) = &launch_configuration {
        world.add_launch_configuration(name, &configuration_data());
    }
    add_base(world, options, &templates)?;
    for revision in 2..=6 {
        let more = search.into_iter().filter(|_| revision == 6);
        let behind: Vec<String> = production.iter().chain(more).cloned().collect();
        add_revision(world, options, &templates, revision, &behind)?;
    }
    match options.also_behind {
        Some(AlsoBehind::Lattice) => world.add_source(&options.revision(6), "vpc-lattice", LATTICE)?,
        Some(AlsoBehind::Classic) => world.add_source(&options.revision(6), "elb", CLASSIC)?,
        Some(AlsoBehind::TargetGroup) | None => {}
    }
    if !world.groups.contains_key(FOREIGN_GROUP) {
        add_foreigners(world, other)?;
    }
    for group in [options.base(), options.revision(6)] {
        if options.equipped {
            equip(world, &group)?;
            scale_by_itself(world, &group, production)?;
        }
        if options.warm_pool {
            add_warm_pool(world, &group)?;
        }
    }

    if let Some(seconds) = options.held_seconds {
        hold_leaving(world, &options.revision(6), seconds)?;
    }
    for id in world.instances_of(&options.revision(6)).into_iter().take(options.ill as usize) {
        world.assume_ill(&id);
    }
    Ok(Launched {
        template: templates.id,
        override_template: templates.own.map(|(id, _)| id),
        running_version: templates.versions[&6],
        configuration: launch_configuration,
    })
}

impl Templates {
    /// Adds them, with three versions for the base (of which the second is the default) and one for every revision.
    fn add(world: &mut World, options: &ShopOptions) -> Self {
        let (id, versions) = Self::one(world, options, &options.name);
        let own = (options.base == Source::MixedOverrides)
            .then(|| Self::one(world, options, &format!("{}-m5", options.name)));
        Self { id, versions, own }
    }

    fn one(world: &mut World, options: &ShopOptions, name: &str) -> (String, BTreeMap<u64, u64>) {
        let base = [
            template_data("ami-0a11ce00000000001"),
            template_data("ami-0a11ce00000000002"),
            template_data(RUNNING_AMI),
        ];
        let id = world.add_launch_template(name, &base, 2);
        let mut versions = BTreeMap::new();
        for revision in 2..=6 {
            let data = template_data(&format!("ami-0a11ce0000000000{revision}"));
            let number = world
                .add_launch_template_version(
                    &id,
                    &data,
                    &format!("crossfade earlier-{revision} {}", options.infrastructure()),
                )
                .unwrap_or_default();
            versions.insert(revision, number);
        }
        (id, versions)
    }

    /// The version that the base pins (2), or that a revision was made of.
    fn pinned(&self, revision: Option<u64>) -> Value {
        let version = revision.map_or(2, |revision| self.versions[&revision]);
        json!({ "LaunchTemplateId": self.id, "Version": version.to_string() })
    }

    /// A mixed instances policy around the version that the base pins, or that a revision was made of.
    fn mixed(&self, source: Source, revision: Option<u64>) -> Value {
        let mut overrides = json!([{ "InstanceType": "m6i.large" }, { "InstanceType": "m5.large" }]);
        if let Some((id, versions)) = &self.own {
            let version = revision.map_or(2, |revision| versions[&revision]);
            overrides[1]["LaunchTemplateSpecification"] =
                json!({ "LaunchTemplateId": id, "Version": version.to_string() });
        }
        if source == Source::Weighted {
            overrides[0]["WeightedCapacity"] = json!("2");
            overrides[1]["WeightedCapacity"] = json!("1");
        }
        json!({
            "LaunchTemplate": { "LaunchTemplateSpecification": self.pinned(revision), "Overrides": overrides },
            "InstancesDistribution": {
                "OnDemandBaseCapacity": 1,
                "SpotAllocationStrategy": "price-capacity-optimized",
            },
        })
    }
}

fn ordinary(key: &str, value: &str, propagate: bool) -> (String, String, bool) {
    (key.to_owned(), value.to_owned(), propagate)
}

fn common_tags() -> Vec<(String, String, bool)> {
    vec![ordinary("team", "storefront", true), ordinary("cost-centre", "4711", false)]
}

fn add_base(world: &mut World, options: &ShopOptions, templates: &Templates) -> Result<(), Refusal> {
    let mut base = settings();
    judge(&mut base, options);
    base["HealthCheckGracePeriod"] = json!(options.grace_seconds);
    if !options.classic_load_balancers.is_empty() {
        base["LoadBalancerNames"] = json!(options.classic_load_balancers);
    }
    if options.protected {
        base["NewInstancesProtectedFromScaleIn"] = json!(true);
    }
    match options.base {
        Source::Pinned => base["LaunchTemplate"] = templates.pinned(None),
        Source::Default => {
            base["LaunchTemplate"] = json!({ "LaunchTemplateId": templates.id, "Version": "$Default" });
        }
        Source::Latest => base["LaunchTemplate"] = json!({ "LaunchTemplateName": options.name, "Version": "$Latest" }),
        Source::LaunchConfiguration => base["LaunchConfigurationName"] = json!(format!("{}-lc", options.name)),
        mixed @ (Source::Mixed | Source::MixedOverrides | Source::Weighted) => {
            base["MixedInstancesPolicy"] = templates.mixed(mixed, None);
        }
    }
    world.add_group(GroupSpec {
        name: options.base(),
        settings: base,
        tags: common_tags(),
        suspended: options.suspended_on_base.clone(),
        ..GroupSpec::default()
    })
}

fn add_revision(
    world: &mut World,
    options: &ShopOptions,
    templates: &Templates,
    revision: u64,
    production: &[String],
) -> Result<(), Refusal> {
    let mut settings = settings();
    judge(&mut settings, options);
    if options.unserved_zone {
        settings["VPCZoneIdentifier"] = json!(SERVED_SUBNETS);
    }
    match options.base.is_mixed() {
        true => settings["MixedInstancesPolicy"] = templates.mixed(options.base, Some(revision)),
        false => settings["LaunchTemplate"] = templates.pinned(Some(revision)),
    }
    if options.protected {
        settings["NewInstancesProtectedFromScaleIn"] = json!(true);
    }
    let mut tags = common_tags();
    tags.push(ordinary("crossfade:infrastructure", &options.infrastructure(), false));
    tags.push(ordinary("crossfade:revision", &revision.to_string(), false));
    tags.push(ordinary("crossfade:deployment", &format!("earlier-{revision}"), false));
    let instances = match revision {
        6 => options.instances,
        _ => options.also_running.iter().find(|(also, _)| *also == revision).map_or(0, |(_, count)| *count),
    };
    let asleep = options.sleeping.iter().find(|(it, _)| *it == revision).map(|(_, count)| *count);
    let instances = if asleep.is_some() { 0 } else { instances };
    let serves = revision == 6 || instances > 0 || asleep.is_some();
    let name = options.revision(revision);
    world.add_group(GroupSpec {
        name: name.clone(),
        min: instances,
        max: asleep.unwrap_or(instances) * 2,
        desired: instances,
        settings,
        tags,
        target_groups: if serves { production.to_vec() } else { Vec::new() },
        suspended: match serves {
            true if revision == 6 => options.suspended_on_running.clone(),
            true => Vec::new(),
            // As whoever retired it has left it.
            false => vec!["ScheduledActions".to_owned()],
        },
        already_running: true,
    })?;
    asleep.map_or(Ok(()), |count| sleep_and_wake(world, &name, count, options.sleeps_minutes))
}

/// Gives a group without instances some from so many minutes on, for eleven hours of each day.
fn sleep_and_wake(world: &mut World, group: &str, count: u32, minutes: u64) -> Result<(), Refusal> {
    let daily = |minutes: u64| format!("{} {} * * *", minutes % 60, minutes / 60 % 24);
    let opening = world.now / 60_000 + minutes;
    let awake =
        json!({ "Recurrence": daily(opening), "MinSize": count, "DesiredCapacity": count, "MaxSize": count * 2 });
    let asleep = json!({ "Recurrence": daily(opening + 11 * 60), "MinSize": 0, "DesiredCapacity": 0 });
    world.add_scheduled_action(group, "opening", Tree::from_json(&awake))?;
    world.add_scheduled_action(group, "closing", Tree::from_json(&asleep))
}

/// By which checks a group judges its instances.
fn judge(settings: &mut Value, options: &ShopOptions) {
    if options.ec2_checks {
        settings["HealthCheckType"] = json!("EC2");
    }
}

/// The other team's group, which nobody may touch.
fn add_foreigners(world: &mut World, target_group: &str) -> Result<(), Refusal> {
    let theirs = world.add_launch_template("other-team", &[template_data(RUNNING_AMI)], 1);
    let mut settings = settings();
    settings["LaunchTemplate"] = json!({ "LaunchTemplateId": theirs, "Version": "1" });
    world.add_group(GroupSpec {
        name: FOREIGN_GROUP.into(),
        min: 2,
        max: 2,
        desired: 2,
        settings,
        tags: vec![ordinary("team", "other", true)],
        target_groups: vec![target_group.to_owned()],
        already_running: true,
        ..GroupSpec::default()
    })
}
