//! ECS services over virtual time, through real requests. Pitfalls by their numbers in the fact sheet.

mod ecs_support;

use crossfade_sim::world::sample::{AlsoBehind, Balancer, Compute, Layout, NEW_IMAGE, NewImage, ShopOptions};
use ecs_support::{Account, services};
use serde_json::{Value, json};

/// What lay in production before is as it was with groups: four that serve, tags, earlier revisions, no request lost.
#[tokio::test(start_paused = true)]
async fn the_shop_as_services_serves_as_it_did_as_groups() {
    for layout in [Layout::Weighted, Layout::Attached, Layout::Staged] {
        let account = Account::new(ShopOptions { layout, second_balancer: true, ..services() });
        account.wait(120).await;
        assert_eq!(account.lost(), 0);
        serves_well(&account);
        let running = account.service("shop__6").await;
        let tag = |key: &str| {
            let tags = running["tags"].as_array().unwrap();
            tags.iter().find(|tag| tag["key"] == key).map(|tag| tag["value"].as_str().unwrap().to_owned())
        };
        assert_eq!(tag("crossfade:infrastructure").as_deref(), Some("shop/production/shop:shop-base"));
        assert_eq!(tag("crossfade:revision").as_deref(), Some("6"));
        assert_eq!(account.counts("shop__6").await, (4, 4, 0));
        assert_eq!(account.counts("shop-base").await, (0, 0, 0));
        assert_eq!(running["deployments"].as_array().unwrap().len(), 1);
        assert_eq!(running["deployments"][0]["rolloutState"], "COMPLETED");
        let tasks = account.tasks("shop__6", "RUNNING").await;
        let image = &tasks[0]["containers"][0]["image"];
        assert_eq!(image, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:6");
    }
}

/// All four tasks serve on both load balancers, and have from the start.
fn serves_well(account: &Account) {
    let world = account.sim.world();
    assert_eq!(world.healthy_in(&account.shop.target_group_a), 4);
    assert_eq!(world.healthy_of("shop__6", &account.shop.second.as_ref().unwrap().target_group_c), 4);
    assert!(world.traffic().totals.served > 5_000);
    assert!(world.steady_since("shop__6", &account.shop.target_group_a).is_some());
    assert!(world.empty_since("shop__5").is_some() && world.empty_since("shop__6").is_none());
}

/// A candidate comes up, takes the traffic, and the old service leaves: nothing is lost.
#[tokio::test(start_paused = true)]
async fn a_careful_blue_green_deployment_loses_nothing() {
    for compute in [Compute::Services, Compute::ServicesOnInstances] {
        let account = Account::new(ShopOptions { compute, ..services() });
        account.start(NEW_IMAGE, 4).await;
        account.wait(5).await;
        assert_eq!(account.counts("shop__7").await.0, 4);
        account.wait(115).await;
        let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
        assert_eq!(account.counts("shop__7").await, (4, 4, 0), "{compute:?}");
        assert_eq!(account.sim.world().healthy_of("shop__7", &b), 4, "{compute:?}");
        account.sim.world().set_weights(account.shop.route(), &[(&a, 0), (&b, 100)]);
        account.wait(30).await;
        account.resize("shop__6", 0).await;
        account.wait(180).await;
        assert!(account.sim.world().empty_since("shop__6").is_some());
        assert_eq!(account.sim.world().registered_in(&a), 0);
        assert_eq!(account.lost(), 0, "{compute:?} {:?}", account.sim.world().traffic().losses);
        assert!(account.sim.world().traffic().target_groups[&b].served > 5_000);
    }
}

/// The steps of a start, as Describe shows them, and the events.
#[tokio::test(start_paused = true)]
async fn a_task_goes_through_every_state_until_it_is_healthy() {
    let account = Account::new(services());
    account.start(NEW_IMAGE, 1).await;
    let mut seen: Vec<String> = Vec::new();
    let mut healthy_at = None;
    for second in 0..150 {
        for state in account.states("shop__7").await {
            if seen.last() != Some(&state) {
                seen.push(state);
            }
        }
        if account.sim.world().healthy_in(&account.shop.target_group_b) == 1 {
            healthy_at.get_or_insert(second);
        }
        account.wait(1).await;
    }
    assert_eq!(seen, ["PROVISIONING", "PENDING", "ACTIVATING", "RUNNING"]);
    assert!(healthy_at.is_some_and(|second| (20..110).contains(&second)), "{healthy_at:?}");
    let events = account.events("shop__7").await;
    assert!(events[0].ends_with("has reached a steady state."), "{events:?}");
    assert!(events.iter().any(|it| it.contains("has started 1 tasks: (task ")), "{events:?}");
    let registered =
        format!("(service shop__7) registered 1 targets in (target-group {})", account.shop.target_group_b);
    assert!(events.contains(&registered), "{events:?}");
    let task = &account.tasks("shop__7", "RUNNING").await[0];
    let address = task["attachments"][0]["details"].as_array().unwrap();
    let address = address.iter().find(|it| it["name"] == "privateIPv4Address").unwrap()["value"].as_str().unwrap();
    let targets = account.sim.world().target_group(&account.shop.target_group_b).unwrap().targets.clone();
    assert!(targets.keys().any(|key| key.id == address && key.port == 8080), "{targets:?} {address}");
}

/// P90: what a service stops leaves its counts at once, its target group next, and gets SIGTERM only when it has drained.
#[tokio::test(start_paused = true)]
async fn p90_no_running_task_does_not_mean_drained() {
    let account = Account::new(ShopOptions { deregistration_seconds: 60, ..services() });
    let a = account.shop.target_group_a.clone();
    account.resize("shop__6", 3).await;
    account.wait(11).await;
    assert_eq!(account.counts("shop__6").await, (3, 3, 0));
    assert_eq!(account.states("shop__6").await[0], "DEACTIVATING");
    account.wait(12).await;
    let targets = account.sim.world().target_group(&a).unwrap().targets.len();
    assert_eq!((account.sim.world().registered_in(&a), targets), (3, 4), "it drains");
    let view = account.sim.world().service_view("shop", "shop__6").unwrap();
    assert_eq!((view.answering, view.stopping), (4, 1), "and still answers");
    let events = account.events("shop__6").await;
    let position = |words: &str| events.iter().position(|event| event.contains(words)).unwrap();
    assert!(position("has stopped 1 running tasks: (task ") > position("deregistered 1 targets in (target-group "));
    assert!(position("deregistered 1 targets") > position("has begun draining connections on 1 tasks."));
    account.wait(90).await;
    assert!(account.states("shop__6").await.contains(&"STOPPED".to_owned()));
    let stopped = account.tasks("shop__6", "STOPPED").await;
    assert_eq!(stopped[0]["stopCode"], "ServiceSchedulerInitiated");
    assert!(stopped[0]["stoppedReason"].as_str().unwrap().starts_with("Scaling activity initiated by"));
    assert_eq!(account.lost(), 0);
    account.wait(3_700).await;
    assert!(account.tasks("shop__6", "STOPPED").await.is_empty(), "nobody lists it after an hour");
}

/// P90: whoever stops a task himself loses requests, since it gets SIGTERM while the load balancer still sends them.
#[tokio::test(start_paused = true)]
async fn p90_stop_task_skips_the_draining() {
    let account = Account::new(services());
    let task = account.tasks("shop__6", "RUNNING").await[0]["taskArn"].clone();
    account.ecs("StopTask", json!({ "cluster": "shop", "task": task, "reason": "tidying up" })).await;
    account.wait(10).await;
    let losses = account.sim.world().traffic().losses;
    assert!(losses.iter().any(|loss| loss.cause == "the task had been stopped" && !loss.excused), "{losses:?}");
    let stopped = account.tasks("shop__6", "STOPPED").await;
    assert_eq!(
        (&stopped[0]["stopCode"], &stopped[0]["stoppedReason"]),
        (&json!("UserInitiated"), &json!("tidying up"))
    );
    account.wait(120).await;
    assert_eq!(account.counts("shop__6").await, (4, 4, 0), "the scheduler replaces it");
}

/// Host loss and crashes are AWS's and the application's fault; the service replaces what is gone.
#[tokio::test(start_paused = true)]
async fn what_dies_is_replaced_and_excused() {
    let account = Account::new(services());
    let tasks = account.sim.world().tasks_of("shop", "shop__6");
    assert!(account.sim.world().kill_task(&tasks[0]) && account.sim.world().crash_task(&tasks[1]));
    account.wait(150).await;
    let traffic = account.sim.world().traffic();
    assert_eq!(traffic.totals.lost, 0, "{:?}", traffic.losses);
    assert!(traffic.totals.lost_by_aws > 0 && traffic.totals.lost_by_application > 0);
    assert_eq!(account.counts("shop__6").await, (4, 4, 0));
    let codes: Vec<Value> =
        account.tasks("shop__6", "STOPPED").await.iter().map(|task| task["stopCode"].clone()).collect();
    assert!(codes.contains(&json!("EssentialContainerExited")) && codes.contains(&json!("TerminationNotice")));
}

/// P77: the deployment that creates a service is complete at 0 tasks; what is scaled up later fails for ever, and at full speed.
#[tokio::test(start_paused = true)]
async fn p77_a_crash_loop_after_the_scale_up_is_never_given_up() {
    let account = Account::new(ShopOptions { new_image: NewImage::CrashLoop, ..services() });
    account.start(NEW_IMAGE, 2).await;
    let before = account.service("shop__7").await;
    assert_eq!(before["deployments"][0]["rolloutState"], "COMPLETED");
    account.wait(600).await;
    let service = account.service("shop__7").await;
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED", "its breaker sleeps");
    let stopped = account.tasks("shop__7", "STOPPED").await;
    assert!(stopped.len() > 10, "at full speed: {}", stopped.len());
    assert_eq!(stopped[0]["stopCode"], "EssentialContainerExited");
    assert_eq!(stopped[0]["containers"][0]["exitCode"], 1);
    let events = account.events("shop__7").await;
    assert!(!events.iter().any(|event| event.contains("unable to consistently start")), "that is for others");
}

/// What never comes to run is tried again, ever more slowly.
#[tokio::test(start_paused = true)]
async fn p77_a_start_that_fails_backs_off() {
    let account = Account::new(services());
    account.start("123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:none", 1).await;
    account.wait(600).await;
    let early = account.tasks("shop__7", "STOPPED").await.len();
    assert!((3..9).contains(&early), "{early}");
    let stopped = account.tasks("shop__7", "STOPPED").await;
    assert_eq!(stopped[0]["stopCode"], "TaskFailedToStart");
    assert!(stopped[0]["stoppedReason"].as_str().unwrap().starts_with("CannotPullContainerError"));
    let events = account.events("shop__7").await;
    assert!(events.iter().any(|it| it.contains("is unable to consistently start tasks successfully.")), "{events:?}");
}

/// P93: without room there is an event, told once, and the service waits.
#[tokio::test(start_paused = true)]
async fn p93_without_room_nothing_is_placed_and_one_event_says_so() {
    let account = Account::new(ShopOptions { compute: Compute::ServicesOnInstances, ..services() });
    account.start(NEW_IMAGE, 100).await;
    account.wait(300).await;
    let (desired, running, pending) = account.counts("shop__7").await;
    assert!(desired == 100 && running > 0 && running < 100 && pending == 0, "{running} {pending}");
    let events = account.events("shop__7").await;
    let words = "was unable to place a task because no container instance met all of its requirements.";
    assert_eq!(events.iter().filter(|event| event.contains(words)).count(), 1, "{events:?}");

    let account = Account::new(ShopOptions { new_image: NewImage::NoCapacity, ..services() });
    account.start(NEW_IMAGE, 2).await;
    account.wait(300).await;
    assert_eq!(account.counts("shop__7").await, (2, 0, 0));
    assert!(account.events("shop__7").await[0].contains("Capacity is unavailable at this time."));
}

/// An unhealthy task is replaced, the new one first, and the texts are AWS's.
#[tokio::test(start_paused = true)]
async fn an_unhealthy_task_is_replaced_new_first() {
    let account = Account::new(ShopOptions { ill: 1, grace_seconds: 30, ..services() });
    let mut most = 0;
    for _ in 0..40 {
        account.wait(5).await;
        most = most.max(account.sim.world().tasks_of("shop", "shop__6").len());
    }
    assert_eq!(most, 5, "the new one came first");
    assert_eq!(account.sim.world().healthy_in(&account.shop.target_group_a), 4);
    let events = account.events("shop__6").await;
    assert!(
        events.iter().any(|it| it.contains("Amazon ECS replaced 1 tasks due to an unhealthy status.")),
        "{events:?}"
    );
    assert!(events.iter().any(|it| it.contains("is unhealthy in (target-group ")), "{events:?}");
    let stopped = account.tasks("shop__6", "STOPPED").await;
    assert!(stopped[0]["stoppedReason"].as_str().unwrap().starts_with("Task failed ELB health checks in"));
}

/// P94: several tasks stand on one instance, each a target of its own.
#[tokio::test(start_paused = true)]
async fn p94_tasks_of_one_instance_are_targets_of_their_own() {
    let options = ShopOptions { compute: Compute::ServicesOnInstances, instances: 9, ..services() };
    let account = Account::new(options);
    account.start(NEW_IMAGE, 9).await;
    account.wait(150).await;
    let (a, b) = (&account.shop.target_group_a, &account.shop.target_group_b);
    let targets = account.sim.world().target_group(a).unwrap().targets.clone();
    let ids: std::collections::BTreeSet<&String> = targets.keys().map(|key| &key.id).collect();
    assert!(targets.len() == 9 && ids.len() <= 6, "{targets:?}");
    let healthy = |service: &str, arn: &str| account.sim.world().healthy_of(service, arn);
    assert_eq!((healthy("shop__6", a), healthy("shop__7", b), healthy("shop__6", b)), (9, 9, 0));
    let task = &account.tasks("shop__7", "RUNNING").await[0];
    let binding = &task["containers"][0]["networkBindings"][0];
    assert_eq!(binding["containerPort"], 8080);
    assert!(binding["hostPort"].as_u64().unwrap() >= 32_768);
    let request = json!({ "cluster": "shop", "containerInstances": [task["containerInstanceArn"]] });
    let answer = account.ecs("DescribeContainerInstances", request).await;
    assert!(answer["containerInstances"][0]["ec2InstanceId"].as_str().unwrap().starts_with("i-0"));
    assert_eq!(account.lost(), 0);
}

/// Every layout, with either kind of load balancer and either place to run, serves without losing a request.
#[tokio::test(start_paused = true)]
async fn every_layout_serves_on_every_kind_of_load_balancer() {
    for compute in [Compute::Services, Compute::ServicesOnInstances] {
        for balancer in [Balancer::Application, Balancer::Network] {
            for layout in [Layout::Weighted, Layout::Attached, Layout::Staged] {
                let account = Account::new(ShopOptions {
                    compute,
                    balancer,
                    layout,
                    second_balancer: true,
                    also_behind: Some(AlsoBehind::TargetGroup),
                    also_running: vec![(5, 2)],
                    equipped: true,
                    ..services()
                });
                account.wait(180).await;
                let world = account.sim.world();
                assert_eq!(world.healthy_in(&account.shop.target_group_a), 6, "{compute:?} {balancer:?} {layout:?}");
                assert_eq!(world.healthy_in(account.shop.target_group_search.as_ref().unwrap()), 4);
                assert_eq!(world.healthy_of("shop__5", &account.shop.second.as_ref().unwrap().target_group_c), 2);
                assert_eq!(world.healthy_in(&account.shop.target_group_other), 2);
                assert_eq!(world.traffic().totals.lost, 0);
            }
        }
    }
}

/// What the endings of a deployment look like from here: images that answer with errors, take hours, or cannot be placed.
#[tokio::test(start_paused = true)]
async fn a_bad_image_is_never_healthy() {
    for (image, runs) in [
        (NewImage::Unhealthy, true),
        (NewImage::Slow, true),
        (NewImage::CrashLoop, false),
        (NewImage::NoCapacity, false),
    ] {
        let account = Account::new(ShopOptions { new_image: image, ..services() });
        account.start(NEW_IMAGE, 3).await;
        let mut most_running = 0;
        for _ in 0..60 {
            account.wait(10).await;
            assert_eq!(account.sim.world().healthy_in(&account.shop.target_group_b), 0, "{image:?}");
            most_running = most_running.max(account.counts("shop__7").await.1);
        }
        assert_eq!(most_running >= 3, runs, "{image:?} {most_running}");
        account.resize("shop__7", 0).await;
        account.wait(200).await;
        account.ecs("DeleteService", json!({ "cluster": "shop", "service": "shop__7" })).await;
        account.wait(30).await;
        assert_eq!(account.service("shop__7").await["status"], "INACTIVE", "{image:?}");
        assert_eq!(account.sim.world().target_group(&account.shop.target_group_b).unwrap().targets.len(), 0);
        assert_eq!(account.lost(), 0);
    }
}

/// An application that fails later takes the requests with it that were sent to it in good faith.
#[tokio::test(start_paused = true)]
async fn an_image_that_fails_later_is_the_applications_fault() {
    let account = Account::new(ShopOptions { new_image: NewImage::FailsLater, grace_seconds: 30, ..services() });
    account.start(NEW_IMAGE, 4).await;
    account.wait(120).await;
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    assert_eq!(account.sim.world().healthy_in(&b), 4);
    account.sim.world().set_weights(account.shop.route(), &[(&a, 50), (&b, 50)]);
    account.wait(300).await;
    assert!(account.sim.world().traffic().totals.lost_by_application > 0);
    let events = account.events("shop__7").await;
    assert!(events.iter().any(|event| event.contains("Amazon ECS replaced")), "{events:?}");
}

/// The load balancer's target group of a service is no way to move traffic: its change replaces all tasks.
#[tokio::test(start_paused = true)]
async fn another_target_group_is_a_deployment_of_new_tasks() {
    let account = Account::new(services());
    let before = account.sim.world().tasks_of("shop", "shop__6");
    let balancers = json!([{
        "targetGroupArn": account.shop.target_group_b, "containerName": "app", "containerPort": 8080,
    }]);
    let update = json!({ "cluster": "shop", "service": "shop__6", "loadBalancers": balancers });
    account.ecs("UpdateService", update).await;
    account.wait(600).await;
    assert!(account.sim.world().tasks_of("shop", "shop__6").iter().all(|task| !before.contains(task)));
    assert_eq!(account.sim.world().registered_in(&account.shop.target_group_a), 0);
    assert!(account.lost() > 0, "the rule still forwards to where nobody is");
}

/// An EC2 instance of the cluster goes, and takes its tasks with it.
#[tokio::test(start_paused = true)]
async fn a_lost_host_takes_its_tasks_with_it() {
    let account = Account::new(ShopOptions { compute: Compute::ServicesOnInstances, ..services() });
    let task = account.sim.world().tasks_of("shop", "shop__6")[0].clone();
    let host = account.sim.world().task(&task).unwrap().host.clone().unwrap();
    assert!(account.sim.world().kill_container_instance(&host));
    account.wait(150).await;
    assert_eq!(account.counts("shop__6").await, (4, 4, 0));
    let traffic = account.sim.world().traffic();
    assert!(traffic.totals.lost == 0 && traffic.totals.lost_by_aws > 0, "{:?}", traffic.losses);
    let reason = account.tasks("shop__6", "STOPPED").await[0]["stoppedReason"].clone();
    assert_eq!(reason, format!("Host EC2 (instance {host}) terminated."));
}

/// One seed tells one story: the same events at the same times.
#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story() {
    let mut told = Vec::new();
    for _ in 0..2 {
        let account = Account::new(ShopOptions { equipped: true, ..services() });
        account.start(NEW_IMAGE, 3).await;
        account.wait(200).await;
        account.resize("shop__6", 1).await;
        account.wait(200).await;
        let events = account.service("shop__7").await["events"].clone();
        let world = account.sim.world();
        told.push((events, world.inventory(), world.traffic()));
    }
    assert_eq!(told[0], told[1]);
}

/// Services of other kinds are kept as they are, and not scheduled: whoever meets them has to refuse them.
#[tokio::test(start_paused = true)]
async fn what_others_control_is_kept_and_runs_nothing() {
    let account = Account::new(services());
    for (name, field, value) in [
        ("daemon", "schedulingStrategy", json!("DAEMON")),
        ("code-deploy", "deploymentController", json!({ "type": "CODE_DEPLOY" })),
        ("external", "deploymentController", json!({ "type": "EXTERNAL" })),
    ] {
        let mut request = account.candidate(name, NEW_IMAGE, &account.shop.target_group_b).await;
        request[field] = value.clone();
        request["desiredCount"] = json!(2);
        account.ecs("CreateService", request).await;
        account.wait(60).await;
        assert_eq!(account.service(name).await[field], value);
        assert_eq!(account.counts(name).await, (2, 0, 0), "{name}");
    }
}

/// Behind no load balancer the container's own check decides.
#[tokio::test(start_paused = true)]
async fn a_task_that_fails_its_own_check_is_replaced() {
    for (image, replaced) in [(NewImage::Good, false), (NewImage::Unhealthy, true)] {
        let account = Account::new(ShopOptions { new_image: image, ..services() });
        let definition = json!({
            "family": "alone",
            "networkMode": "awsvpc",
            "containerDefinitions": [{
                "name": "app", "image": NEW_IMAGE, "healthCheck": { "command": ["CMD", "true"] },
            }],
        });
        account.ecs("RegisterTaskDefinition", definition).await;
        let mut request = account.candidate("alone", NEW_IMAGE, &account.shop.target_group_b).await;
        request["taskDefinition"] = json!("alone");
        request["desiredCount"] = json!(1);
        for field in ["loadBalancers", "healthCheckGracePeriodSeconds"] {
            request.as_object_mut().unwrap().remove(field);
        }
        account.ecs("CreateService", request).await;
        account.wait(400).await;
        let events = account.events("alone").await;
        assert_eq!(
            events.iter().any(|event| event.contains("failed container health checks.")),
            replaced,
            "{events:?}"
        );
        assert_eq!(account.tasks("alone", "STOPPED").await.is_empty(), !replaced);
        if !replaced {
            assert_eq!(account.tasks("alone", "RUNNING").await[0]["healthStatus"], "HEALTHY");
        }
    }
}
