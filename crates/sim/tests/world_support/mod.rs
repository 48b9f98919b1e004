//! The shop with the real SDK clients in front of it.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_autoscaling::types::{Activity, AutoScalingGroup};
use crossfade_sim::world::sample::{self, Shop, ShopOptions};
use crossfade_sim::{Request, Response, Service, Settings, Sim};

/// One account with the shop in it.
pub(crate) struct Account {
    pub(crate) sim: Arc<Sim>,
    pub(crate) shop: Shop,
    pub(crate) groups: aws_sdk_autoscaling::Client,
    pub(crate) balancers: aws_sdk_elasticloadbalancingv2::Client,
}

impl Account {
    pub(crate) fn new(options: ShopOptions) -> Self {
        let sim = Sim::new(Settings::default());
        let shop = sample::shop(&mut sim.world(), options);
        let config = sim.sdk_config();
        let groups = aws_sdk_autoscaling::Client::new(&config);
        let balancers = aws_sdk_elasticloadbalancingv2::Client::new(&config);
        Self { sim, shop, groups, balancers }
    }

    pub(crate) async fn wait(&self, seconds: u64) {
        self.sim.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// A group as the SDK shows it, if it is there.
    pub(crate) async fn describe(&self, name: &str) -> Option<AutoScalingGroup> {
        let answer = self.groups.describe_auto_scaling_groups().auto_scaling_group_names(name).send().await;
        answer.unwrap().auto_scaling_groups.unwrap_or_default().into_iter().next()
    }

    /// A group's activities, newest first.
    pub(crate) async fn activities(&self, name: &str) -> Vec<Activity> {
        let answer = self.groups.describe_scaling_activities().auto_scaling_group_name(name).send().await.unwrap();
        answer.activities.unwrap_or_default()
    }

    /// The lifecycle states of a group's instances as the SDK shows them, oldest first.
    pub(crate) async fn states(&self, name: &str) -> Vec<String> {
        let group = self.describe(name).await.unwrap();
        group.instances().iter().map(|it| it.lifecycle_state().unwrap().as_str().to_owned()).collect()
    }

    /// Sets all sizes of a group.
    pub(crate) async fn resize(&self, name: &str, min: i32, max: i32, desired: i32) {
        let update = self.groups.update_auto_scaling_group().auto_scaling_group_name(name);
        update.min_size(min).max_size(max).desired_capacity(desired).send().await.unwrap();
    }

    /// States and reasons of all targets of a target group.
    pub(crate) async fn health(&self, target_group: &str) -> Vec<(String, Option<String>)> {
        let answer = self.balancers.describe_target_health().target_group_arn(target_group).send().await.unwrap();
        answer
            .target_health_descriptions
            .unwrap_or_default()
            .into_iter()
            .map(|description| {
                let health = description.target_health.unwrap();
                (health.state.unwrap().as_str().to_owned(), health.reason.map(|reason| reason.as_str().to_owned()))
            })
            .collect()
    }

    /// A candidate group: pinned to a version of the shop's launch template with the given image.
    pub(crate) async fn candidate(&self, name: &str, image: &str, size: i32, target_group: Option<&str>) {
        let version = self.version(image);
        let template = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder()
            .launch_template_id(&self.shop.template)
            .version(version.to_string())
            .build();
        self.groups
            .create_auto_scaling_group()
            .auto_scaling_group_name(name)
            .min_size(size)
            .max_size(size)
            .desired_capacity(size)
            .launch_template(template)
            .vpc_zone_identifier("subnet-0aaa1111bbbb2222c,subnet-0ddd3333eeee4444f")
            .health_check_type("ELB")
            .health_check_grace_period(240)
            .set_target_group_arns(target_group.map(|arn| vec![arn.to_owned()]))
            .send()
            .await
            .unwrap();
    }

    /// A new version of the shop's launch template.
    pub(crate) fn version(&self, image: &str) -> u64 {
        let data = serde_json::json!({ "ImageId": image, "InstanceType": "m6i.large" });
        self.sim.world().add_launch_template_version(&self.shop.template, &data, "for a test").unwrap()
    }

    /// One request to EC2, for which there is no SDK here.
    pub(crate) async fn ec2(&self, operation: &str, form: &[(&str, &str)]) -> Response {
        let request = Request::query(Service::Ec2, operation, form.iter().copied());
        self.sim.handle(request).await.unwrap()
    }
}

/// Code and text of a refusal.
pub(crate) fn refusal<T, E: ProvideErrorMetadata, R>(outcome: Result<T, SdkError<E, R>>) -> (String, String) {
    let Err(error) = outcome else { panic!("was not refused") };
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

/// The text between the first `<name>` and its end.
pub(crate) fn between(response: &Response, name: &str) -> String {
    let text = String::from_utf8_lossy(&response.body);
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    text.split_once(&start)
        .and_then(|(_, rest)| rest.split_once(&end))
        .map(|(inner, _)| inner.to_owned())
        .unwrap_or_default()
}
