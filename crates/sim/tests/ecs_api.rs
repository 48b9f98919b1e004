//! What ECS's API accepts, keeps and refuses, through real requests. Pitfalls by their numbers in the fact sheet.

mod ecs_support;

use crossfade_sim::world::sample::{Layout, NEW_IMAGE, ShopOptions};
use ecs_support::{Account, services};
use serde_json::{Value, json};

/// P82: one token makes one service; another request of the same name is refused, and a name is free once it is INACTIVE.
#[tokio::test(start_paused = true)]
async fn p82_names_and_tokens() {
    let account = Account::new(services());
    let request = account.candidate("shop__7", NEW_IMAGE, &account.shop.target_group_b).await;
    let first = account.ecs("CreateService", request.clone()).await;
    let again = account.ecs("CreateService", request.clone()).await;
    assert_eq!(first["service"]["serviceArn"], again["service"]["serviceArn"]);
    let mut other = request.clone();
    other["clientToken"] = json!("another");
    let not_idempotent = ("InvalidParameterException".to_owned(), "Creation of service was not idempotent.".to_owned());
    assert_eq!(account.refused("CreateService", other.clone()).await, not_idempotent);
    account.resize("shop__7", 1).await;
    account.wait(100).await;
    let named = json!({ "cluster": "shop", "service": "shop__7" });
    let (_, words) = account.refused("DeleteService", named.clone()).await;
    assert_eq!(words, "The service cannot be stopped while it is scaled above 0.");
    account.resize("shop__7", 0).await;
    let deleted = account.ecs("DeleteService", named.clone()).await;
    assert_eq!(deleted["service"]["status"], "DRAINING");
    let (code, words) = account.refused("CreateService", other.clone()).await;
    assert_eq!(
        (code.as_str(), words.as_str()),
        ("InvalidParameterException", "Unable to Start a service that is still Draining.")
    );
    let (code, _) = account.refused("UpdateService", json!({ "cluster": "shop", "service": "shop__7" })).await;
    assert_eq!(code, "ServiceNotActiveException");
    account.wait(120).await;
    assert_eq!(account.service("shop__7").await["status"], "INACTIVE", "it can still be described");
    account.ecs("CreateService", other).await;
    assert_eq!(account.service("shop__7").await["status"], "ACTIVE");
}

/// P83: what was described is registered again with fields that nobody knows; what only Describe shows is refused.
#[tokio::test(start_paused = true)]
async fn p83_a_definition_comes_back_as_it_was_given() {
    let account = Account::new(services());
    let mut given = json!({
        "family": "odd",
        "networkMode": "awsvpc",
        "somethingNew": { "deep": [1, 2.5, true, null] },
        "containerDefinitions": [{ "name": "app", "image": NEW_IMAGE, "alsoNew": "x" }],
        "tags": [{ "key": "team", "value": "storefront" }],
    });
    let answer = account.ecs("RegisterTaskDefinition", given.clone()).await;
    let first = answer["taskDefinition"].clone();
    assert_eq!(first["revision"], 1);
    assert_eq!(first["somethingNew"], json!({ "deep": [1, 2.5, true, null] }));
    assert_eq!(first["containerDefinitions"][0]["alsoNew"], "x");
    let shown = account.ecs("DescribeTaskDefinition", json!({ "taskDefinition": "odd", "include": ["TAGS"] })).await;
    assert_eq!(shown["taskDefinition"], first);
    assert_eq!(shown["tags"], json!([{ "key": "team", "value": "storefront" }]));
    let (code, words) = account.refused("RegisterTaskDefinition", first.clone()).await;
    assert_eq!(code, "ClientException", "{words}");
    let mut again = first.clone();
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
        again.as_object_mut().unwrap().remove(field);
    }
    let second = account.ecs("RegisterTaskDefinition", again).await["taskDefinition"].clone();
    assert_eq!(second["revision"], 2);
    assert_eq!(second["containerDefinitions"], first["containerDefinitions"]);
    given["containerDefinitions"][0]["environment"] = json!([{ "name": "LONG", "value": "x".repeat(70_000) }]);
    let (_, words) = account.refused("RegisterTaskDefinition", given).await;
    assert!(words.contains("Max allowed length is '65536' bytes."), "{words}");
}

/// P84: a definition that was deregistered still runs and can be scaled; nothing new may use it.
#[tokio::test(start_paused = true)]
async fn p84_an_inactive_definition_can_be_scaled_and_not_deployed() {
    let account = Account::new(services());
    let definition = account.service("shop__5").await["taskDefinition"].clone();
    account.ecs("DeregisterTaskDefinition", json!({ "taskDefinition": definition })).await;
    account.resize("shop__5", 2).await;
    account.wait(120).await;
    assert_eq!(account.counts("shop__5").await, (2, 2, 0));
    let mut request = account.candidate("shop__7", NEW_IMAGE, &account.shop.target_group_b).await;
    request["taskDefinition"] = definition.clone();
    let (code, words) = account.refused("CreateService", request).await;
    assert_eq!((code.as_str(), words.as_str()), ("ClientException", "TaskDefinition is inactive"));
    let force = json!({ "cluster": "shop", "service": "shop__5", "forceNewDeployment": true });
    assert_eq!(account.refused("UpdateService", force).await.1, "TaskDefinition is inactive");
}

/// P94, S3: target groups and containers that do not go together are refused in AWS's words.
#[tokio::test(start_paused = true)]
async fn p94_what_does_not_go_together_is_refused() {
    let account = Account::new(ShopOptions { layout: Layout::Attached, ..services() });
    let request = account.candidate("shop__7", NEW_IMAGE, &account.shop.target_group_a).await;
    let change = |path: &str, value: Value| {
        let mut request = request.clone();
        *request.pointer_mut(path).unwrap() = value;
        request
    };
    let unused = change("/loadBalancers/0/targetGroupArn", json!(account.shop.target_group_b));
    let (_, words) = account.refused("CreateService", unused).await;
    assert!(words.ends_with("does not have an associated load balancer."), "{words}");
    let (_, words) = account.refused("CreateService", change("/loadBalancers/0/containerName", json!("web"))).await;
    assert_eq!(words, "The container web does not exist in the task definition.");
    let (_, words) = account.refused("CreateService", change("/loadBalancers/0/containerPort", json!(81))).await;
    assert_eq!(words, "The container app did not have a container port 81 defined.");
    let mut both = request.clone();
    both["capacityProviderStrategy"] = json!([{ "capacityProvider": "FARGATE", "weight": 1 }]);
    let (_, words) = account.refused("CreateService", both).await;
    assert!(words.starts_with("Specifying both a launch type and capacity provider strategy"), "{words}");
    let mut none = request.clone();
    none.as_object_mut().unwrap().remove("networkConfiguration");
    let (_, words) = account.refused("CreateService", none).await;
    assert!(words.starts_with("Network Configuration must be provided"), "{words}");
    let (code, _) = account.refused("CreateService", change("/cluster", json!("none"))).await;
    assert_eq!(code, "ClusterNotFoundException");
    let (code, words) = account.refused("CreateService", change("/taskDefinition", json!("none"))).await;
    assert_eq!((code.as_str(), words.as_str()), ("ClientException", "TaskDefinition not found."));
    let bridge = account
        .ecs(
            "RegisterTaskDefinition",
            json!({
                "family": "bridge",
                "containerDefinitions": [
                    { "name": "app", "image": NEW_IMAGE, "portMappings": [{ "containerPort": 8080 }] },
                ],
            }),
        )
        .await;
    let mut wrong = request.clone();
    wrong["taskDefinition"] = bridge["taskDefinition"]["taskDefinitionArn"].clone();
    wrong["launchType"] = json!("EC2");
    wrong.as_object_mut().unwrap().remove("networkConfiguration");
    let (_, words) = account.refused("CreateService", wrong).await;
    assert!(words.contains("has target type ip, which is incompatible with the bridge network mode"), "{words}");
}

/// Settings come back as they were given, unknown ones included; what belongs to deployments is shown there.
#[tokio::test(start_paused = true)]
async fn settings_are_kept_raw_and_deployed_settings_start_a_deployment() {
    let account = Account::new(services());
    let mut request = account.candidate("shop__7", NEW_IMAGE, &account.shop.target_group_b).await;
    request["somethingNew"] = json!({ "x": [1, "two"] });
    request["volumeConfigurations"] = json!([{ "name": "data" }]);
    request["tags"] = json!([{ "key": "a", "value": "1" }]);
    account.ecs("CreateService", request).await;
    account.wait(15).await;
    let shown = account.service("shop__7").await;
    assert_eq!(shown["somethingNew"], json!({ "x": [1, "two"] }));
    assert!(shown["volumeConfigurations"].is_null());
    assert_eq!(shown["deployments"][0]["volumeConfigurations"], json!([{ "name": "data" }]));
    assert_eq!(shown["availabilityZoneRebalancing"], "ENABLED", "of a new service that says nothing");
    assert_eq!(shown["tags"], json!([{ "key": "a", "value": "1" }]));
    let arn = shown["serviceArn"].clone();
    account.ecs("TagResource", json!({ "resourceArn": arn, "tags": [{ "key": "b", "value": "2" }] })).await;
    account.ecs("UntagResource", json!({ "resourceArn": arn, "tagKeys": ["a"] })).await;
    let tags = account.ecs("ListTagsForResource", json!({ "resourceArn": arn })).await;
    assert_eq!(tags["tags"], json!([{ "key": "b", "value": "2" }]));

    let id = |service: &Value| service["deployments"][0]["id"].clone();
    let update = |field: &str, value: Value| json!({ "cluster": "shop", "service": "shop__7", field: value });
    account.ecs("UpdateService", update("healthCheckGracePeriodSeconds", json!(7))).await;
    assert_eq!(id(&account.service("shop__7").await), id(&shown));
    account.ecs("UpdateService", update("taskDefinition", shown["taskDefinition"].clone())).await;
    assert_eq!(id(&account.service("shop__7").await), id(&shown), "the same is no change");
    account.ecs("UpdateService", update("forceNewDeployment", json!(true))).await;
    let deployed = account.service("shop__7").await;
    assert_ne!(id(&deployed), id(&shown));
    assert_eq!(deployed["deployments"][1]["status"], "ACTIVE");
    let revision = deployed["currentServiceRevisions"][0]["arn"].clone();
    let revisions = account.ecs("DescribeServiceRevisions", json!({ "serviceRevisionArns": [revision] })).await;
    assert_eq!(revisions["serviceRevisions"][0]["loadBalancers"], shown["loadBalancers"]);
}

/// Lists come in pages, and what is not there is a failure, not an error.
#[tokio::test(start_paused = true)]
async fn lists_have_pages_and_what_is_missing_is_named() {
    let account = Account::new(services());
    let mut arns: Vec<String> = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut request = json!({ "cluster": "shop", "maxResults": 3 });
        if token.is_string() {
            request["nextToken"] = token;
        }
        let answer = account.ecs("ListServices", request).await;
        let page = answer["serviceArns"].as_array().unwrap();
        assert!(page.len() <= 3);
        arns.extend(page.iter().map(|arn| arn.as_str().unwrap().to_owned()));
        token = answer["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(arns.len(), 7, "base, five revisions, the other team's: {arns:?}");
    let answer = account.ecs("DescribeServices", json!({ "cluster": "shop", "services": ["none", arns[0]] })).await;
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    assert_eq!(answer["services"].as_array().unwrap().len(), 1);
    let eleven: Vec<String> = (0..11).map(|number| format!("s{number}")).collect();
    let (code, _) = account.refused("DescribeServices", json!({ "cluster": "shop", "services": eleven })).await;
    assert_eq!(code, "InvalidParameterException");
    let clusters = account.ecs("DescribeClusters", json!({ "clusters": ["shop", "none"] })).await;
    assert_eq!(clusters["clusters"][0]["activeServicesCount"], 7);
    assert_eq!(clusters["failures"][0]["reason"], "MISSING");
    let listed = json!({ "familyPrefix": "shop", "sort": "DESC" });
    let definitions = account.ecs("ListTaskDefinitions", listed).await;
    assert!(definitions["taskDefinitionArns"][0].as_str().unwrap().ends_with("task-definition/shop:6"));
}

/// P76, P60: reads may be late.
#[tokio::test(start_paused = true)]
async fn p76_reads_may_show_what_was_before() {
    let account = Account::new(services());
    account.sim.set_read_lag(std::time::Duration::from_secs(2));
    account.resize("shop__6", 5).await;
    assert_eq!(account.counts("shop__6").await.0, 4);
    account.wait(2).await;
    assert_eq!(account.counts("shop__6").await.0, 5);
}
