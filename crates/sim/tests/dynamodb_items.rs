//! Single items through the real SDK client: conditions, updates, what comes back, what is refused.

#![allow(clippy::disallowed_types, reason = "the SDK's items are hash maps")]

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{AttributeValue as Value, ReturnValue, ReturnValuesOnConditionCheckFailure};
use crossfade_sim::{Request, Service, Settings, Sim};
use serde_json::{Value as Json, json};

fn account() -> (Arc<Sim>, Client) {
    let sim = Sim::new(Settings::default());
    sim.tables().define("state", "pk", Some("sk"));
    let client = Client::new(&sim.sdk_config());
    (sim, client)
}

fn s(text: &str) -> Value {
    Value::S(text.to_owned())
}

fn n(number: impl ToString) -> Value {
    Value::N(number.to_string())
}

/// Sends plain JSON, as tests of the grammar need it; the answer's body.
fn send(sim: &Sim, operation: &str, json: Json) -> Json {
    let response = sim.tables().handle(&Request::json(Service::DynamoDb, operation, json), 0);
    serde_json::from_slice(&response.body).unwrap()
}

/// Puts an item of the test table.
fn put(sim: &Sim, item: Json) {
    let mut item = item;
    item["pk"] = json!({ "S": "a" });
    item["sk"] = json!({ "S": "b" });
    assert_eq!(send(sim, "PutItem", json!({ "TableName": "state", "Item": item })), json!({}));
}

/// Updates that item: the error's message, or the item as plain JSON without its key.
fn update(sim: &Sim, expression: &str, values: Json) -> Result<Json, String> {
    let mut request = json!({
        "TableName": "state",
        "Key": { "pk": { "S": "a" }, "sk": { "S": "b" } },
        "UpdateExpression": expression,
    });
    if values != json!({}) {
        request["ExpressionAttributeValues"] = values;
    }
    let answer = send(sim, "UpdateItem", request);
    match answer.get("message") {
        Some(message) => Err(message.as_str().unwrap().to_owned()),
        None => {
            let mut item = sim.tables().items("state").remove(0);
            item.as_object_mut().unwrap().retain(|name, _| name != "pk" && name != "sk");
            Ok(item)
        }
    }
}

/// Whether the condition holds for that item, or the error's message.
fn holds(sim: &Sim, condition: &str, names: Json, values: Json) -> Result<bool, String> {
    let mut request = json!({
        "TableName": "state",
        "Key": { "pk": { "S": "a" }, "sk": { "S": "b" } },
        "ConditionExpression": condition,
    });
    for (parameter, placeholders) in [("ExpressionAttributeNames", names), ("ExpressionAttributeValues", values)] {
        if placeholders != json!({}) {
            request[parameter] = placeholders;
        }
    }
    let answer = send(sim, "UpdateItem", request);
    match answer.get("__type").and_then(Json::as_str) {
        None => Ok(true),
        Some("ConditionalCheckFailedException") => Ok(false),
        Some("ValidationException") => Err(answer["message"].as_str().unwrap().to_owned()),
        Some(other) => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_is_put_read_updated_and_deleted() {
    let (sim, client) = account();
    client
        .put_item()
        .table_name("state")
        .item("pk", s("a"))
        .item("sk", s("b"))
        .item("n", n("1.50"))
        .send()
        .await
        .unwrap();
    let get = || client.get_item().table_name("state").key("pk", s("a")).key("sk", s("b")).consistent_read(true);
    let item = get().send().await.unwrap().item.unwrap();
    assert_eq!(item["n"], n("1.5"));

    let answer = client
        .update_item()
        .table_name("state")
        .key("pk", s("a"))
        .key("sk", s("b"))
        .update_expression("SET #l = :list, fresh = if_not_exists(fresh, :one) ADD n :one")
        .expression_attribute_names("#l", "list")
        .expression_attribute_values(":list", Value::L(vec![s("x"), Value::Null(true), Value::Bool(true)]))
        .expression_attribute_values(":one", n(1))
        .return_values(ReturnValue::UpdatedNew)
        .send()
        .await
        .unwrap();
    let touched = answer.attributes.unwrap();
    assert_eq!(touched.len(), 3);
    assert_eq!(touched["n"], n("2.5"));
    assert_eq!(
        sim.tables().items("state"),
        [json!({ "pk": "a", "sk": "b", "n": 2.5, "fresh": 1, "list": ["x", null, true] })]
    );

    let projected =
        get().projection_expression("#l[0], n").expression_attribute_names("#l", "list").send().await.unwrap();
    let expected = HashMap::from([("list".to_owned(), Value::L(vec![s("x")])), ("n".to_owned(), n("2.5"))]);
    assert_eq!(projected.item.unwrap(), expected);

    let delete = client.delete_item().table_name("state").key("pk", s("a")).key("sk", s("b"));
    let old = delete.return_values(ReturnValue::AllOld).send().await.unwrap().attributes.unwrap();
    assert_eq!(old["fresh"], n(1));
    assert!(get().send().await.unwrap().item.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failed_condition_shows_the_winner_when_asked() {
    let (_sim, client) = account();
    let lock = |owner: &str| {
        let request = client.put_item().table_name("state").item("pk", s("lock")).item("sk", s("-"));
        let request = request.item("owner", s(owner)).condition_expression("attribute_not_exists(pk)");
        request.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
    lock("first").send().await.unwrap();
    let error = lock("second").send().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.item().unwrap()["owner"], s("first"));
}

#[tokio::test(start_paused = true)]
async fn p51_an_expired_item_stays_until_somebody_compares_its_expiry() {
    let (sim, client) = account();
    let specification =
        aws_sdk_dynamodb::types::TimeToLiveSpecification::builder().attribute_name("expires").enabled(true);
    let specification = specification.build().unwrap();
    client.update_time_to_live().table_name("state").time_to_live_specification(specification).send().await.unwrap();
    let description = client.describe_time_to_live().table_name("state").send().await.unwrap();
    let description = description.time_to_live_description.unwrap();
    assert_eq!(description.attribute_name(), Some("expires"));

    let steal = |owner: &str, now: u64| {
        let request = client.update_item().table_name("state").key("pk", s("lock")).key("sk", s("-"));
        request
            .update_expression("SET #o = :me, expires = :until ADD fence :one")
            .condition_expression("attribute_not_exists(pk) OR expires < :now OR #o = :me")
            .expression_attribute_names("#o", "owner")
            .expression_attribute_values(":me", s(owner))
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":until", n(now + 60))
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::AllNew)
            .send()
    };
    let start = sim.settings.epoch_millis / 1000;
    steal("first", start).await.unwrap();
    sim.clock.sleep(std::time::Duration::from_secs(3600)).await;
    assert_eq!(sim.tables().items("state").len(), 1, "expired long ago, and still there");
    let lock = steal("second", start + 3600).await.unwrap().attributes.unwrap();
    assert_eq!((&lock["owner"], &lock["fence"]), (&s("second"), &n(2)));
    let refused = steal("first", start + 3601).await.unwrap_err().into_service_error();
    assert!(refused.is_conditional_check_failed_exception());
}

#[tokio::test]
async fn conditions_mean_what_dynamodb_says() {
    let (sim, _) = account();
    put(
        &sim,
        json!({
            "n": { "N": "10" }, "big": { "N": "9007199254740993" }, "t": { "S": "hello" }, "yes": { "BOOL": true },
            "m": { "M": { "x": { "L": [{ "N": "1" }, { "M": { "y": { "S": "deep" } } }] } } },
            "tags": { "SS": ["a", "b"] }, "nothing": { "NULL": true },
        }),
    );
    let values = |condition: &str| -> Json {
        let all = json!({
            ":9": { "N": "9" }, ":10": { "N": "10.0" }, ":100": { "N": "100" }, ":s10": { "S": "10" },
            ":big": { "N": "9007199254740992" }, ":he": { "S": "he" }, ":ll": { "S": "ll" }, ":a": { "S": "a" },
            ":deep": { "S": "deep" }, ":true": { "BOOL": true }, ":5": { "N": "5" }, ":kind": { "S": "SS" },
            ":null": { "NULL": true }, ":set": { "SS": ["b", "a"] },
        });
        let used = condition.split(|c: char| !c.is_alphanumeric() && c != ':').filter(|word| word.starts_with(':'));
        used.map(|name| (name.to_owned(), all[name].clone())).collect::<serde_json::Map<_, _>>().into()
    };
    for condition in [
        "n = :10",
        "n > :9 AND n < :100",
        "n between :9 AND :10",
        "n IN (:9, :10)",
        "big > :big",
        "NOT n = :s10",
        "n <> :s10",
        "absent <> :9",
        "NOT absent = :9",
        "NOT absent < :9",
        "NOT t > :9",
        "begins_with(t, :he) and contains(t, :ll)",
        "contains(tags, :a)",
        "tags = :set",
        "size(t) = :5",
        "size(tags) < :5",
        "attribute_type(tags, :kind)",
        "attribute_exists(m.x[1].y) AND attribute_not_exists(m.x[2])",
        "m.x[1].y = :deep",
        "yes = :true",
        "nothing = :null",
        "attribute_not_exists(n) OR n = :10 AND t <> :a",
        "(attribute_not_exists(n) OR n = :10) AND NOT (t = :a OR yes <> :true)",
        "NOT NOT attribute_exists(n)",
        "pk = :a",
    ] {
        assert_eq!(holds(&sim, condition, json!({}), values(condition)), Ok(true), "{condition}");
    }
    for condition in [
        "n = :s10",
        "n < :9 OR n > :100",
        "n between :100 AND :100",
        "absent = :9",
        "absent = gone",
        "absent < :9",
        "t > :9",
        "contains(n, :9)",
        "attribute_exists(m.x[2])",
        "attribute_exists(t.x)",
        "(attribute_not_exists(n) OR n = :10) AND t = :a",
        "attribute_type(n, :kind)",
        "size(n) < :100",
    ] {
        assert_eq!(holds(&sim, condition, json!({}), values(condition)), Ok(false), "{condition}");
    }
}

#[tokio::test]
async fn mistakes_in_conditions_are_refused() {
    let (sim, _) = account();
    put(&sim, json!({}));
    let one = json!({ ":v": { "N": "1" } });
    let none = json!({});
    let deep = format!("{}a = :v{}", "NOT (".repeat(200), ")".repeat(200));
    let long = format!("a = :v AND {} = :v", "b".repeat(5000));
    for (condition, names, values, message) in [
        ("status = :v", &none, &one, "reserved keyword: status"),
        ("a = :w", &none, &one, "is not defined; attribute value: :w"),
        ("#a = :v", &none, &one, "is not defined; attribute name: #a"),
        ("a = :v", &json!({ "#b": "b" }), &one, "unused in expressions: keys: {#b}"),
        ("attribute_exists(a)", &none, &one, "unused in expressions: keys: {:v}"),
        ("a = :v", &none, &json!({ "v": { "N": "1" } }), "invalid key"),
        ("a = = :v", &none, &one, "Syntax error; token: \"=\", near: \"= = :v\""),
        ("a = :v AND", &none, &one, "Syntax error; token: \"<EOF>\""),
        ("a = :v b", &none, &one, "Syntax error; token: \"b\""),
        ("(a = :v", &none, &one, "Syntax error"),
        ("((a = :v))", &none, &one, "redundant parentheses"),
        ("a ! :v", &none, &one, "Syntax error"),
        ("a[x] = :v", &none, &one, "Syntax error"),
        ("a[99999999999999999999] = :v", &none, &one, "Syntax error"),
        ("", &none, &one, "can not be empty"),
        ("Size(a) = :v", &none, &one, "Invalid function name; function: Size"),
        ("attribute_exists(a, :v)", &none, &one, "Incorrect number of operands"),
        ("attribute_exists(:v)", &none, &one, "requires a document path"),
        ("begins_with(a, :v)", &none, &one, "operator or function: begins_with, operand type: N"),
        ("a < :v", &none, &json!({ ":v": { "BOOL": true } }), "operator or function: <, operand type: BOOL"),
        ("a BETWEEN :v AND :w", &none, &json!({ ":v": { "N": "2" }, ":w": { "N": "1" } }), "greater than or equal"),
        ("a BETWEEN :v AND :w", &none, &json!({ ":v": { "N": "2" }, ":w": { "S": "3" } }), "same data type"),
        ("a = a", &none, &none, "must be distinct"),
        ("a = :v", &none, &json!({ ":v": { "N": "one" } }), "cannot be converted to a numeric value: one"),
        ("a = :v", &none, &json!({ ":v": { "SS": ["x", "x"] } }), "contains duplicates"),
        ("a = :v", &none, &json!({ ":v": { "SS": [] } }), "may not be empty"),
        ("a = :v", &none, &json!({ ":v": { "N": "1", "S": "1" } }), "exactly one of the supported datatypes"),
        (deep.as_str(), &none, &one, "too many operators"),
        (long.as_str(), &none, &one, "maximum allowed size"),
    ] {
        let error = holds(&sim, condition, names.clone(), values.clone()).expect_err(condition);
        assert!(error.contains(message), "{condition:.60}: {error}");
    }
}

#[tokio::test]
async fn updates_change_what_they_say() {
    let (sim, _) = account();
    let one = json!({ ":one": { "N": "1" } });
    let list = json!({ ":l": { "L": [{ "S": "x" }, { "S": "y" }, { "S": "z" }] } });
    let cases: [(&str, Json, Result<Json, &str>); 20] = [
        ("SET a = :one", one.clone(), Ok(json!({ "a": 1 }))),
        // Right-hand sides see the item as it was.
        ("SET a = a + :one, b = a", one.clone(), Ok(json!({ "a": 2, "b": 1 }))),
        ("SET b = a - b REMOVE a", json!({}), Ok(json!({ "b": 1 }))),
        ("SET l = :l", list.clone(), Ok(json!({ "b": 1, "l": ["x", "y", "z"] }))),
        // Indexes count in the list as it was.
        ("REMOVE l[0], l[2], b", json!({}), Ok(json!({ "l": ["y"] }))),
        (
            "SET l = list_append(l, :l), l2 = list_append(:l, l)",
            list.clone(),
            Ok(json!({ "l": ["y", "x", "y", "z"], "l2": ["x", "y", "z", "y"] })),
        ),
        ("REMOVE l2 SET l[9] = :one", one.clone(), Ok(json!({ "l": ["y", "x", "y", "z", 1] }))),
        ("set m = :m remove l", json!({ ":m": { "M": { "x": { "M": {} } } } }), Ok(json!({ "m": { "x": {} } }))),
        ("SET m.x.y = :one", one.clone(), Ok(json!({ "m": { "x": { "y": 1 } } }))),
        (
            "REMOVE m.x ADD hits :one, tags :t",
            json!({ ":one": { "N": "1" }, ":t": { "SS": ["a", "b"] } }),
            Ok(json!({ "m": {}, "hits": 1, "tags": ["a", "b"] })),
        ),
        (
            "ADD hits :one DELETE tags :t",
            json!({ ":one": { "N": "0.1" }, ":t": { "SS": ["a", "c"] } }),
            Ok(json!({ "m": {}, "hits": 1.1, "tags": ["b"] })),
        ),
        ("DELETE tags :t, absent :t REMOVE m", json!({ ":t": { "SS": ["b"] } }), Ok(json!({ "hits": 1.1 }))),
        (
            "SET hits = if_not_exists(hits, :one), fresh = if_not_exists(fresh, :one)",
            one.clone(),
            Ok(json!({ "hits": 1.1, "fresh": 1 })),
        ),
        // And what is refused changes nothing.
        ("SET ok = :one, x = absent", one.clone(), Err("attribute that does not exist in the item")),
        ("SET ok = :one, x.y = :one", one.clone(), Err("invalid for update")),
        ("SET ok = hits + :s", json!({ ":s": { "S": "1" } }), Err("incorrect data type")),
        ("SET a = :one, a.b = :one", one.clone(), Err("Two document paths overlap with each other")),
        ("SET pk = :one", one.clone(), Err("Cannot update attribute pk. This attribute is part of the key")),
        ("SET a = :one SET b = :one", one.clone(), Err("section can only be used once")),
        ("ADD fresh :s", json!({ ":s": { "S": "1" } }), Err("operand type: S")),
    ];
    for (expression, values, expected) in cases {
        let outcome = update(&sim, expression, values);
        match expected {
            Ok(item) => assert_eq!(outcome.as_ref(), Ok(&item), "{expression}"),
            Err(message) => assert!(outcome.as_ref().is_err_and(|e| e.contains(message)), "{expression}: {outcome:?}"),
        }
    }
    assert_eq!(update(&sim, "REMOVE absent", json!({})).unwrap(), json!({ "hits": 1.1, "fresh": 1 }));
}

#[tokio::test]
async fn removals_in_nested_lists_do_not_disturb_each_other() {
    let (sim, _) = account();
    put(&sim, json!({ "l": { "L": [{ "S": "x" }, { "M": { "a": { "N": "1" }, "b": { "N": "2" } } }] } }));
    assert_eq!(update(&sim, "REMOVE l[0], l[1].a", json!({})).unwrap(), json!({ "l": [{ "b": 2 }] }));
}

#[tokio::test(start_paused = true)]
async fn limits_and_schemas_are_kept() {
    let (sim, client) = account();
    let put =
        |value: Value| client.put_item().table_name("state").item("pk", s("a")).item("sk", s("b")).item("v", value);
    // pk, sk and v take 2 + 1, 2 + 1 and 1 bytes.
    put(s(&"x".repeat(400 * 1024 - 7))).send().await.unwrap();
    let error = put(s(&"x".repeat(400 * 1024 - 6))).send().await.unwrap_err();
    assert!(error.message().unwrap().contains("Item size has exceeded"), "{error:?}");
    let big = update(&sim, "SET w = :w", json!({ ":w": { "S": "x" } })).unwrap_err();
    assert!(big.contains("Item size to update has exceeded"), "{big}");

    let mistakes = [
        ("PutItem", json!({ "Item": { "pk": { "S": "a" } } }), "Missing the key sk in the item"),
        ("PutItem", json!({ "Item": { "pk": { "S": "a" }, "sk": { "N": "1" } } }), "Type mismatch for key sk"),
        ("PutItem", json!({ "Item": { "pk": { "S": "" }, "sk": { "S": "b" } } }), "empty string value"),
        ("GetItem", json!({ "Key": { "pk": { "S": "a" } } }), "does not match the schema"),
        ("PutItem", json!({ "Expected": {}, "Item": {} }), "does not know the parameter Expected"),
        ("PutItem", json!({ "ReturnValues": "ALL_NEW", "Item": {} }), "enum value set: [NONE, ALL_OLD]"),
    ];
    for (operation, mut request, message) in mistakes {
        request["TableName"] = json!("state");
        let answer = send(&sim, operation, request);
        assert_eq!(answer["__type"], "ValidationException", "{message}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
    }
    let error = client.get_item().table_name("other").key("pk", s("a")).send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception());
    let error = client.list_backups().send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnknownOperationException"));
}

#[tokio::test(start_paused = true)]
async fn many_items_are_read_at_once() {
    let (sim, _) = account();
    put(&sim, json!({ "v": { "N": "1" } }));
    let key = |sk: &str| json!({ "pk": { "S": "a" }, "sk": { "S": sk } });
    let answer = send(&sim, "BatchGetItem", json!({ "RequestItems": { "state": { "Keys": [key("b"), key("c")] } } }));
    assert_eq!(answer["Responses"]["state"].as_array().unwrap().len(), 1);
    let twice = send(&sim, "BatchGetItem", json!({ "RequestItems": { "state": { "Keys": [key("b"), key("b")] } } }));
    assert!(twice["message"].as_str().unwrap().contains("duplicates"));
}
