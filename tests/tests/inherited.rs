//! In what a new fleet will differ from the one that serves is known before: whatever it takes from its base, whatever its kind; and
//! nothing, where the base is as it was.

use std::time::Duration;

use crossfade_local::Outcome;
use crossfade_sim::world::sample::{Compute, Layout, ShopOptions, Source};
use crossfade_sim::{Request, Service};
use crossfade_steps::{Beside, beside, preview};
use crossfade_tests::strategies::STRATEGIES;
use crossfade_tests::{APPROVE, Scene};
use serde_json::{Value, json};

/// A shop that was deployed once, so that what serves is a copy of its base.
async fn deployed(options: ShopOptions) -> Scene {
    let scene = Scene::new(options);
    let ended = scene.play("first", &scene.document(), APPROVE).await;
    assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
    scene
}

async fn looked_at(scene: &Scene, document: &Value) -> Beside {
    let context = scene.installation.context("operator", Duration::ZERO);
    let preview = preview(document, &context).await.expect("nothing is in the way");
    let now = scene.installation.context("operator", Duration::ZERO);
    beside(&preview, &now, scene.sim.clock.now_millis()).await.expect("it can be looked at")
}

fn told(beside: &Beside) -> Vec<String> {
    assert_eq!(beside.compared_with.as_deref(), Some("shop__7"), "{:?}", beside.notes);
    beside.differences.iter().map(ToString::to_string).collect()
}

async fn asked(scene: &Scene, request: Request) -> Value {
    let answer = scene.sim.handle(request).await.expect("it is answered");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

async fn query(scene: &Scene, service: Service, operation: &str, form: &[(&str, &str)]) {
    asked(scene, Request::query(service, operation, form.iter().copied())).await;
}

/// The number of the newest version of a launch template.
fn newest(scene: &Scene, template: &str) -> u64 {
    let inventory = scene.world().inventory();
    let versions = inventory["launchTemplates"][template]["versions"].as_object().cloned().unwrap_or_default();
    versions.keys().filter_map(|number| number.parse().ok()).max().expect("it has versions")
}

#[tokio::test(start_paused = true)]
async fn a_base_that_is_as_it_was_makes_no_difference() {
    for strategy in STRATEGIES {
        for compute in [Compute::Groups, Compute::Services, Compute::ServicesOnInstances, Compute::Elastigroups] {
            if strategy.name == "swap" && compute != Compute::Groups {
                continue;
            }
            let scene = Scene::new(ShopOptions { compute, equipped: true, ..strategy.options() });
            let document = strategy.document(&scene);
            let ended = scene.play("first", &document, APPROVE).await;
            assert_eq!(ended.summary.outcome, Outcome::Succeeded, "{}", ended.cause());
            let beside = looked_at(&scene, &document).await;
            assert_eq!(told(&beside), Vec::<String>::new(), "{} {compute:?}", strategy.name);
            assert_eq!(beside.notes, Vec::<String>::new(), "{} {compute:?}", strategy.name);
        }
    }
    for base in [Source::Latest, Source::Mixed, Source::LaunchConfiguration] {
        let scene = deployed(ShopOptions { base, warm_pool: base != Source::Mixed, ..ShopOptions::default() }).await;
        let beside = looked_at(&scene, &scene.document()).await;
        assert_eq!((told(&beside), &beside.notes), (Vec::new(), &Vec::new()), "{base:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_of_a_base_group_is_named_and_no_secret_is() {
    let scene = deployed(ShopOptions { equipped: true, ..ShopOptions::default() }).await;
    let template = scene.shop.template.clone();
    let base = ("AutoScalingGroupName", "shop-base");
    let secret = "IyEvYmluL3NoCmV4cG9ydCBQQVNTV09SRD1odW50ZXIyCg==";
    let form = [
        ("LaunchTemplateId", template.as_str()),
        ("SourceVersion", "2"),
        ("LaunchTemplateData.InstanceType", "m5.large"),
        ("LaunchTemplateData.UserData", secret),
    ];
    query(&scene, Service::Ec2, "CreateLaunchTemplateVersion", &form).await;
    let version = newest(&scene, &template).to_string();
    let form = [
        base,
        ("HealthCheckGracePeriod", "300"),
        ("LaunchTemplate.LaunchTemplateId", &template),
        ("LaunchTemplate.Version", &version),
    ];
    query(&scene, Service::AutoScaling, "UpdateAutoScalingGroup", &form).await;
    let form = [
        ("Tags.member.1.ResourceId", "shop-base"),
        ("Tags.member.1.ResourceType", "auto-scaling-group"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "checkout"),
        ("Tags.member.1.PropagateAtLaunch", "true"),
    ];
    query(&scene, Service::AutoScaling, "CreateOrUpdateTags", &form).await;
    let form = [
        base,
        ("LifecycleHookName", "drain-connections"),
        ("LifecycleTransition", "autoscaling:EC2_INSTANCE_TERMINATING"),
        ("HeartbeatTimeout", "60"),
    ];
    query(&scene, Service::AutoScaling, "PutLifecycleHook", &form).await;
    query(&scene, Service::AutoScaling, "DeletePolicy", &[base, ("PolicyName", "cpu")]).await;
    let beside = looked_at(&scene, &scene.document()).await;
    let all = told(&beside);
    for line in [
        "~ health check grace period",
        "~ instances instance type",
        "~ instances user data fingerprint",
        "~ tag team",
        "+ hook drain-connections",
        "- policy cpu",
    ] {
        assert!(all.iter().any(|it| it.starts_with(line)), "{line}: {all:#?}");
    }
    assert_eq!(all.len(), 6, "{all:#?}");
    let everything = format!("{beside:?}");
    assert!(!everything.contains("hunter2") && !everything.contains(secret), "{everything}");
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_of_a_base_service_is_named_and_no_value_of_its_environment_is() {
    let options = ShopOptions { compute: Compute::Services, equipped: true, ..ShopOptions::default() };
    let scene = deployed(options).await;
    let cluster = scene.shop.cluster.clone().expect("the shop has services");
    let mut definition = {
        let world = scene.world();
        let arn = world.service_view(&cluster, "shop-base").expect("it is there").definition;
        let definition = world.task_definition(&arn).expect("it is registered");
        let mut fields = Value::Object(definition.fields.clone().into_iter().collect());
        fields["family"] = json!(definition.family);
        fields
    };
    definition["cpu"] = json!("1024");
    definition["memory"] = json!("4096");
    definition["containerDefinitions"][0]["environment"] = json!([{ "name": "PASSWORD", "value": "hunter2" }]);
    let made = asked(&scene, Request::json(Service::Ecs, "RegisterTaskDefinition", definition)).await;
    let change = json!({
        "cluster": cluster, "service": "shop-base", "taskDefinition": made["taskDefinition"]["taskDefinitionArn"],
        "healthCheckGracePeriodSeconds": 300,
    });
    asked(&scene, Request::json(Service::Ecs, "UpdateService", change)).await;
    let beside = looked_at(&scene, &scene.document()).await;
    let all = told(&beside);
    for line in ["~ health check grace period seconds", "~ task definition cpu", "PASSWORD"] {
        assert!(all.iter().any(|it| it.contains(line)), "{line}: {all:#?}");
    }
    assert!(!format!("{beside:?}").contains("hunter2"), "{beside:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_of_a_base_elastigroup_is_named_as_its_json_spells_it() {
    let scene =
        deployed(ShopOptions { compute: Compute::Elastigroups, equipped: true, ..ShopOptions::default() }).await;
    let base = scene.document()["compute"]["elastigroup"]["base"].as_str().expect("it has a base").to_owned();
    let change = json!({
        "strategy": { "risk": 50 },
        "compute": { "launchSpecification": { "userData": "IyEvYmluL3NoCmV4cG9ydCBQQVNTV09SRD1odW50ZXIyCg==" } },
    });
    scene.world().change_elastigroup(&base, &change).expect("Spot takes it");
    let beside = looked_at(&scene, &scene.document()).await;
    let all = told(&beside);
    assert!(all.iter().any(|it| it.starts_with("~ strategy.risk ") && it.ends_with("→ 50")), "{all:#?}");
    assert!(all.iter().any(|it| it.starts_with("~ compute.launchSpecification.userData fingerprint")), "{all:#?}");
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(!format!("{beside:?}").contains("hunter2"), "{beside:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_said_and_is_in_no_plan_s_way() {
    let scene = deployed(ShopOptions { layout: Layout::Weighted, ..ShopOptions::default() }).await;
    let context = scene.installation.context("operator", Duration::ZERO);
    let preview = preview(&scene.document(), &context).await.expect("nothing is in the way");
    query(
        &scene,
        Service::AutoScaling,
        "DeleteAutoScalingGroup",
        &[("AutoScalingGroupName", "shop-base"), ("ForceDelete", "true")],
    )
    .await;
    scene.sim.clock.sleep(Duration::from_secs(600)).await;
    let beside = beside(&preview, &context, scene.sim.clock.now_millis()).await.expect("it is in nobody's way");
    assert_eq!(beside.compared_with, None);
    assert!(beside.takes.is_none() && beside.notes.iter().any(|it| it.contains("shop-base")), "{:?}", beside.notes);
}
