//! The shop as services, behind raw HTTP requests as an SDK sends them, in virtual time.
#![allow(dead_code, reason = "every test file uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use crossfade_sim::world::sample::{self, Compute, Shop, ShopOptions};
use crossfade_sim::{Settings, Sim};
use serde_json::{Value, json};

/// One account with the shop in it.
pub(crate) struct Account {
    pub(crate) sim: Arc<Sim>,
    pub(crate) shop: Shop,
}

/// The shop on Fargate.
pub(crate) fn services() -> ShopOptions {
    ShopOptions { compute: Compute::Services, ..ShopOptions::default() }
}

impl Account {
    pub(crate) fn new(options: ShopOptions) -> Self {
        let sim = Sim::new(Settings::default());
        let shop = sample::shop(&mut sim.world(), options);
        Self { sim, shop }
    }

    pub(crate) async fn wait(&self, seconds: u64) {
        self.sim.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Sends one request of AWS JSON 1.1. Answers the status and the body.
    async fn send(&self, service: &str, target: &str, body: &Value) -> (u16, Value) {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential=AKIASIMULATED/20260105/eu-west-1/{service}/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=00"
        );
        let request = http::Request::post("/")
            .header("host", format!("{service}.eu-west-1.amazonaws.com"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .header("authorization", signed);
        let (head, ()) = request.body(()).unwrap().into_parts();
        let answer = self.sim.receive(&head, &body.to_string().into()).await.unwrap();
        assert_eq!(answer.content_type, "application/x-amz-json-1.1");
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    pub(crate) async fn try_ecs(&self, operation: &str, body: Value) -> Result<Value, (String, String)> {
        let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
        outcome(self.send("ecs", &target, &body).await)
    }

    pub(crate) async fn ecs(&self, operation: &str, body: Value) -> Value {
        self.try_ecs(operation, body).await.unwrap_or_else(|refusal| panic!("{operation}: {refusal:?}"))
    }

    /// Code and text of a refusal.
    pub(crate) async fn refused(&self, operation: &str, body: Value) -> (String, String) {
        self.try_ecs(operation, body).await.expect_err("was not refused")
    }

    pub(crate) async fn try_scaling(&self, operation: &str, body: Value) -> Result<Value, (String, String)> {
        outcome(self.send("application-autoscaling", &format!("AnyScaleFrontendService.{operation}"), &body).await)
    }

    pub(crate) async fn scaling(&self, operation: &str, body: Value) -> Value {
        self.try_scaling(operation, body).await.unwrap_or_else(|refusal| panic!("{operation}: {refusal:?}"))
    }

    /// A service as Describe shows it, with its tags.
    pub(crate) async fn service(&self, name: &str) -> Value {
        let request = json!({ "cluster": "shop", "services": [name], "include": ["TAGS"] });
        let answer = self.ecs("DescribeServices", request).await;
        assert_eq!(answer["failures"], json!([]), "{name}");
        answer["services"][0].clone()
    }

    /// Desired, running and pending count.
    pub(crate) async fn counts(&self, name: &str) -> (u64, u64, u64) {
        let service = self.service(name).await;
        let count = |field: &str| service[field].as_u64().unwrap();
        (count("desiredCount"), count("runningCount"), count("pendingCount"))
    }

    /// The messages of a service's events, newest first.
    pub(crate) async fn events(&self, name: &str) -> Vec<String> {
        let service = self.service(name).await;
        let events = service["events"].as_array().unwrap();
        events.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The tasks of a service that are meant to run, or those that are not, as Describe shows them.
    pub(crate) async fn tasks(&self, name: &str, desired: &str) -> Vec<Value> {
        let request = json!({ "cluster": "shop", "serviceName": name, "desiredStatus": desired });
        let arns = self.ecs("ListTasks", request).await["taskArns"].clone();
        if arns.as_array().unwrap().is_empty() {
            return Vec::new();
        }
        let answer = self.ecs("DescribeTasks", json!({ "cluster": "shop", "tasks": arns })).await;
        answer["tasks"].as_array().unwrap().clone()
    }

    /// The states of a service's tasks, those that stop included.
    pub(crate) async fn states(&self, name: &str) -> Vec<String> {
        let mut states = Vec::new();
        for desired in ["RUNNING", "STOPPED"] {
            let tasks = self.tasks(name, desired).await;
            states.extend(tasks.iter().map(|task| task["lastStatus"].as_str().unwrap().to_owned()));
        }
        states.sort();
        states
    }

    pub(crate) async fn resize(&self, name: &str, desired: u32) {
        self.ecs("UpdateService", json!({ "cluster": "shop", "service": name, "desiredCount": desired })).await;
    }

    /// Registers a definition as the base's, with another image. Answers its ARN.
    pub(crate) async fn definition(&self, image: &str) -> String {
        let base = self.shop.task_definition.clone().unwrap();
        let answer = self.ecs("DescribeTaskDefinition", json!({ "taskDefinition": base })).await;
        let mut definition = answer["taskDefinition"].clone();
        let output = [
            "taskDefinitionArn",
            "revision",
            "status",
            "requiresAttributes",
            "compatibilities",
            "registeredAt",
            "registeredBy",
        ];
        for field in output {
            definition.as_object_mut().unwrap().remove(field);
        }
        definition["containerDefinitions"][0]["image"] = json!(image);
        let answer = self.ecs("RegisterTaskDefinition", definition).await;
        answer["taskDefinition"]["taskDefinitionArn"].as_str().unwrap().to_owned()
    }

    /// What creates a candidate like the base, on a target group.
    pub(crate) async fn candidate(&self, name: &str, image: &str, target_group: &str) -> Value {
        let definition = self.definition(image).await;
        let base = self.service("shop-base").await;
        let mut request = json!({
            "cluster": "shop",
            "serviceName": name,
            "taskDefinition": definition,
            "desiredCount": 0,
            "loadBalancers": [{
                "targetGroupArn": target_group, "containerName": "app", "containerPort": 8080,
            }],
            "clientToken": "once",
        });
        for field in ["launchType", "networkConfiguration", "deploymentConfiguration", "healthCheckGracePeriodSeconds"]
        {
            if !base[field].is_null() {
                request[field] = base[field].clone();
            }
        }
        request
    }

    /// Creates a candidate on `shop-b`, and sizes it.
    pub(crate) async fn start(&self, image: &str, desired: u32) {
        let request = self.candidate("shop__7", image, &self.shop.target_group_b.clone()).await;
        self.ecs("CreateService", request).await;
        self.wait(15).await;
        self.resize("shop__7", desired).await;
    }

    /// How many requests were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.sim.world().traffic().totals.lost
    }
}

fn outcome((status, body): (u16, Value)) -> Result<Value, (String, String)> {
    if status < 400 {
        return Ok(body);
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Err((text("__type"), text("message")))
}
