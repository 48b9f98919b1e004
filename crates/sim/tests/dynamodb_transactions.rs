//! Transactions through the real SDK client: all or nothing, reasons in order, tokens.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue as Value, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    Update,
};
use crossfade_sim::{Fault, Faults, Request, Service, Settings, Sim};
use serde_json::json;

fn account() -> (Arc<Sim>, Client) {
    let sim = Sim::new(Settings::default());
    sim.tables().define("state", "pk", None);
    let client = Client::new(&sim.sdk_config());
    (sim, client)
}

fn s(text: &str) -> Value {
    Value::S(text.to_owned())
}

fn n(number: impl ToString) -> Value {
    Value::N(number.to_string())
}

fn put(pk: &str) -> TransactWriteItem {
    let put = Put::builder().table_name("state").item("pk", s(pk)).condition_expression("attribute_not_exists(pk)");
    let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

fn count(pk: &str, by: u32) -> TransactWriteItem {
    let update = Update::builder().table_name("state").key("pk", s(pk)).update_expression("ADD hits :by");
    let update = update.expression_attribute_values(":by", n(by)).build().unwrap();
    TransactWriteItem::builder().update(update).build()
}

fn fence(pk: &str, hits: u32) -> TransactWriteItem {
    let check = ConditionCheck::builder().table_name("state").key("pk", s(pk)).condition_expression("hits = :hits");
    let check = check.expression_attribute_values(":hits", n(hits)).build().unwrap();
    TransactWriteItem::builder().condition_check(check).build()
}

fn delete(pk: &str) -> TransactWriteItem {
    let delete = Delete::builder().table_name("state").key("pk", s(pk)).build().unwrap();
    TransactWriteItem::builder().delete(delete).build()
}

async fn write(
    client: &Client,
    actions: Vec<TransactWriteItem>,
    token: Option<&str>,
) -> Result<(), TransactWriteItemsError> {
    let request = client.transact_write_items().set_transact_items(Some(actions));
    let request = request.set_client_request_token(token.map(str::to_owned));
    request.send().await.map(drop).map_err(|error| error.into_service_error())
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_all_or_nothing_with_reasons_in_order() {
    let (sim, client) = account();
    write(&client, vec![count("lock", 1), put("a"), put("b")], None).await.unwrap();
    write(&client, vec![fence("lock", 1), count("a", 5), delete("b")], None).await.unwrap();
    let after = [json!({ "pk": "a", "hits": 5 }), json!({ "pk": "lock", "hits": 1 })];
    assert_eq!(sim.tables().items("state"), after);

    let error = write(&client, vec![count("lock", 1), put("a"), fence("b", 1), put("c")], None).await.unwrap_err();
    let TransactWriteItemsError::TransactionCanceledException(error) = error else { panic!("{error:?}") };
    assert!(error.message().unwrap().ends_with("[None, ConditionalCheckFailed, ConditionalCheckFailed, None]"));
    let reasons = error.cancellation_reasons();
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed", "ConditionalCheckFailed", "None"]);
    assert_eq!(reasons[1].item().unwrap()["hits"], n(5), "the winner, as asked");
    assert!(reasons[2].item().is_none(), "not asked");
    assert_eq!(sim.tables().items("state"), after, "nothing has changed");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_does_not_fit_cancels_the_rest() {
    let (sim, client) = account();
    sim.tables().handle(
        &Request::json(
            Service::DynamoDb,
            "PutItem",
            json!({ "TableName": "state", "Item": { "pk": { "S": "a" }, "hits": { "S": "many" } } }),
        ),
        0,
    );
    let error = write(&client, vec![put("b"), count("a", 1)], None).await.unwrap_err();
    let TransactWriteItemsError::TransactionCanceledException(error) = error else { panic!("{error:?}") };
    assert_eq!(error.cancellation_reasons()[1].code(), Some("ValidationError"));
    assert_eq!(sim.tables().items("state").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p52_a_token_protects_for_ten_minutes_and_conditions_after_that() {
    let (sim, client) = account();
    write(&client, vec![count("a", 1)], Some("token")).await.unwrap();
    sim.clock.sleep(Duration::from_secs(599)).await;
    write(&client, vec![count("a", 1)], Some("token")).await.unwrap();
    assert_eq!(sim.tables().items("state"), [json!({ "pk": "a", "hits": 1 })], "the second one is the first one again");

    let error = write(&client, vec![count("a", 2)], Some("token")).await.unwrap_err();
    assert!(error.is_idempotent_parameter_mismatch_exception());

    sim.clock.sleep(Duration::from_secs(2)).await;
    write(&client, vec![count("a", 1)], Some("token")).await.unwrap();
    assert_eq!(sim.tables().items("state"), [json!({ "pk": "a", "hits": 2 })], "the token is forgotten");
    let error = write(&client, vec![put("a")], Some("another")).await.unwrap_err();
    assert!(error.is_transaction_canceled_exception(), "a condition still holds");
}

/// Loses the first reply.
struct LoseFirstReply;

impl Faults for LoseFirstReply {
    fn strike(&self, nth: usize, _request: &Request) -> Option<Fault> {
        (nth == 0).then_some(Fault::LoseReply)
    }
}

#[tokio::test(start_paused = true)]
async fn the_sdks_own_token_makes_its_retry_harmless() {
    let (sim, client) = account();
    sim.set_faults(Some(Arc::new(LoseFirstReply)));
    write(&client, vec![count("a", 1)], None).await.unwrap();
    assert_eq!(sim.calls().len(), 2);
    assert_eq!(sim.tables().items("state"), [json!({ "pk": "a", "hits": 1 })]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_transaction_does_not_use_up_its_token() {
    let (sim, client) = account();
    assert!(write(&client, vec![fence("a", 1), put("b")], Some("token")).await.is_err());
    write(&client, vec![count("a", 1)], None).await.unwrap();
    write(&client, vec![fence("a", 1), put("b")], Some("token")).await.unwrap();
    assert_eq!(sim.tables().items("state").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn transactions_have_limits() {
    let (_sim, client) = account();
    let puts = |count: u32| (0..count).map(|number| put(&number.to_string())).collect::<Vec<_>>();
    write(&client, puts(100), None).await.unwrap();
    for actions in [puts(101), vec![], vec![count("a", 1), fence("a", 1)], vec![TransactWriteItem::builder().build()]] {
        let error = write(&client, actions, None).await.unwrap_err();
        assert_eq!(error.code(), Some("ValidationException"), "{error:?}");
    }
    let large = |number: u32| {
        let put = Put::builder().table_name("state").item("pk", s(&format!("large{number}")));
        let put = put.item("filler", s(&"x".repeat(399 * 1024))).build().unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    write(&client, (0..10).map(large).collect(), None).await.unwrap();
    let error = write(&client, (0..11).map(large).collect(), None).await.unwrap_err();
    assert!(error.message().unwrap().contains("4 MB"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn several_items_are_read_in_one_transaction() {
    let (_sim, client) = account();
    write(&client, vec![put("a")], None).await.unwrap();
    let get = |pk: &str| {
        let get = aws_sdk_dynamodb::types::Get::builder().table_name("state").key("pk", s(pk)).build().unwrap();
        aws_sdk_dynamodb::types::TransactGetItem::builder().get(get).build()
    };
    let answer = client.transact_get_items().transact_items(get("a")).transact_items(get("b")).send().await.unwrap();
    let found: Vec<_> = answer.responses().iter().map(|response| response.item().is_some()).collect();
    assert_eq!(found, [true, false]);
}
