//! Queries, scans and tables through the real SDK client.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue as Value;
use crossfade_sim::{Request, Service, Settings, Sim};
use serde_json::{Value as Json, json};

fn s(text: &str) -> Value {
    Value::S(text.to_owned())
}

fn send(sim: &Sim, operation: &str, json: Json) -> Json {
    let response = sim.tables().handle(&Request::json(Service::DynamoDb, operation, json), 0);
    serde_json::from_slice(&response.body).unwrap()
}

/// A table with a numeric sort key and an index, and twelve items of partition `a` among others.
fn account() -> (Arc<Sim>, Client) {
    let sim = Sim::new(Settings::default());
    let created = send(
        &sim,
        "CreateTable",
        json!({
            "TableName": "log",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "run", "AttributeType": "S" },
                { "AttributeName": "at", "AttributeType": "N" },
                { "AttributeName": "phase", "AttributeType": "S" },
            ],
            "KeySchema": [{ "AttributeName": "run", "KeyType": "HASH" }, { "AttributeName": "at", "KeyType": "RANGE" }],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by-phase",
                "KeySchema": [{ "AttributeName": "phase", "KeyType": "HASH" }],
                "Projection": { "ProjectionType": "KEYS_ONLY" },
            }],
        }),
    );
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING", "{created}");
    for (run, count) in [("a", 12), ("b", 3)] {
        for at in 0..count {
            let mut item =
                json!({ "run": { "S": run }, "at": { "N": at.to_string() }, "even": { "BOOL": at % 2 == 0 } });
            if at % 3 == 0 {
                item["phase"] = json!({ "S": "resize" });
            }
            assert_eq!(send(&sim, "PutItem", json!({ "TableName": "log", "Item": item })), json!({}));
        }
    }
    let client = Client::new(&sim.sdk_config());
    (sim, client)
}

/// The sort keys that a query of partition `a` finds, or the error's message.
fn find(sim: &Sim, condition: &str, values: Json, more: Json) -> Result<Vec<u32>, String> {
    let mut request = json!({
        "TableName": "log",
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": { "#at": "at" },
        "ExpressionAttributeValues": values,
    });
    if !condition.contains("#at") {
        request.as_object_mut().unwrap().remove("ExpressionAttributeNames");
    }
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = send(sim, "Query", request);
    match answer.get("message") {
        Some(message) => Err(message.as_str().unwrap().to_owned()),
        None => Ok(answer["Items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["at"]["N"].as_str().unwrap().parse().unwrap())
            .collect()),
    }
}

#[tokio::test]
async fn sort_keys_are_compared_as_numbers() {
    let (sim, _) = account();
    let values = json!({ ":a": { "S": "a" }, ":n": { "N": "9" } });
    for (test, expected) in [
        ("#at > :n", vec![10, 11]),
        ("#at >= :n", vec![9, 10, 11]),
        ("#at < :n", (0..9).collect()),
        ("#at <= :n", (0..10).collect()),
        ("#at = :n", vec![9]),
    ] {
        assert_eq!(find(&sim, &format!("run = :a AND {test}"), values.clone(), json!({})), Ok(expected), "{test}");
    }
    let values = json!({ ":a": { "S": "a" }, ":from": { "N": "8" }, ":to": { "N": "10" } });
    assert_eq!(find(&sim, "#at BETWEEN :from AND :to AND run = :a", values, json!({})), Ok(vec![8, 9, 10]));
    let backward = json!({ "ScanIndexForward": false, "Limit": 2 });
    assert_eq!(find(&sim, "run = :a", json!({ ":a": { "S": "a" } }), backward), Ok(vec![11, 10]));
}

#[tokio::test]
async fn strings_can_be_found_by_their_beginning() {
    let sim = Sim::new(Settings::default());
    sim.tables().define("state", "pk", Some("sk"));
    for sk in ["log#10", "log#9", "log$", "lock"] {
        send(&sim, "PutItem", json!({ "TableName": "state", "Item": { "pk": { "S": "d" }, "sk": { "S": sk } } }));
    }
    let request = json!({
        "TableName": "state",
        "KeyConditionExpression": "pk = :d AND begins_with(sk, :log)",
        "ExpressionAttributeValues": { ":d": { "S": "d" }, ":log": { "S": "log#" } },
    });
    let found = send(&sim, "Query", request);
    let keys: Vec<_> =
        found["Items"].as_array().unwrap().iter().map(|item| item["sk"]["S"].as_str().unwrap()).collect();
    assert_eq!(keys, ["log#10", "log#9"], "in the order of bytes");
}

#[tokio::test(start_paused = true)]
async fn pages_add_up_in_both_directions() {
    let (_sim, client) = account();
    for forward in [true, false] {
        for limit in [1, 5, 12] {
            let query = client.query().table_name("log").key_condition_expression("run = :a");
            let query = query.expression_attribute_values(":a", s("a")).scan_index_forward(forward).limit(limit);
            let pages: Vec<_> = query.into_paginator().send().try_collect().await.unwrap();
            let found: Vec<u32> =
                pages.iter().flat_map(|page| page.items()).map(|i| i["at"].as_n().unwrap().parse().unwrap()).collect();
            let mut expected: Vec<u32> = (0..12).collect();
            if !forward {
                expected.reverse();
            }
            assert_eq!(found, expected, "limit {limit}");
            // A full last page promises one more, as the real service does.
            assert_eq!(pages.len(), 12 / limit as usize + 1, "limit {limit}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_what_is_read_not_what_is_found() {
    let (_sim, client) = account();
    let query = client.query().table_name("log").key_condition_expression("run = :a").filter_expression("even = :no");
    let query = query.expression_attribute_values(":a", s("a")).expression_attribute_values(":no", Value::Bool(false));
    let page = query.limit(5).send().await.unwrap();
    assert_eq!((page.count(), page.scanned_count()), (2, 5));
    assert_eq!(page.last_evaluated_key().unwrap()["at"], Value::N("4".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_page_reads_a_megabyte_at_most() {
    let (sim, client) = account();
    for at in 100..104 {
        let filler = "x".repeat(300 * 1024);
        let item = json!({ "run": { "S": "big" }, "at": { "N": at.to_string() }, "filler": { "S": filler } });
        assert_eq!(send(&sim, "PutItem", json!({ "TableName": "log", "Item": item })), json!({}));
    }
    let query = client.query().table_name("log").key_condition_expression("run = :b");
    let query = query.expression_attribute_values(":b", s("big")).select(aws_sdk_dynamodb::types::Select::Count);
    let pages: Vec<_> = query.into_paginator().send().try_collect().await.unwrap();
    assert!(pages.len() > 1);
    assert_eq!(pages.iter().map(|page| page.count()).sum::<i32>(), 4);
    assert!(pages.iter().all(|page| page.items().is_empty()));
}

#[tokio::test(start_paused = true)]
async fn an_index_holds_the_items_that_have_its_keys() {
    let (_sim, client) = account();
    let query = client.query().table_name("log").index_name("by-phase").key_condition_expression("phase = :p");
    let query = query.expression_attribute_values(":p", s("resize")).limit(2);
    let pages: Vec<_> = query.into_paginator().send().try_collect().await.unwrap();
    let found: Vec<_> = pages.iter().flat_map(|page| page.items()).collect();
    let keys: Vec<_> =
        found.iter().map(|i| (i["run"].as_s().unwrap().as_str(), i["at"].as_n().unwrap().as_str())).collect();
    assert_eq!(keys, [("a", "0"), ("a", "3"), ("a", "6"), ("a", "9"), ("b", "0")]);
    assert!(found.iter().all(|item| !item.contains_key("even")), "keys only");
}

#[tokio::test(start_paused = true)]
async fn a_scan_finds_everything_page_by_page() {
    let (_sim, client) = account();
    let pages: Vec<_> = client.scan().table_name("log").limit(4).into_paginator().send().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.items().len()).sum::<usize>(), 15);
}

#[tokio::test]
async fn mistakes_in_queries_are_refused() {
    let (sim, _) = account();
    let a = json!({ ":a": { "S": "a" }, ":n": { "N": "1" } });
    let only_a = json!({ ":a": { "S": "a" } });
    for (condition, values, more, message) in [
        ("#at = :n", json!({ ":n": { "N": "1" } }), json!({}), "missed key schema element: run"),
        ("run = :a AND even = :n", a.clone(), json!({}), "not supported"),
        ("run = :a OR #at = :n", a.clone(), json!({}), "not supported"),
        ("run > :a", only_a.clone(), json!({}), "not supported"),
        ("run = :a AND #at > :n AND #at < :n", a.clone(), json!({}), "one condition per key"),
        ("run = :a AND #at = :a", only_a.clone(), json!({}), "does not match schema type"),
        ("run = :a", only_a.clone(), json!({ "FilterExpression": "run = :a" }), "non-primary key attributes"),
        ("run = :a", only_a.clone(), json!({ "IndexName": "none" }), "does not have the specified index"),
        ("run = :a", only_a.clone(), json!({ "Limit": 0 }), "at least 1"),
        (
            "run = :a",
            only_a.clone(),
            json!({ "ExclusiveStartKey": { "run": { "S": "a" } } }),
            "starting key is invalid",
        ),
        ("phase = :a", only_a.clone(), json!({ "IndexName": "by-phase", "ConsistentRead": true }), "Consistent reads"),
        ("run = :a", only_a, json!({ "KeyConditions": {} }), "does not know the parameter KeyConditions"),
    ] {
        let error = find(&sim, condition, values, more).expect_err(condition);
        assert!(error.contains(message), "{condition}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn tables_are_described_listed_and_deleted() {
    let (sim, client) = account();
    sim.tables().define("state", "pk", None);
    let table = client.describe_table().table_name("log").send().await.unwrap().table.unwrap();
    assert_eq!(table.item_count(), Some(15));
    assert_eq!(table.table_status().unwrap().as_str(), "ACTIVE");
    assert_eq!(table.global_secondary_indexes()[0].index_name(), Some("by-phase"));
    let names: Vec<_> = client.list_tables().limit(1).into_paginator().send().try_collect().await.unwrap();
    assert_eq!(names.iter().flat_map(|page| page.table_names()).collect::<Vec<_>>(), ["log", "state"]);
    client.delete_table().table_name("log").send().await.unwrap();
    let gone = client.describe_table().table_name("log").send().await.unwrap_err().into_service_error();
    assert!(gone.is_resource_not_found_exception());
    let request = json!({
        "TableName": "state", "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
    });
    assert_eq!(send(&sim, "CreateTable", request)["__type"], "ResourceInUseException");
}
