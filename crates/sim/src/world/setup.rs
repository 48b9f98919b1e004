//! Furnishing an account: what tests, demonstrations and rehearsals put into it before time begins to matter.
//!
//! What it owns: short ways to create resources. Everything is checked as the API checks it, and settings are written
//! as the AWS CLI's JSON writes them, so that what was read from a real account can be put in as it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::balancers::Before;
use super::groups::{GroupTag, Sizes};
use super::launching::Destination;
use super::{
    Image, LaunchConfiguration, LaunchTemplate, LaunchTemplateVersion, Listener, LoadBalancer, Refusal, Rule,
    TargetGroup, Tree, World,
};

/// A target group to create.
#[derive(Clone, Debug)]
pub struct TargetGroupSpec {
    /// Its name.
    pub name: String,
    /// Its targets' port.
    pub port: u16,
    /// How often each target is checked.
    pub interval_seconds: u64,
    /// How many passed checks in a row make an unhealthy target healthy again.
    pub healthy_threshold: u32,
    /// How many failed checks in a row make a target unhealthy.
    pub unhealthy_threshold: u32,
    /// How long a deregistered target drains.
    pub deregistration_delay_seconds: u64,
    /// Whether targets are checked at all.
    pub checks: bool,
    /// Whether it takes connections from a Network Load Balancer, rather than requests from an Application Load Balancer.
    pub network: bool,
    /// Whether its targets are addresses, rather than instances.
    pub ip: bool,
    /// More attributes, such as `stickiness.enabled`.
    pub attributes: BTreeMap<String, String>,
}

impl TargetGroupSpec {
    /// A target group that checks every 5 s, twice, and drains for 30 s.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            port: 8080,
            interval_seconds: 5,
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            deregistration_delay_seconds: 30,
            checks: true,
            network: false,
            ip: false,
            attributes: BTreeMap::new(),
        }
    }
}

/// A group to create.
#[derive(Clone, Debug, Default)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// The least number of instances.
    pub min: u32,
    /// The greatest number of instances.
    pub max: u32,
    /// The number of instances that it wants to have.
    pub desired: u32,
    /// Everything else, as in the CLI's `create-auto-scaling-group --cli-input-json`.
    pub settings: Value,
    /// Tags: key, value, whether new instances get it too.
    pub tags: Vec<(String, String, bool)>,
    /// The ARNs of its target groups.
    pub target_groups: Vec<String>,
    /// Its suspended processes.
    pub suspended: Vec<String>,
    /// Whether its instances have been up for a while: in service, answering and healthy from the start.
    pub already_running: bool,
}

impl World {
    /// Moves an account without resources to another region and account number.
    pub fn set_home(&mut self, region: &str, account: &str) {
        region.clone_into(&mut self.region);
        account.clone_into(&mut self.account);
    }

    /// The account's region and number.
    pub fn home(&self) -> (String, String) {
        (self.region.clone(), self.account.clone())
    }

    /// Adds an image, or replaces it. Instances that are starting keep to what it was.
    pub fn add_image(&mut self, image: Image) {
        self.images.insert(image.id.clone(), image);
    }

    /// The ids of the account's images that instances can be started from.
    pub fn available_images(&self) -> Vec<String> {
        self.images.values().filter(|image| image.state == "available").map(|image| image.id.clone()).collect()
    }

    /// An image, to change how it behaves from now on.
    pub fn image_mut(&mut self, id: &str) -> Option<&mut Image> {
        self.images.get_mut(id)
    }

    /// Says when an image was made, as `2026-01-02T08:00:00.000Z`.
    pub fn date_image(&mut self, id: &str, made: &str) {
        self.images_made.insert(id.to_owned(), made.to_owned());
    }

    /// Lets a parameter stand for an image (`resolve:ssm:NAME` in launch templates).
    pub fn add_image_alias(&mut self, parameter: &str, image: &str) {
        self.image_aliases.insert(parameter.to_owned(), image.to_owned());
    }

    /// Adds an instance type.
    pub fn add_instance_type(&mut self, name: &str, architectures: &[&str]) {
        let architectures = architectures.iter().map(|&architecture| architecture.to_owned()).collect();
        self.instance_types.insert(name.to_owned(), architectures);
    }

    /// Adds a launch template with versions 1, 2, … Answers its id.
    pub fn add_launch_template(&mut self, name: &str, versions: &[Value], default_version: u64) -> String {
        let id = format!("lt-0{}", self.hex(16));
        let version = |data: &Value| LaunchTemplateVersion {
            data: Tree::from_json(data),
            description: None,
            created_at: self.now,
        };
        let template = LaunchTemplate {
            id: id.clone(),
            name: name.to_owned(),
            created_at: self.now,
            default_version,
            next_version: versions.len() as u64 + 1,
            versions: (1..).zip(versions.iter().map(version)).collect(),
            tags: Tree::List(Vec::new()),
            tokens: BTreeMap::new(),
        };
        self.templates.insert(id.clone(), template);
        id
    }

    /// Tags a launch template.
    pub fn tag_launch_template(&mut self, id: &str, key: &str, value: &str) {
        if let Some(template) = self.templates.get_mut(id)
            && let Tree::List(tags) = &mut template.tags
        {
            tags.push(Tree::map([("Key", Tree::text(key)), ("Value", Tree::text(value))]));
        }
    }

    /// Adds a version to a launch template. Answers its number, or nothing when there is no such template.
    pub fn add_launch_template_version(&mut self, id: &str, data: &Value, description: &str) -> Option<u64> {
        let now = self.now;
        let template = self.templates.get_mut(id)?;
        let number = template.next_version;
        template.next_version += 1;
        let version = LaunchTemplateVersion {
            data: Tree::from_json(data),
            description: Some(description.to_owned()),
            created_at: now,
        };
        template.versions.insert(number, version);
        Some(number)
    }

    /// Adds a launch configuration.
    pub fn add_launch_configuration(&mut self, name: &str, settings: &Value) {
        let configuration = LaunchConfiguration {
            name: name.to_owned(),
            arn: self.launch_configuration_arn(name),
            created_at: self.now,
            settings: Tree::from_json(settings),
        };
        self.configurations.insert(name.to_owned(), configuration);
    }

    /// Adds an application load balancer. Answers its ARN.
    pub fn add_load_balancer(&mut self, name: &str) -> String {
        self.add_balancer("app", "application", name)
    }

    /// Adds a network load balancer. Answers its ARN.
    pub fn add_network_load_balancer(&mut self, name: &str) -> String {
        self.add_balancer("net", "network", name)
    }

    /// Lets a load balancer serve these zones, by their letters, and no others.
    pub fn serve_zones(&mut self, load_balancer: &str, zones: &[char]) {
        if let Some(balancer) = self.balancers.get_mut(load_balancer) {
            balancer.zones = zones.to_vec();
        }
        let behind: Vec<String> =
            self.target_groups.keys().filter(|arn| self.balancers_of(arn).contains(load_balancer)).cloned().collect();
        behind.iter().for_each(|arn| self.restart_checks(arn));
    }

    fn add_balancer(&mut self, letters: &str, kind: &str, name: &str) -> String {
        let arn = self.balancing_arn(&format!("loadbalancer/{letters}/{name}"));
        let balancer = LoadBalancer {
            arn: arn.clone(),
            name: name.to_owned(),
            kind: kind.to_owned(),
            created_at: self.now,
            zones: vec!['a', 'b', 'c'],
            dual_stack: false,
            internal: false,
            tags: BTreeMap::new(),
        };
        self.balancers.insert(arn.clone(), balancer);
        arn
    }

    /// Adds a target group. Answers its ARN.
    pub fn add_target_group(&mut self, spec: TargetGroupSpec) -> String {
        let arn = self.balancing_arn(&format!("targetgroup/{}", spec.name));
        let settings = serde_json::json!({
            "Protocol": if spec.network { "TCP" } else { "HTTP" },
            "VpcId": "vpc-0a1b2c3d4e5f60718",
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": "traffic-port",
            "HealthCheckEnabled": spec.checks,
            "HealthCheckIntervalSeconds": spec.interval_seconds,
            "HealthCheckTimeoutSeconds": 2,
            "HealthyThresholdCount": spec.healthy_threshold,
            "UnhealthyThresholdCount": spec.unhealthy_threshold,
            "HealthCheckPath": "/health",
            "Matcher": { "HttpCode": "200" },
            "TargetType": if spec.ip { "ip" } else { "instance" },
            "IpAddressType": "ipv4",
        });
        let of_requests = [
            ("load_balancing.algorithm.type", "round_robin"),
            ("slow_start.duration_seconds", "0"),
            ("stickiness.enabled", "false"),
            ("stickiness.type", "lb_cookie"),
            ("stickiness.lb_cookie.duration_seconds", "86400"),
        ];
        let of_connections = [
            ("deregistration_delay.connection_termination.enabled", "false"),
            ("preserve_client_ip.enabled", "true"),
            ("proxy_protocol_v2.enabled", "false"),
            ("stickiness.enabled", "false"),
            ("stickiness.type", "source_ip"),
        ];
        let attributes = if spec.network { of_connections } else { of_requests };
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let mut attributes: BTreeMap<String, String> = attributes.map(owned).into_iter().collect();
        let mut settings = Tree::from_json(&settings);
        if !spec.network {
            settings.set("ProtocolVersion", Tree::text("HTTP1"));
        }
        let delay = spec.deregistration_delay_seconds.to_string();
        attributes.insert("deregistration_delay.timeout_seconds".into(), delay);
        attributes.extend(spec.attributes);
        let group = TargetGroup {
            arn: arn.clone(),
            name: spec.name,
            port: spec.port,
            settings,
            attributes,
            tags: BTreeMap::new(),
            targets: BTreeMap::new(),
            in_use: false,
        };
        self.target_groups.insert(arn.clone(), group);
        arn
    }

    /// Adds a listener with its default actions. Answers its ARN.
    pub fn add_listener(
        &mut self,
        balancer_arn: &str,
        port: u16,
        protocol: &str,
        default_actions: &Value,
    ) -> Result<String, Refusal> {
        if !self.balancers.contains_key(balancer_arn) {
            return Err(Refusal::new(
                400,
                "LoadBalancerNotFound",
                &format!("Load balancers '{balancer_arn}' not found"),
            ));
        }
        let actions = self.checked_actions(balancer_arn, &Tree::from_json(default_actions), None)?;
        let path = balancer_arn.rsplit("loadbalancer/").next().unwrap_or_default().to_owned();
        let arn = self.balancing_arn(&format!("listener/{path}"));
        let rule = arn.replacen(":listener/", ":listener-rule/", 1);
        let default_rule = format!("{rule}/{}", self.hex(16));
        let mut settings = Tree::map([("Port", Tree::text(port)), ("Protocol", Tree::text(protocol))]);
        if protocol == "HTTPS" {
            settings.set("SslPolicy", Tree::text("ELBSecurityPolicy-TLS13-1-2-2021-06"));
            let certificate = self.arn("acm", "certificate/", "");
            settings.set("Certificates", Tree::List(vec![Tree::map([("CertificateArn", Tree::text(certificate))])]));
        }
        let listener = Listener {
            arn: arn.clone(),
            balancer: balancer_arn.to_owned(),
            default_rule,
            actions,
            settings,
            tags: BTreeMap::new(),
            stale: None,
            before: Before::default(),
        };
        self.listeners.insert(arn.clone(), listener);
        self.actions_changed();
        self.settle();
        Ok(arn)
    }

    /// Adds a rule. Answers its ARN.
    pub fn add_rule(
        &mut self,
        listener_arn: &str,
        priority: u32,
        conditions: &Value,
        actions: &Value,
    ) -> Result<String, Refusal> {
        let settings = Tree::map([("Conditions", Tree::from_json(conditions))]);
        let arn = self.create_rule(listener_arn, priority, settings, &Tree::from_json(actions))?;
        self.settle();
        Ok(arn)
    }

    /// Creates a rule with everything that AWS checks.
    pub(crate) fn create_rule(
        &mut self,
        listener_arn: &str,
        priority: u32,
        settings: Tree,
        actions: &Tree,
    ) -> Result<String, Refusal> {
        let listener = self.listeners.get(listener_arn).ok_or_else(|| listener_not_found(listener_arn))?;
        let actions = self.checked_actions(&listener.balancer, actions, None)?;
        if self.rules.values().any(|rule| rule.listener == listener_arn && rule.priority == priority) {
            return Err(Refusal::new(400, "PriorityInUse", &format!("Priority '{priority}' is currently in use")));
        }
        let arn = format!("{}/{}", listener_arn.replacen(":listener/", ":listener-rule/", 1), self.hex(16));
        let rule = Rule {
            arn: arn.clone(),
            listener: listener_arn.to_owned(),
            priority,
            actions,
            settings,
            tags: BTreeMap::new(),
            stale: None,
            before: Before::default(),
        };
        self.rules.insert(arn.clone(), rule);
        self.actions_changed();
        Ok(arn)
    }

    /// Adds a group.
    pub fn add_group(&mut self, spec: GroupSpec) -> Result<(), Refusal> {
        let sizes = Sizes { min: Some(spec.min), max: Some(spec.max), desired: Some(spec.desired) };
        let tags = spec.tags.into_iter().map(|(key, value, propagate)| (key, GroupTag { value, propagate })).collect();
        self.create_group(&spec.name, sizes, Tree::from_json(&spec.settings), tags, &spec.target_groups)?;
        if let Some(group) = self.groups.get_mut(&spec.name) {
            let reason = |process| (process, format!("User suspended at {}", super::timestamp_seconds(self.now)));
            group.suspended = spec.suspended.into_iter().map(reason).collect();
        }
        if spec.already_running {
            let cause = self.groups.get(&spec.name).map(|group| group.cause.clone()).unwrap_or_default();
            let mut capacity = 0;
            while capacity < spec.desired {
                capacity += self.next_weight(&spec.name);
                self.launch(&spec.name, &cause, Destination::Service, true);
            }
            for id in self.instances_of(&spec.name) {
                for arn in &spec.target_groups {
                    self.assume_healthy(arn, &id);
                }
            }
        }
        self.settle();
        Ok(())
    }

    /// The ARN of a launch configuration that is being created.
    pub(crate) fn launch_configuration_arn(&mut self, name: &str) -> String {
        self.arn("autoscaling", "launchConfiguration:", &format!(":launchConfigurationName/{name}"))
    }

    /// Sets a group's sizes, as a human with the console would.
    pub fn resize(&mut self, group: &str, min: u32, max: u32, desired: u32) -> Result<(), Refusal> {
        let sizes = Sizes { min: Some(min), max: Some(max), desired: Some(desired) };
        self.update_group(group, sizes, Tree::default())?;
        self.settle();
        Ok(())
    }

    /// Switches the health checks of a target group off, or on again. AWS does so for some kinds of targets only; with them off,
    /// targets read as unavailable.
    pub fn set_checks(&mut self, target_group: &str, checks: bool) {
        if let Some(group) = self.target_groups.get_mut(target_group) {
            group.settings.set("HealthCheckEnabled", Tree::text(checks));
            self.restart_checks(target_group);
            self.settle();
        }
    }

    /// Sets a group's tag, or removes it, as a human with the console would.
    pub fn set_tag(&mut self, group: &str, key: &str, value: Option<&str>) -> Result<(), Refusal> {
        let group = self.group_mut(group)?;
        match value {
            None => drop(group.tags.remove(key)),
            Some(value) => {
                group.tags.insert(key.to_owned(), GroupTag { value: value.to_owned(), propagate: false });
            }
        }
        Ok(())
    }

    fn balancing_arn(&mut self, path: &str) -> String {
        let id = self.hex(16);
        format!("arn:aws:elasticloadbalancing:{}:{}:{path}/{id}", self.region, self.account)
    }
}

pub(crate) fn listener_not_found(arn: &str) -> Refusal {
    Refusal::new(400, "ListenerNotFound", &format!("Listeners '{arn}' not found"))
}
