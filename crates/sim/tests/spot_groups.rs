//! What Spot's API accepts, keeps and refuses, and what groups and their instances do, through real requests.

use std::sync::Arc;
use std::time::Duration;

use crossfade_sim::world::sample::{self, Compute, NEW_AMI, Shop, ShopOptions};
use crossfade_sim::world::spot::{SPOT_ACCOUNT, SPOT_TOKEN};
use crossfade_sim::{Settings, Sim};
use serde_json::{Value, json};

/// One account with the shop in it.
struct Account {
    sim: Arc<Sim>,
    shop: Shop,
}

impl Account {
    fn new() -> Self {
        let sim = Sim::new(Settings::default());
        let options = ShopOptions { compute: Compute::Elastigroups, ..ShopOptions::default() };
        let shop = sample::shop(&mut sim.world(), options);
        Self { sim, shop }
    }

    async fn wait(&self, seconds: u64) {
        self.sim.clock.sleep(Duration::from_secs(seconds)).await;
    }

    async fn send(&self, method: &str, path: &str, query: &str, token: &str, body: Value) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(format!("/aws/ec2/group{path}{query}"));
        let request = request.header("host", "api.spotinst.io").header("authorization", format!("Bearer {token}"));
        let (head, ()) = request.body(()).unwrap().into_parts();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.sim.receive(&head, &body.into()).await.unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    /// The items of an answer that has to be good.
    async fn ask(&self, method: &str, path: &str, body: Value) -> Vec<Value> {
        let query = format!("?accountId={SPOT_ACCOUNT}");
        let (status, answer) = self.send(method, path, &query, SPOT_TOKEN, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer["response"]["items"].as_array().unwrap().clone()
    }

    /// Code and text of a refusal.
    async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String, String) {
        let query = format!("?accountId={SPOT_ACCOUNT}");
        let (status, answer) = self.send(method, path, &query, SPOT_TOKEN, body).await;
        let error = &answer["response"]["errors"][0];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (status, text("code"), text("message"))
    }

    /// A group like the base, with the new image, behind `shop-b`. Its id.
    async fn candidate(&self) -> String {
        let mut group = self.ask("GET", &format!("/{}", self.shop.base_group), Value::Null).await.remove(0);
        for read_only in ["id", "createdAt", "updatedAt"] {
            group.as_object_mut().unwrap().remove(read_only);
        }
        group["name"] = json!("new");
        let specification = &mut group["compute"]["launchSpecification"];
        specification["imageId"] = json!(NEW_AMI);
        specification["loadBalancersConfig"] =
            json!({ "loadBalancers": [{ "arn": self.shop.target_group_b, "name": "shop-b", "type": "TARGET_GROUP" }] });
        let made = self.ask("POST", "", json!({ "group": group })).await.remove(0);
        made["id"].as_str().unwrap().to_owned()
    }

    async fn resize(&self, id: &str, size: u32) {
        let capacity = json!({ "minimum": size, "target": size, "maximum": size });
        let set = self.ask("PUT", &format!("/{id}/capacity"), json!({ "capacity": capacity })).await;
        assert_eq!(set, [capacity]);
    }

    async fn status(&self, id: &str) -> Vec<Value> {
        self.ask("GET", &format!("/{id}/status"), Value::Null).await
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_without_a_token_or_an_account_gets_nothing() {
    let account = Account::new();
    let query = format!("?accountId={SPOT_ACCOUNT}");
    assert_eq!(account.send("GET", "", &query, "another", Value::Null).await.0, 401);
    assert_eq!(account.send("GET", "", "?accountId=act-00000000", SPOT_TOKEN, Value::Null).await.0, 403);
    // Without one, the organisation's oldest account answers, which is another one (P66).
    let (status, answer) = account.send("GET", "", "", SPOT_TOKEN, Value::Null).await;
    assert_eq!((status, &answer["response"]["count"]), (200, &json!(0)));
    assert_eq!(account.ask("GET", "", Value::Null).await.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_kept_as_it_was_given_and_what_is_wrong_is_named() {
    let account = Account::new();
    let id = account.candidate().await;
    let change = json!({ "group": { "description": null, "soonToCome": { "a": [1, null] } } });
    let changed = account.ask("PUT", &format!("/{id}"), change).await.remove(0);
    assert!(changed.get("description").is_none(), "null takes away");
    assert_eq!(changed["soonToCome"], json!({ "a": [1, null] }));
    assert_eq!(changed["compute"]["launchSpecification"]["keyPair"], "shop", "what is left out stays");
    for (body, words) in [
        (json!({ "group": { "id": "sig-1" } }), "\"id\" is not allowed"),
        (json!({ "group": { "compute": { "product": "Windows" } } }), "\"product\" is not allowed"),
        (json!({ "group": { "compute": { "launchSpecification": { "images": [] } } } }), "exclusive peers"),
        (json!({ "group": { "compute": { "instanceTypes": { "onDemandTypes": [] } } } }), "Cannot set both"),
    ] {
        let (status, code, message) = account.refused("PUT", &format!("/{id}"), body).await;
        assert_eq!((status, code.as_str()), (400, "ValidationError"));
        assert!(message.contains(words), "{words}: {message}");
    }
    let capacity = json!({ "capacity": { "minimum": 2, "target": 1, "maximum": 4 } });
    let (_, _, message) = account.refused("PUT", &format!("/{id}/capacity"), capacity).await;
    assert_eq!(message, "\"minimum\" must be less than or equal to 1");
    let (status, code, _) = account.refused("GET", "/sig-00000000", Value::Null).await;
    assert_eq!((status, code.as_str()), (400, "GROUP_DOESNT_EXIST"), "not 404");
    // A name may be given twice.
    assert_ne!(account.candidate().await, id);
}

#[tokio::test(start_paused = true)]
async fn instances_are_asked_for_start_and_are_in_ec2_and_in_the_target_group() {
    let account = Account::new();
    let id = account.candidate().await;
    account.resize(&id, 2).await;
    account.wait(4).await;
    let rows = account.status(&id).await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row["instanceId"].is_null() && row["spotInstanceRequestId"].is_string()), "{rows:?}");
    account.wait(180).await;
    let health = account.ask("GET", &format!("/{id}/instanceHealthiness"), Value::Null).await;
    assert!(health.len() == 2 && health.iter().all(|it| it["healthStatus"] == "HEALTHY"), "{health:?}");
    let world = account.sim.world();
    assert_eq!(world.healthy_in(&account.shop.target_group_b), 2);
    assert_eq!(world.elastigroup_called("new").map(|group| group.id.clone()), Some(id));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_out_is_listed_no_more_and_drains_for_as_long_as_the_group_says() {
    let account = Account::new();
    let id = account.candidate().await;
    account.resize(&id, 1).await;
    account.wait(180).await;
    let view = || account.sim.world().fleet_view("new").unwrap();
    assert_eq!((view().in_service, view().leaving), (1, 0));
    account.resize(&id, 0).await;
    account.wait(10).await;
    assert_eq!(account.status(&id).await, Vec::<Value>::new(), "Spot lists it no more");
    assert_eq!((view().in_service, view().leaving), (0, 1), "and it drains");
    // The sample's groups give 60 s; its target groups let targets drain for 30.
    account.wait(40).await;
    assert_eq!(account.sim.world().registered_in(&account.shop.target_group_b), 0);
    assert_eq!(view().leaving, 1);
    account.wait(60).await;
    assert_eq!(view().leaving, 0);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_deleted_is_gone_at_once_and_its_instances_with_it() {
    let account = Account::new();
    let id = account.candidate().await;
    account.resize(&id, 1).await;
    account.wait(180).await;
    account.ask("DELETE", &format!("/{id}"), Value::Null).await;
    assert_eq!(account.refused("DELETE", &format!("/{id}"), Value::Null).await.1, "GROUP_DOESNT_EXIST");
    account.wait(20).await;
    assert_eq!(account.sim.world().answering_in(&account.shop.target_group_b), 0);
}

#[tokio::test(start_paused = true)]
async fn a_replacement_comes_before_what_it_replaces_goes() {
    let account = Account::new();
    let first = account.sim.world().spot_instances_of("shop__6")[0].clone();
    assert!(account.sim.world().replace_spot_instance(&first));
    let (mut most, mut least) = (0, u32::MAX);
    for _ in 0..60 {
        account.wait(5).await;
        let view = account.sim.world().fleet_view("shop__6").unwrap();
        (most, least) = (most.max(view.in_service), least.min(view.in_service));
    }
    assert_eq!((most, least), (5, 4));
    assert!(!account.sim.world().spot_instances_of("shop__6").contains(&first));
}

#[tokio::test(start_paused = true)]
async fn what_is_locked_stays_whatever_the_capacity_says() {
    let account = Account::new();
    let id = account.candidate().await;
    account.resize(&id, 2).await;
    account.wait(180).await;
    let first = account.sim.world().spot_instances_of("new")[0].clone();
    assert!(account.sim.world().lock_spot_instance(&first, 60));
    account.resize(&id, 0).await;
    account.wait(300).await;
    let rows = account.status(&id).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((&rows[0]["instanceId"], &rows[0]["lockStatus"]), (&json!(first), &json!("locked")));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_resizes_a_group_unless_it_rests_and_a_suspension_may_run_out() {
    let account = Account::new();
    let id = account.candidate().await;
    // It is 09:00.
    let task = json!({
        "taskType": "scale", "cronExpression": "*/10 * * * *", "isEnabled": true,
        "scaleMinCapacity": 1, "scaleTargetCapacity": 1, "scaleMaxCapacity": 2,
    });
    account.ask("PUT", &format!("/{id}"), json!({ "group": { "scheduling": { "tasks": [task] } } })).await;
    let suspension = json!({ "suspensions": [{ "name": "SCHEDULING", "ttlInMinutes": 15 }] });
    let told = account.ask("POST", &format!("/{id}/suspension"), suspension).await;
    let end = told[0]["suspensions"][0]["expiresAt"].as_str().unwrap();
    assert!(end.starts_with("2026-01-05T09:15:00.") && end.ends_with("+0000"), "{end}");
    let limited = json!([{ "name": "SCHEDULING", "expiresAt": end }]);
    assert_eq!(told, [json!({ "groupId": id, "processes": ["SCHEDULING"], "suspensions": limited })]);
    assert_eq!(account.ask("GET", &format!("/{id}/suspension"), Value::Null).await, told);
    account.sim.world().settings.spot.ends_untold = true;
    let names = account.ask("GET", &format!("/{id}/suspension"), Value::Null).await;
    assert_eq!(names, [json!({ "groupId": id, "processes": ["SCHEDULING"] })]);
    account.wait(12 * 60).await;
    let target = || account.sim.world().fleet_view("new").unwrap().desired;
    assert_eq!(target(), 0, "it rests");
    account.wait(10 * 60).await;
    assert_eq!(target(), 1, "nobody has renewed it");
    let rests = account.ask("GET", &format!("/{id}/suspension"), Value::Null).await;
    assert_eq!(rests, [json!({ "groupId": id, "processes": [] })]);
    let (status, code, _) = account.refused("POST", &format!("/{id}/suspension"), json!({ "processes": ["X"] })).await;
    assert_eq!((status, code.as_str()), (400, "ValidationError"));
}

#[tokio::test(start_paused = true)]
async fn what_the_market_does_not_give_is_told_in_the_log_alone() {
    let account = Account::new();
    account.sim.world().image_mut(NEW_AMI).unwrap().behaviour.launch_failure = Some("none left".into());
    let id = account.candidate().await;
    account.resize(&id, 1).await;
    account.wait(200).await;
    assert!(account.status(&id).await[0]["instanceId"].is_null());
    let logs = account.ask("GET", &format!("/{id}/logs"), Value::Null).await;
    let told = |words: &str| logs.iter().any(|line| line["message"].as_str().unwrap().starts_with(words));
    assert!(told("Can't Spin Spot Instances: Code: InsufficientInstanceCapacity"), "{logs:?}");
    assert!(told("Can't Spin On-Demand Instances"), "{logs:?}");
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_a_minute_has_are_refused_and_asking_again_makes_it_longer() {
    let account = Account::new();
    account.sim.world().settings.spot.calls_per_minute = Some(3);
    let query = format!("?accountId={SPOT_ACCOUNT}");
    let status = async || account.send("GET", "", &query, SPOT_TOKEN, Value::Null).await.0;
    for expected in [200, 200, 200, 429] {
        assert_eq!(status().await, expected);
    }
    account.wait(50).await;
    assert_eq!(status().await, 429);
    account.wait(50).await;
    assert_eq!(status().await, 429, "each refusal begins the minute anew");
    account.wait(61).await;
    assert_eq!(status().await, 200);
}
