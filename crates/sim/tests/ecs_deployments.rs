//! ECS's own deployments, circuit breaker, protection and balancing. Pitfalls by their numbers in the fact sheet.

mod ecs_support;

use crossfade_sim::world::sample::{Layout, NEW_IMAGE, NewImage, ShopOptions};
use ecs_support::{Account, services};
use serde_json::{Value, json};

async fn update(account: &Account, service: &str, field: &str, value: Value) -> Value {
    account.ecs("UpdateService", json!({ "cluster": "shop", "service": service, field: value })).await
}

/// P101: a new task definition is a deployment of ECS's own, which shows while it is under way. Nothing is lost by it.
#[tokio::test(start_paused = true)]
async fn p101_a_rolling_deployment_shows_until_it_is_complete() {
    let account = Account::new(services());
    let definition = account.definition(NEW_IMAGE).await;
    update(&account, "shop__6", "taskDefinition", json!(definition)).await;
    let under_way = account.service("shop__6").await;
    assert_eq!(under_way["deployments"].as_array().unwrap().len(), 2);
    assert_eq!(under_way["deployments"][0]["rolloutState"], "IN_PROGRESS");
    assert_eq!(
        (&under_way["deployments"][0]["status"], &under_way["deployments"][1]["status"]),
        (&json!("PRIMARY"), &json!("ACTIVE"))
    );
    let (mut most, mut least) = (0, usize::MAX);
    for _ in 0..120 {
        account.wait(5).await;
        most = most.max(account.sim.world().tasks_of("shop", "shop__6").len());
        least = least.min(account.sim.world().healthy_in(&account.shop.target_group_a));
    }
    assert_eq!((most, least), (6, 4), "150 % at most, 100 % at least");
    let done = account.service("shop__6").await;
    assert_eq!(done["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(done["deployments"][0]["rolloutState"], "COMPLETED");
    assert_eq!((&done["taskDefinition"], account.counts("shop__6").await), (&json!(definition), (4, 4, 0)));
    let events = account.events("shop__6").await;
    assert!(events.iter().any(|event| event.ends_with("deployment completed.")), "{events:?}");
    assert_eq!(account.lost(), 0, "{:?}", account.sim.world().traffic().losses);
}

/// P75, P59: after the circuit breaker has rolled back, a service is stable again, and not what was asked for.
#[tokio::test(start_paused = true)]
async fn p75_stable_after_the_breaker_is_the_old_definition() {
    let account = Account::new(ShopOptions { new_image: NewImage::CrashLoop, ..services() });
    let before = account.service("shop__6").await;
    let definition = account.definition(NEW_IMAGE).await;
    update(&account, "shop__6", "taskDefinition", json!(definition)).await;
    let ours = account.service("shop__6").await["deployments"][0]["id"].clone();
    account.wait(600).await;
    let after = account.service("shop__6").await;
    assert_eq!(account.counts("shop__6").await, (4, 4, 0));
    assert_eq!(after["taskDefinition"], before["taskDefinition"]);
    assert_eq!(after["deployments"][0]["id"], before["deployments"][0]["id"], "the old deployment's id is back");
    assert_eq!(after["deployments"].as_array().unwrap().len(), 1, "ours has gone: {ours}");
    let events = account.events("shop__6").await;
    assert!(events.iter().any(|event| event.contains("deployment failed: tasks failed to start.")), "{events:?}");
    assert!(events.iter().any(|event| event.contains("rolling back to deployment ecs-svc/")), "{events:?}");
}

/// P78: the breaker of a service's first deployment has nothing to go back to. It stays FAILED, and starts nothing more.
#[tokio::test(start_paused = true)]
async fn p78_a_first_deployment_stays_failed() {
    let account = Account::new(ShopOptions { new_image: NewImage::CrashLoop, ..services() });
    let mut request = account.candidate("shop__7", NEW_IMAGE, &account.shop.target_group_b).await;
    request["desiredCount"] = json!(2);
    account.ecs("CreateService", request).await;
    account.wait(600).await;
    let failed = account.service("shop__7").await;
    assert_eq!(
        (&failed["deployments"][0]["status"], &failed["deployments"][0]["rolloutState"]),
        (&json!("PRIMARY"), &json!("FAILED"))
    );
    let stopped = account.tasks("shop__7", "STOPPED").await.len();
    account.wait(600).await;
    assert_eq!(account.tasks("shop__7", "STOPPED").await.len(), stopped, "nothing more was started");
    assert_eq!(account.counts("shop__7").await, (2, 0, 0));
}

/// P79: nobody checks weights. Sent to a target group without targets, production is lost.
#[tokio::test(start_paused = true)]
async fn p79_weights_on_an_empty_target_group_lose_everything() {
    let account = Account::new(services());
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    account.sim.world().set_weights(account.shop.route(), &[(&a, 0), (&b, 100)]);
    account.wait(10).await;
    let losses = account.sim.world().traffic().losses;
    assert_eq!(losses[0].cause, "the target group has no target to send it to");
    assert!(account.lost() > 400);
}

/// P95: AWS may balance zones at any time: for a while there is one more.
#[tokio::test(start_paused = true)]
async fn p95_balancing_zones_adds_a_surplus_for_a_while() {
    let account = Account::new(services());
    account.sim.world().rebalance_service("shop", "shop__6", 1);
    let mut most = 0;
    for _ in 0..60 {
        account.wait(5).await;
        most = most.max(account.sim.world().healthy_in(&account.shop.target_group_a));
    }
    assert_eq!((most, account.counts("shop__6").await, account.lost()), (5, (4, 4, 0), 0));
}

/// P98: tasks that somebody has left on the stage target group get production's requests at the swap.
#[tokio::test(start_paused = true)]
async fn p98_what_is_left_on_the_stage_gets_production_at_the_swap() {
    let account = Account::new(ShopOptions { layout: Layout::Staged, ..services() });
    account.resize("shop__5", 1).await;
    account.start(NEW_IMAGE, 2).await;
    account.wait(120).await;
    let world = account.sim.world();
    let b = &account.shop.target_group_b;
    assert_eq!((world.healthy_in(b), world.healthy_of("shop__7", b), world.healthy_of("shop__5", b)), (3, 2, 1));
}

/// P99: protected tasks stay, whatever is desired; the service says so, and goes on when their protection ends.
#[tokio::test(start_paused = true)]
async fn p99_protected_tasks_keep_a_service_above_zero() {
    let account = Account::new(services());
    let tasks = account.tasks("shop__6", "RUNNING").await;
    let arns: Vec<&Value> = tasks.iter().take(3).map(|task| &task["taskArn"]).collect();
    let protect = json!({ "cluster": "shop", "tasks": arns, "protectionEnabled": true, "expiresInMinutes": 30 });
    let answer = account.ecs("UpdateTaskProtection", protect).await;
    assert_eq!(answer["protectedTasks"].as_array().unwrap().len(), 3);
    account.resize("shop__6", 0).await;
    account.wait(300).await;
    assert_eq!(account.counts("shop__6").await, (0, 3, 0));
    let words =
        "was unable to scale in. Reason: The number of protected tasks are more than the desired count of tasks";
    assert!(account.events("shop__6").await.iter().any(|event| event.contains(words)));
    let shown = account.ecs("GetTaskProtection", json!({ "cluster": "shop", "tasks": [arns[0]] })).await;
    assert_eq!(shown["protectedTasks"][0]["protectionEnabled"], true);
    let lift = json!({ "cluster": "shop", "tasks": [arns[0]], "protectionEnabled": false });
    account.ecs("UpdateTaskProtection", lift).await;
    account.wait(120).await;
    assert_eq!(account.counts("shop__6").await.1, 2, "what is not protected any more goes");
    account.wait(1_800).await;
    assert_eq!(account.counts("shop__6").await.1, 0, "protection ends by itself");
}

/// P100: registering has no token, so that every repetition is a revision; and the bucket is small.
#[tokio::test(start_paused = true)]
async fn p100_registering_twice_makes_two_and_too_often_is_refused() {
    let account = Account::new(services());
    let (one, other) = (account.definition(NEW_IMAGE).await, account.definition(NEW_IMAGE).await);
    assert_ne!(one, other);
    account.sim.limit_rates_to(1.0);
    let definition = json!({ "family": "much", "containerDefinitions": [{ "name": "app", "image": NEW_IMAGE }] });
    let mut admitted = 0;
    let refused = loop {
        match account.try_ecs("RegisterTaskDefinition", definition.clone()).await {
            Ok(_) => admitted += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refused, ("ThrottlingException".to_owned(), "Rate exceeded".to_owned()));
    assert!((20..23).contains(&admitted), "{admitted}");
    account.wait(2).await;
    account.ecs("RegisterTaskDefinition", definition).await;
}
