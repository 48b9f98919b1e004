//! The account that every demonstration and test starts from: a shop behind a load balancer.
//!
//! What it owns: one believable account, with everything in it that a deployment must leave alone. Options change what
//! a test is about and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{GroupSpec, Image, ImageBehaviour, Refusal, TargetGroupSpec, TrafficSource, World};

/// The image that the running revision was made of.
pub const RUNNING_AMI: &str = "ami-0a11ce00000000006";
/// The new image that works.
pub const NEW_AMI: &str = "ami-0a11ce00000000007";
/// An image for another architecture.
pub const ARM_AMI: &str = "ami-0a11ce000000000a4";
/// An image that is not available yet.
pub const PENDING_AMI: &str = "ami-0a11ce000000000fe";

/// What the base gives a new instance before its health checks count, unless a test says otherwise.
const GRACE_SECONDS: u32 = 240;

/// What is wrong with the new image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewImage {
    /// Nothing.
    #[default]
    Good,
    /// Its application answers every request with an error.
    Unhealthy,
    /// AWS has no capacity for it.
    NoCapacity,
    /// Its application takes three hours to start.
    Slow,
    /// Its application answers for five minutes, and then fails for good.
    FailsLater,
}

/// What the base group starts its instances from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// The launch template's default version, by the number that it has now.
    #[default]
    Pinned,
    /// `$Default`.
    Default,
    /// `$Latest`.
    Latest,
    /// A launch configuration.
    LaunchConfiguration,
    /// A mixed instances policy around the launch template.
    Mixed,
}

/// What is different from the ordinary shop.
#[derive(Clone, Debug)]
pub struct ShopOptions {
    /// What is wrong with the new image.
    pub new_image: NewImage,
    /// What the base group starts its instances from.
    pub base: Source,
    /// Whether the listener's default action routes, rather than a rule.
    pub default_action: bool,
    /// For how many seconds clients stay with a target group, when they do.
    pub sticky_seconds: Option<u32>,
    /// Whether users have to log in before they are forwarded.
    pub login: bool,
    /// How many instances the running revision has.
    pub instances: u32,
    /// For how long a new instance may fail its health checks before it is replaced.
    pub grace_seconds: u32,
    /// How many requests arrive per second.
    pub requests_per_second: f64,
    /// The processes that are suspended on the base group.
    pub suspended_on_base: Vec<String>,
    /// The classic load balancers that the base group is attached to.
    pub classic_load_balancers: Vec<String>,
}

impl Default for ShopOptions {
    fn default() -> Self {
        Self {
            new_image: NewImage::Good,
            base: Source::Pinned,
            default_action: false,
            sticky_seconds: None,
            login: false,
            instances: 4,
            grace_seconds: GRACE_SECONDS,
            requests_per_second: 50.0,
            suspended_on_base: Vec::new(),
            classic_load_balancers: Vec::new(),
        }
    }
}

/// The names, ids and ARNs of what was built.
#[derive(Clone, Debug)]
pub struct Shop {
    /// The region.
    pub region: String,
    /// The account number.
    pub account: String,
    /// The load balancer's ARN.
    pub load_balancer: String,
    /// The listener's ARN.
    pub listener: String,
    /// The ARN of the rule that routes; none when the listener's default action does.
    pub rule: Option<String>,
    /// The ARN of the listener's default rule.
    pub default_rule: String,
    /// The ARN of the target group `shop-a`, which has all traffic.
    pub target_group_a: String,
    /// The ARN of the target group `shop-b`, which has none.
    pub target_group_b: String,
    /// The ARN of the other team's target group.
    pub target_group_other: String,
    /// The launch template's id.
    pub template: String,
    /// The launch template's name.
    pub template_name: String,
    /// The launch template version of the running revision.
    pub running_version: u64,
    /// The name of the base launch configuration, when the base uses one.
    pub launch_configuration: Option<String>,
    /// The name of the base group.
    pub base_group: String,
    /// The name of the running revision.
    pub running_group: String,
    /// The names of the earlier revisions, newest first.
    pub earlier_groups: Vec<String>,
    /// The name of the group that belongs to somebody else.
    pub foreign_group: String,
    /// The image of the running revision.
    pub running_ami: String,
    /// The new image.
    pub new_ami: String,
    /// An image for another architecture.
    pub arm_ami: String,
    /// An image that is not available yet.
    pub pending_ami: String,
    /// The number of the traffic source, for [`World::stop_traffic`].
    pub traffic: usize,
}

impl Shop {
    /// The rule or listener that routes, for [`World::weights`].
    pub fn route(&self) -> &str {
        self.rule.as_deref().unwrap_or(&self.listener)
    }
}

/// Builds the shop in an empty account.
///
/// # Panics
///
/// When the account refuses what is built, which only happens when it was not empty.
pub fn shop(world: &mut World, options: ShopOptions) -> Shop {
    build(world, options).expect("the shop fits into an empty account")
}

fn build(world: &mut World, options: ShopOptions) -> Result<Shop, Refusal> {
    add_images(world, options.new_image);
    let balancer = world.add_load_balancer("shop");
    let a = world.add_target_group(TargetGroupSpec::new("shop-a"));
    let b = world.add_target_group(TargetGroupSpec::new("shop-b"));
    let other = world.add_target_group(TargetGroupSpec::new("other-team"));

    let actions = actions(&a, &b, &options);
    let not_found = json!([{ "Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no such page" } }]);
    let default_actions = if options.default_action { &actions } else { &not_found };
    let listener = world.add_listener(&balancer, 443, "HTTPS", default_actions)?;
    let elsewhere = json!([{ "Field": "host-header", "HostHeaderConfig": { "Values": ["other.example.com"] } }]);
    world.add_rule(&listener, 5, &elsewhere, &json!([{ "Type": "forward", "TargetGroupArn": other }]))?;
    let all = json!([{ "Field": "path-pattern", "PathPatternConfig": { "Values": ["/*"] } }]);
    let rule = match options.default_action {
        true => None,
        false => Some(world.add_rule(&listener, 10, &all, &actions)?),
    };
    let default_rule = world.listeners.get(&listener).map(|it| it.default_rule.clone()).unwrap_or_default();

    let base_versions =
        [template_data("ami-0a11ce00000000001"), template_data("ami-0a11ce00000000002"), template_data(RUNNING_AMI)];
    let template = world.add_launch_template("shop", &base_versions, 2);
    let mut version = BTreeMap::new();
    for revision in 2..=6 {
        let data = template_data(&format!("ami-0a11ce0000000000{revision}"));
        let number = world
            .add_launch_template_version(&template, &data, &format!("crossfade earlier-{revision}"))
            .unwrap_or_default();
        version.insert(revision, number);
    }
    let pinned = |number: u64| json!({ "LaunchTemplateId": template, "Version": number.to_string() });

    let launch_configuration = (options.base == Source::LaunchConfiguration).then(|| "shop-lc".to_owned());
    if let Some(name) = &launch_configuration {
        world.add_launch_configuration(name, &configuration_data());
    }
    let mut base = settings();
    base["HealthCheckGracePeriod"] = json!(options.grace_seconds);
    if !options.classic_load_balancers.is_empty() {
        base["LoadBalancerNames"] = json!(options.classic_load_balancers);
    }
    match options.base {
        Source::Pinned => base["LaunchTemplate"] = pinned(2),
        Source::Default => base["LaunchTemplate"] = json!({ "LaunchTemplateId": template, "Version": "$Default" }),
        Source::Latest => base["LaunchTemplate"] = json!({ "LaunchTemplateName": "shop", "Version": "$Latest" }),
        Source::LaunchConfiguration => base["LaunchConfigurationName"] = json!("shop-lc"),
        Source::Mixed => {
            base["MixedInstancesPolicy"] = json!({
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": pinned(2),
                    "Overrides": [{ "InstanceType": "m6i.large" }, { "InstanceType": "m5.large" }],
                },
                "InstancesDistribution": {
                    "OnDemandBaseCapacity": 1,
                    "SpotAllocationStrategy": "price-capacity-optimized",
                },
            });
        }
    }
    let ordinary = |key: &str, value: &str, propagate: bool| (key.to_owned(), value.to_owned(), propagate);
    let common = [ordinary("team", "storefront", true), ordinary("cost-centre", "4711", false)];
    world.add_group(GroupSpec {
        name: "shop-base".into(),
        settings: base,
        tags: common.to_vec(),
        suspended: options.suspended_on_base.clone(),
        ..GroupSpec::default()
    })?;

    let owned = |revision: u64| {
        let mut tags = common.to_vec();
        tags.push(ordinary("crossfade:infrastructure", "shop/production/shop-base", false));
        tags.push(ordinary("crossfade:revision", &revision.to_string(), false));
        tags.push(ordinary("crossfade:deployment", &format!("earlier-{revision}"), false));
        tags
    };
    for revision in 2..=6_u64 {
        let mut settings = settings();
        settings["LaunchTemplate"] = pinned(version[&revision]);
        let running = revision == 6;
        world.add_group(GroupSpec {
            name: format!("shop__{revision}"),
            min: if running { options.instances } else { 0 },
            max: if running { options.instances * 2 } else { 0 },
            desired: if running { options.instances } else { 0 },
            settings,
            tags: owned(revision),
            target_groups: if running { vec![a.clone()] } else { Vec::new() },
            already_running: true,
            ..GroupSpec::default()
        })?;
    }

    let theirs = world.add_launch_template("other-team", &[template_data(RUNNING_AMI)], 1);
    let mut settings = settings();
    settings["LaunchTemplate"] = json!({ "LaunchTemplateId": theirs, "Version": "1" });
    world.add_group(GroupSpec {
        name: "other-team".into(),
        min: 2,
        max: 2,
        desired: 2,
        settings,
        tags: vec![ordinary("team", "other", true)],
        target_groups: vec![other.clone()],
        already_running: true,
        ..GroupSpec::default()
    })?;

    let traffic = world.add_traffic(TrafficSource {
        listener_arn: listener.clone(),
        rule_arn: rule.clone(),
        requests_per_second: options.requests_per_second,
        request_millis: 300,
        clients: 200,
    });
    Ok(Shop {
        region: world.region.clone(),
        account: world.account.clone(),
        load_balancer: balancer,
        listener,
        rule,
        default_rule,
        target_group_a: a,
        target_group_b: b,
        target_group_other: other,
        template,
        template_name: "shop".into(),
        running_version: version[&6],
        launch_configuration,
        base_group: "shop-base".into(),
        running_group: "shop__6".into(),
        earlier_groups: (2..=5).rev().map(|revision| format!("shop__{revision}")).collect(),
        foreign_group: "other-team".into(),
        running_ami: RUNNING_AMI.into(),
        new_ami: NEW_AMI.into(),
        arm_ami: ARM_AMI.into(),
        pending_ami: PENDING_AMI.into(),
        traffic,
    })
}

fn add_images(world: &mut World, new: NewImage) {
    for name in ["m6i.large", "m5.large", "t3.micro"] {
        world.add_instance_type(name, &["x86_64"]);
    }
    for name in ["m7g.large", "t4g.micro"] {
        world.add_instance_type(name, &["arm64"]);
    }
    for revision in 1..=6 {
        world.add_image(Image::new(&format!("ami-0a11ce0000000000{revision}")));
    }
    let good = ImageBehaviour::default();
    let behaviour = match new {
        NewImage::Good => good,
        NewImage::Unhealthy => ImageBehaviour { passes_health_checks: false, ..good },
        NewImage::NoCapacity => ImageBehaviour { launch_failure: Some(NO_CAPACITY.into()), ..good },
        NewImage::Slow => ImageBehaviour { boot_seconds: (3 * 3600, 3 * 3600), ..good },
        NewImage::FailsLater => ImageBehaviour { fails_after_seconds: Some(300), ..good },
    };
    world.add_image(Image::new(NEW_AMI).behaviour(behaviour));
    world.add_image(Image::new(ARM_AMI).architecture("arm64"));
    world.add_image(Image::new(PENDING_AMI).state("pending"));
}

/// AWS's words when a zone has run out of an instance type.
pub const NO_CAPACITY: &str = "We currently do not have sufficient m6i.large capacity in the Availability Zone you \
    requested (eu-west-1a). Our system will be working on provisioning additional capacity. You can currently get \
    m6i.large capacity by not specifying an Availability Zone in your request or choosing eu-west-1b, eu-west-1c.";

fn actions(a: &str, b: &str, options: &ShopOptions) -> Value {
    let sticky = match options.sticky_seconds {
        Some(seconds) => json!({ "Enabled": true, "DurationSeconds": seconds }),
        None => json!({ "Enabled": false }),
    };
    let mut forward = json!({
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [
                { "TargetGroupArn": a, "Weight": 100 },
                { "TargetGroupArn": b, "Weight": 0 },
            ],
            "TargetGroupStickinessConfig": sticky,
        },
    });
    if !options.login {
        return json!([forward]);
    }
    let login = json!({
        "Type": "authenticate-oidc",
        "Order": 1,
        "AuthenticateOidcConfig": {
            "Issuer": "https://login.example.com",
            "AuthorizationEndpoint": "https://login.example.com/authorize",
            "TokenEndpoint": "https://login.example.com/token",
            "UserInfoEndpoint": "https://login.example.com/userinfo",
            "ClientId": "shop",
            "ClientSecret": "kept-by-the-load-balancer",
            "SessionCookieName": "AWSELBAuthSessionCookie",
            "Scope": "openid",
            "SessionTimeout": 604_800,
            "OnUnauthenticatedRequest": "authenticate",
        },
    });
    forward["Order"] = json!(2);
    json!([login, forward])
}

const SERVICE_LINKED_ROLE: &str = "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/\
    AWSServiceRoleForAutoScaling";

/// Group settings, most of them unlike their defaults, so that a clone that forgets one is found out.
fn settings() -> Value {
    json!({
        "VPCZoneIdentifier": "subnet-0aaa1111bbbb2222c,subnet-0ddd3333eeee4444f,subnet-0fff5555aaaa6666b",
        "HealthCheckType": "ELB",
        "HealthCheckGracePeriod": 240,
        "DefaultCooldown": 120,
        "DefaultInstanceWarmup": 60,
        "TerminationPolicies": ["OldestLaunchTemplate", "OldestInstance"],
        "MaxInstanceLifetime": 2_592_000,
        "CapacityRebalance": true,
        "ServiceLinkedRoleARN": SERVICE_LINKED_ROLE,
        "InstanceMaintenancePolicy": { "MinHealthyPercentage": 90, "MaxHealthyPercentage": 120 },
        "AvailabilityZoneDistribution": { "CapacityDistributionStrategy": "balanced-best-effort" },
    })
}

fn template_data(image: &str) -> Value {
    json!({
        "ImageId": image,
        "InstanceType": "m6i.large",
        "KeyName": "shop",
        "UserData": "IyEvYmluL3NoCmV4ZWMgL29wdC9zaG9wL3N0YXJ0Cg==",
        "EbsOptimized": true,
        "SecurityGroupIds": ["sg-0123456789abcdef0"],
        "IamInstanceProfile": { "Arn": "arn:aws:iam::123456789012:instance-profile/shop" },
        "Monitoring": { "Enabled": true },
        "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 2 },
        "BlockDeviceMappings": [
            { "DeviceName": "/dev/xvda", "Ebs": { "VolumeSize": 30, "VolumeType": "gp3", "Encrypted": true } },
        ],
        "TagSpecifications": [
            { "ResourceType": "instance", "Tags": [{ "Key": "service", "Value": "shop" }] },
        ],
    })
}

fn configuration_data() -> Value {
    json!({
        "ImageId": "ami-0a11ce00000000002",
        "InstanceType": "m6i.large",
        "KeyName": "shop",
        "UserData": "IyEvYmluL3NoCmV4ZWMgL29wdC9zaG9wL3N0YXJ0Cg==",
        "SecurityGroups": ["sg-0123456789abcdef0"],
        "IamInstanceProfile": "shop",
        "EbsOptimized": true,
        "InstanceMonitoring": { "Enabled": true },
        "AssociatePublicIpAddress": false,
        "MetadataOptions": { "HttpTokens": "required", "HttpPutResponseHopLimit": 2 },
        "BlockDeviceMappings": [
            { "DeviceName": "/dev/xvda", "Ebs": { "VolumeSize": 30, "VolumeType": "gp3", "Encrypted": true } },
        ],
    })
}
