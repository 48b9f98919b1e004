//! What a request is to IAM: actions, each on resources, in a context (Service Authorization Reference).

use std::collections::BTreeMap;

use crossfade_sim::world::World;
use crossfade_sim::{Request, Service};
use serde_json::Value;

/// One action of a request.
pub(super) struct Asked {
    /// As IAM calls it.
    pub(super) action: String,
    /// The ARNs of what it is about; `*` where AWS cannot narrow it.
    pub(super) resources: Vec<String>,
    /// What conditions may ask for, by their keys.
    pub(super) context: BTreeMap<String, Vec<String>>,
}

/// What a request asks for.
pub(super) fn asked(request: &Request, world: &World) -> Vec<Asked> {
    // No role says anything of what is none of AWS's.
    if request.service == Service::Spot {
        return Vec::new();
    }
    let resources = resources(request, world);
    let context = context(request);
    let asked = |action: String| Asked { action, resources: resources.clone(), context: context.clone() };
    let (service, operation) = (request.service.iam_prefix(), request.operation.as_str());
    let also = |action: &str| vec![format!("{service}:{operation}"), action.to_owned()];
    match operation {
        "TransactWriteItems" => {
            let items = request.json["TransactItems"].as_array().into_iter().flatten();
            let mut by_kind: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (kind, item) in items.filter_map(Value::as_object).flatten() {
                by_kind.entry(format!("dynamodb:{kind}Item")).or_default().extend(key_of(item));
            }
            let one = |(action, keys): (String, Vec<String>)| {
                let context = BTreeMap::from([("dynamodb:LeadingKeys".to_owned(), keys)]);
                Asked { action, resources: resources.clone(), context }
            };
            by_kind.into_iter().map(one).collect()
        }
        // With tags, it takes both.
        "CreateService" | "RegisterTaskDefinition" if request.json["tags"].is_array() => {
            also("ecs:TagResource").into_iter().map(asked).collect()
        }
        "PutMetricAlarm" if request.json["Tags"].is_array() => {
            also("cloudwatch:TagResource").into_iter().map(asked).collect()
        }
        "Invoke" => vec![asked("lambda:InvokeFunction".into())],
        // Nobody needs a permission to be told who they are.
        "GetCallerIdentity" => Vec::new(),
        _ => vec![asked(format!("{service}:{operation}"))],
    }
}

/// The table's partition that an item of a transaction, or a request of its own, is about.
fn key_of(item: &Value) -> Option<String> {
    let of = |part: &str| item[part]["pk"]["S"].as_str();
    of("Key").or_else(|| of("Item")).map(str::to_owned)
}

/// What is asked for beside action and resource.
fn context(request: &Request) -> BTreeMap<String, Vec<String>> {
    let mut context = BTreeMap::new();
    let tags = tags(request);
    if !tags.is_empty() {
        context.insert("aws:TagKeys".to_owned(), tags.iter().map(|(key, _)| key.clone()).collect());
    }
    for (key, value) in tags {
        context.insert(format!("aws:RequestTag/{key}"), vec![value]);
    }
    if let Some(key) = key_of(&request.json) {
        context.insert("dynamodb:LeadingKeys".to_owned(), vec![key]);
    }
    if let Some(namespace) = request.json["ServiceNamespace"].as_str() {
        context.insert("application-autoscaling:service-namespace".to_owned(), vec![namespace.to_owned()]);
    }
    let entries = request.json["Entries"].as_array().into_iter().flatten();
    let sources: Vec<String> = entries.filter_map(|entry| entry["Source"].as_str()).map(str::to_owned).collect();
    if !sources.is_empty() {
        context.insert("events:source".to_owned(), sources);
    }
    let changes = request.json["ChangeBatch"]["Changes"].as_array().into_iter().flatten();
    let mut of_names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for change in changes {
        let set = &change["ResourceRecordSet"];
        let said = |value: &Value| value.as_str().unwrap_or_default().trim_end_matches('.').to_lowercase();
        of_names.entry("NormalizedRecordNames").or_default().push(said(&set["Name"]));
        of_names.entry("RecordTypes").or_default().push(said(&set["Type"]).to_uppercase());
        of_names.entry("Actions").or_default().push(said(&change["Action"]).to_uppercase());
    }
    let keys = of_names.into_iter();
    context.extend(keys.map(|(key, values)| (format!("route53:ChangeResourceRecordSets{key}"), values)));
    context
}

/// The tags that a request sets, or whose keys it takes away.
fn tags(request: &Request) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut tags = Vec::new();
    for list in ["Tags", "tags"] {
        for tag in request.json[list].as_array().into_iter().flatten() {
            let of = |upper: &str, lower: &str| text(tag.get(upper).unwrap_or(&tag[lower]));
            tags.push((of("Key", "key"), of("Value", "value")));
        }
    }
    let keys = request.json["tagKeys"].as_array().into_iter().flatten();
    tags.extend(keys.map(|key| (text(key), String::new())));
    for (field, value) in &request.form {
        if field.starts_with("TagKeys.") {
            tags.push((value.clone(), String::new()));
        }
        // `Tags.member.1.Key`, and for a launch template `TagSpecification.1.Tag.1.Key`.
        if let Some(of) = field.strip_suffix(".Key").filter(|of| of.starts_with("Tag")) {
            tags.push((value.clone(), request.form.get(&format!("{of}.Value")).cloned().unwrap_or_default()));
        }
    }
    tags
}

/// The ARNs of what a request is about.
fn resources(request: &Request, world: &World) -> Vec<String> {
    let form = |field: &str| request.form.get(field).map(String::as_str);
    let listed = |list: &str| {
        let of = request.form.iter().filter(|(field, _)| field.starts_with(&format!("{list}.")));
        of.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let text = |field: &str| request.json[field].as_str().map(str::to_owned);
    let arn = |service: &str, what: String| format!("arn:aws:{service}:eu-west-1:123456789012:{what}");
    let operation = request.operation.as_str();
    let looks = operation.starts_with("Describe") || operation.starts_with("List");
    let found: Vec<String> = match request.service {
        // What Auto Scaling, EC2, Elastic Load Balancing and Application Auto Scaling describe cannot be narrowed.
        Service::AutoScaling | Service::Ec2 | Service::ElasticLoadBalancing | Service::ApplicationAutoScaling
            if looks =>
        {
            Vec::new()
        }
        Service::AutoScaling => {
            let group = |name: &str| arn("autoscaling", format!("autoScalingGroup:x:autoScalingGroupName/{name}"));
            let configuration =
                |name: &str| arn("autoscaling", format!("launchConfiguration:x:launchConfigurationName/{name}"));
            match form("AutoScalingGroupName") {
                Some(name) => vec![group(name)],
                None => form("LaunchConfigurationName").map(configuration).into_iter().collect(),
            }
        }
        Service::Ec2 => {
            let id = form("LaunchTemplateId").map(str::to_owned);
            let by_name = || Some(world.template(None, form("LaunchTemplateName")).ok()?.id.clone());
            match operation {
                "CreateLaunchTemplate" => vec![arn("ec2", "launch-template/*".into())],
                _ => id.or_else(by_name).map(|id| arn("ec2", format!("launch-template/{id}"))).into_iter().collect(),
            }
        }
        Service::ElasticLoadBalancing => {
            let named = ["RuleArn", "ListenerArn", "TargetGroupArn"].map(form).into_iter().flatten().map(str::to_owned);
            named.chain(listed("ResourceArns")).collect()
        }
        Service::CloudWatch => {
            let names = request.json["AlarmNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let alarm = |name: &str| arn("cloudwatch", format!("alarm:{name}"));
            match operation {
                // By a prefix it may be any of them.
                "DescribeAlarms" if request.json["AlarmNames"].is_null() => vec![alarm("*")],
                _ => text("AlarmName")
                    .iter()
                    .map(|name| alarm(name))
                    .chain(names.map(alarm))
                    .chain(text("ResourceARN"))
                    .collect(),
            }
        }
        Service::DynamoDb => {
            let of_items = request.json["TransactItems"].as_array().into_iter().flatten().filter_map(Value::as_object);
            let tables = of_items.flatten().filter_map(|(_, item)| item["TableName"].as_str());
            let mut tables: Vec<&str> = tables.chain(request.json["TableName"].as_str()).collect();
            tables.dedup();
            tables.into_iter().map(|name| arn("dynamodb", format!("table/{name}"))).collect()
        }
        Service::StepFunctions => text("executionArn").or_else(|| text("stateMachineArn")).into_iter().collect(),
        Service::Sns => form("TopicArn").map(str::to_owned).into_iter().collect(),
        Service::CloudFormation => {
            form("StackName").map(|name| arn("cloudformation", format!("stack/{name}/x"))).into_iter().collect()
        }
        Service::Ssm => {
            let name = text("Name").or_else(|| text("Path"));
            name.map(|name| arn("ssm", format!("parameter/{}", name.trim_matches('/')))).into_iter().collect()
        }
        Service::S3 => match (form("Bucket"), form("Key")) {
            (Some(bucket), Some(key)) => vec![format!("arn:aws:s3:::{bucket}/{key}")],
            _ => Vec::new(),
        },
        Service::Sts => Vec::new(),
        Service::Ecs => of_ecs(request),
        Service::SecretsManager => {
            text("SecretId").map(|name| arn("secretsmanager", format!("secret:{name}-a1B2c3"))).into_iter().collect()
        }
        Service::EventBridge => vec![arn("events", "event-bus/default".into())],
        Service::Logs => text("logGroupName")
            .map(|group| arn("logs", format!("log-group:{group}:log-stream:x")))
            .into_iter()
            .collect(),
        Service::Spot => Vec::new(),
        Service::Lambda => form("FunctionName").map(str::to_owned).into_iter().collect(),
        Service::Route53 if operation == "ListHostedZonesByName" => Vec::new(),
        Service::Route53 => {
            let id = form("Id").unwrap_or_default();
            let kind = if operation == "GetChange" { "change" } else { "hostedzone" };
            vec![format!("arn:aws:route53:::{kind}/{id}")]
        }
        Service::CloudMap => match operation {
            "GetNamespace" => {
                text("Id").map(|id| arn("servicediscovery", format!("namespace/{id}"))).into_iter().collect()
            }
            _ => {
                let id = text("Id").or_else(|| text("ServiceId"));
                id.map(|id| arn("servicediscovery", format!("service/{id}"))).into_iter().collect()
            }
        },
        Service::ApplicationAutoScaling => vec![arn("application-autoscaling", "scalable-target/x".into())],
    };
    if found.is_empty() { vec!["*".into()] } else { found }
}

/// The services, tasks, instances or task definitions that a request of ECS is about.
fn of_ecs(request: &Request) -> Vec<String> {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let cluster = last(request.json["cluster"].as_str().unwrap_or("default"));
    let arn = |kind: &str, name: &str| format!("arn:aws:ecs:eu-west-1:123456789012:{kind}/{cluster}/{}", last(name));
    let named = |field: &str, kind: &str| {
        let value = &request.json[field];
        let several = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        several.iter().filter_map(Value::as_str).map(|name| arn(kind, name)).collect::<Vec<_>>()
    };
    match request.operation.as_str() {
        "DescribeServices" => named("services", "service"),
        "CreateService" => named("serviceName", "service"),
        "UpdateService" | "DeleteService" => named("service", "service"),
        "DescribeTasks" | "GetTaskProtection" | "UpdateTaskProtection" => named("tasks", "task"),
        "DescribeContainerInstances" => named("containerInstances", "container-instance"),
        "ListTasks" => vec![arn("container-instance", "*")],
        "RegisterTaskDefinition" => {
            let family = request.json["family"].as_str().unwrap_or_default();
            vec![format!("arn:aws:ecs:eu-west-1:123456789012:task-definition/{family}:1")]
        }
        "TagResource" | "UntagResource" => {
            request.json["resourceArn"].as_str().map(str::to_owned).into_iter().collect()
        }
        // What else there is cannot be narrowed.
        _ => Vec::new(),
    }
}

/// The tags of a resource; nothing when there is no such thing.
pub(super) fn tags_of(world: &World, arn: &str) -> Option<BTreeMap<String, String>> {
    if let Some(tags) = world.balancing_tags(arn) {
        return Some(tags.clone());
    }
    let after = |mark: &str| Some(arn.split_once(mark)?.1);
    if let Some(name) = after(":autoScalingGroupName/") {
        let tags = world.group(name)?.tags.iter();
        return Some(tags.map(|(key, tag)| (key.clone(), tag.value.clone())).collect());
    }
    if let Some(id) = after(":launch-template/") {
        let tags = world.template(Some(id), None).ok()?.tags.to_json();
        let of = |tag: &Value, field: &str| tag[field].as_str().unwrap_or_default().to_owned();
        return Some(tags.as_array().into_iter().flatten().map(|tag| (of(tag, "Key"), of(tag, "Value"))).collect());
    }
    if let Some(name) = after(":alarm:") {
        return Some(world.alarm(name)?.tags.clone());
    }
    if arn.contains(":service/") {
        return world.service_tags(arn.rsplit('/').next()?);
    }
    None
}
