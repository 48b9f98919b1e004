//! DynamoDB: the subset that a lock table needs, exactly, and a refusal of everything else.
//!
//! Supported: `CreateTable`, `DescribeTable`, `DeleteTable`, `ListTables`, `UpdateTimeToLive`, `DescribeTimeToLive`,
//! `GetItem`, `PutItem`, `UpdateItem`, `DeleteItem`, `BatchGetItem`, `Query`, `Scan`, `TransactWriteItems`,
//! `TransactGetItems`, all with expressions only (no `Expected`, no `AttributeUpdates`). An unknown parameter is a
//! `ValidationException`, an unknown operation an `UnknownOperationException`.
//!
//! Kinder than the real service: every read is consistent, indexes are never behind, a table can be used as soon as it is
//! made, transactions never conflict (calls take effect one after the other), nothing is throttled.

mod decimal;
mod definition;
mod expression;
mod items;
mod parameters;
mod query;
mod refusal;
mod table;
mod transactions;
mod value;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::{Request, Response, requests};
use refusal::Refusal;
use table::Table;
use transactions::Done;

/// What an operation answers.
type Answer = Result<Json, Refusal>;

/// All tables of the account.
#[derive(Debug, Default)]
pub struct Tables {
    by_name: BTreeMap<String, Table>,
    tokens: BTreeMap<String, Done>,
}

impl Tables {
    /// Makes a table with string keys, if it is not there yet.
    pub fn define(&mut self, name: &str, partition_key: &str, sort_key: Option<&str>) {
        let keys: Vec<_> = std::iter::once(partition_key).chain(sort_key).collect();
        let definitions: Vec<_> =
            keys.iter().map(|key| json!({ "AttributeName": key, "AttributeType": "S" })).collect();
        let schema = keys.iter().zip(["HASH", "RANGE"]);
        let schema: Vec<_> = schema.map(|(key, kind)| json!({ "AttributeName": key, "KeyType": kind })).collect();
        let request = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": definitions,
            "KeySchema": schema,
        });
        // The only way to fail is that the table exists or that the name is none; then the first use will tell.
        let _ = self.create_table(&request, 0);
    }

    /// All items of a table in key order, as plain JSON (`{"pk": "a", "n": 1}`); sets become arrays, binaries base64.
    /// Empty for a table that does not exist.
    pub fn items(&self, table: &str) -> Vec<Json> {
        let items = self.by_name.get(table).into_iter().flat_map(|table| table.items.values());
        items.map(value::item_to_plain).collect()
    }

    /// Puts an item into a table, given as DynamoDB's JSON (`{"pk": {"S": "a"}}`).
    ///
    /// # Errors
    /// What DynamoDB says when it refuses.
    pub fn put(&mut self, table: &str, item: &Json) -> Result<(), String> {
        let request = json!({ "TableName": table, "Item": item });
        self.put_item(&request).map(drop).map_err(|refusal| format!("{}: {}", refusal.code, refusal.message))
    }

    /// Answers one request that arrives at `now_millis`.
    pub fn handle(&mut self, request: &Request, now_millis: u64) -> Response {
        let json = &request.json;
        let answer = match request.operation.as_str() {
            "BatchGetItem" => self.batch_get_item(json),
            "CreateTable" => self.create_table(json, now_millis),
            "DeleteItem" => self.delete_item(json),
            "DeleteTable" => self.delete_table(json),
            "DescribeTable" => self.describe_table(json),
            "DescribeTimeToLive" => self.describe_time_to_live(json),
            "GetItem" => self.get_item(json),
            "ListTables" => self.list_tables(json),
            "PutItem" => self.put_item(json),
            "Query" => self.query(json),
            "Scan" => self.scan(json),
            "TransactGetItems" => self.transact_get_items(json),
            "TransactWriteItems" => self.transact_write_items(json, now_millis),
            "UpdateItem" => self.update_item(json),
            "UpdateTimeToLive" => self.update_time_to_live(json),
            other => Err(Refusal::new(
                "UnknownOperationException",
                &format!("the simulated DynamoDB has no operation {other}"),
            )),
        };
        let response = answer.map_or_else(Refusal::response, |json| Response::json(200, &json));
        // Tests ask tables without an account around them, too.
        requests::note(request, Some(&response));
        response
    }

    fn table(&self, name: &str) -> Result<&Table, Refusal> {
        self.by_name.get(plain_name(name)).ok_or_else(not_found)
    }

    fn table_mut(&mut self, name: &str) -> Result<&mut Table, Refusal> {
        self.by_name.get_mut(plain_name(name)).ok_or_else(not_found)
    }
}

/// A table's name, which may also be given as its ARN.
fn plain_name(name: &str) -> &str {
    name.rsplit_once(":table/").map_or(name, |(_, name)| name)
}

fn not_found() -> Refusal {
    Refusal::new("ResourceNotFoundException", "Requested resource not found")
}
