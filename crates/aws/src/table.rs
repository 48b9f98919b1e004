//! The state table: locks with a lease and a fencing number, and everything that is written down about deployments.
//!
//! One table, on-demand, keys `pk` and `sk` (see [`keys`]). Every record is a JSON document in `body`, with what conditions need
//! beside it. Every write of a deployment is one transaction whose first action renews the lease *on condition* that the
//! lock still has this holder and this fence: a stale owner cannot write, and so, since it writes down what it is about to
//! do before it does it, cannot act.
//!
//! A document that outgrows an item stands in several: the first one, and parts under its key with `~001`, `~002`, … behind it. All are
//! written in one transaction. Whoever reads them while they are replaced finds that they do not belong together, and reads again.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{BuildError, SdkError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use aws_types::SdkConfig;
use crossfade_core::names::fingerprint;
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::clients::Lazy;
use crate::refusal::refusal;

type Attributes = HashMap<String, AttributeValue>;

/// The keys of the table, in one place: its access patterns.
pub mod keys {
    use aws_smithy_types::DateTime;
    use aws_smithy_types::date_time::Format;

    /// Everything of one deployment: `meta`, `snapshot`, `touched`, `plan#…`, `stage#…`, `approval#…`.
    pub fn deployment(id: &str) -> String {
        format!("deployment#{id}")
    }

    /// The log lines of one deployment, in order of time.
    pub fn log(id: &str) -> String {
        format!("log#{id}")
    }

    /// Everything of one infrastructure definition: its `lock`, its `revision#…` history, its `adopted#…` fleets, and who is
    /// `serving`.
    pub fn infrastructure(infrastructure: &str) -> String {
        format!("infrastructure#{infrastructure}")
    }

    /// The deployment of an infrastructure definition that succeeded last.
    pub const SERVING: &str = "serving";

    /// A switch or a pool: its `owner`.
    pub fn steered(arn: &str) -> String {
        format!("steered#{arn}")
    }

    /// A fleet that somebody else made and that was adopted, by the number that it got.
    pub fn adopted(revision: u32) -> String {
        format!("adopted#{revision:06}")
    }

    /// The deployments that are not over, in the order of their [`start`].
    pub const OPEN: &str = "open";

    /// The sweep's own: its `turn`.
    pub const SWEEP: &str = "sweep";

    /// The events that EventBridge has not taken, in the order of their [`start`]: the oldest first.
    pub const UNTOLD: &str = "untold";

    /// The environments that are frozen.
    pub const FREEZES: &str = "freezes";

    /// The deployments of a month that are over, in the order of their [`start`]: `deployments#2026-11`.
    pub fn month(started_millis: u64) -> String {
        let at = DateTime::from_millis(i64::try_from(started_millis).unwrap_or(i64::MAX));
        let text = at.fmt(Format::DateTime).unwrap_or_default();
        format!("deployments#{}", text.get(..7).unwrap_or("unknown"))
    }

    /// The months up to this time, at most so many, the last one first.
    pub fn months(until_millis: u64, most: usize) -> Vec<String> {
        let mut months: Vec<String> = Vec::new();
        // A step of a day passes no month over.
        let days = (0..).map(|days: u64| until_millis.saturating_sub(days * 86_400_000)).take(most.saturating_mul(31));
        for month in days.map(month) {
            if months.len() < most && months.last() != Some(&month) {
                months.push(month);
            }
        }
        months
    }

    /// A deployment in a list of them, ordered by its start; or an event, ordered by when it happened.
    pub fn start(started_millis: u64, id: &str) -> String {
        format!("{started_millis:014}#{id}")
    }

    /// A revision in the history of an infrastructure definition, ordered by number.
    pub fn revision(revision: u32) -> String {
        format!("revision#{revision:06}")
    }
}

/// A record: where it stands and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
    /// What it says.
    pub body: Body,
    /// Whether it is to go.
    gone: bool,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// The JSON document.
    pub value: Value,
    /// The version that is to be replaced, for records that several steps change; otherwise any is.
    pub replaces: Option<u64>,
}

impl Item {
    /// A record that replaces whatever stands there.
    pub fn new(pk: String, sk: impl Into<String>, value: Value) -> Self {
        Self { pk, sk: sk.into(), body: Body { value, replaces: None }, gone: false }
    }

    /// No record where one may have been.
    pub fn gone(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { gone: true, ..Self::new(pk.into(), sk, Value::Null) }
    }

    /// The same record, but only to replace this version of it (0 for none): otherwise the write fails as `StaleRevision`.
    #[must_use]
    pub fn replacing(mut self, version: u64) -> Self {
        self.body.replaces = Some(version);
        self
    }
}

/// How many bytes of a document one item holds. DynamoDB takes 400 KB, keys and what stands beside included.
const PART_BYTES: usize = 380_000;

/// Who holds the lock of an infrastructure definition, and under which fencing number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The infrastructure definition.
    pub infrastructure: String,
    /// The deployment.
    pub deployment: String,
    /// The fencing number.
    pub fence: u64,
}

/// A lock as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The deployment that holds it, if any.
    pub holder: Option<String>,
    /// The highest fencing number given out.
    pub fence: u64,
    /// When the lease runs out, in milliseconds since 1970.
    pub expires_millis: u64,
}

/// The answer to an attempt to take a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locked {
    /// It is ours, under this fencing number.
    Taken(Holder),
    /// Somebody else has it.
    Held(Lock),
}

/// The state table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Lazy<Client>,
    name: String,
}

impl Table {
    /// How many records are written at once: a transaction may have 100 actions, and the lock's is one of them.
    pub const AT_ONCE: usize = 90;

    /// The table of this name.
    pub fn new(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self { client: Lazy::new(config), name: name.into() }
    }

    /// Reads one record with its version, consistently.
    pub async fn get(&self, pk: &str, sk: &str) -> Result<Option<(Value, u64)>> {
        let call =
            self.client.get_item().table_name(&self.name).key("pk", s(pk)).key("sk", s(sk)).consistent_read(true);
        let answer = call.send().await.map_err(|e| refusal("dynamodb:GetItem", &self.name, e))?;
        let Some(item) = answer.item else { return Ok(None) };
        if item.contains_key("parts") {
            let whole = self.list(pk, sk).await?.into_iter().find(|(key, ..)| key == sk);
            return Ok(whole.map(|(_, value, version)| (value, version)));
        }
        let (_, value, version) = document(pk, record(&item, &BTreeMap::new())?)?;
        Ok(Some((value, version)))
    }

    /// All items of one partition as they stand there, locks included, as DynamoDB's JSON.
    pub(crate) async fn raw(&self, pk: &str) -> Result<Vec<Value>> {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let call = call.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(pk));
        let mut pages = call.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| refusal("dynamodb:Query", &self.name, e))?;
            items.push(item.iter().filter_map(|(name, value)| Some((name.clone(), plain(value)?))).collect());
        }
        Ok(items)
    }

    /// Reads all records of one partition, as their texts: whoever needs few of many reads no more than those.
    pub async fn texts(&self, pk: &str) -> Result<Vec<(String, String, u64)>> {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let call = call.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(pk));
        self.all(call).await
    }

    /// Reads the records of one partition whose sort key begins so, in order, consistently: (sort key, document, version).
    pub async fn list(&self, pk: &str, prefix: &str) -> Result<Vec<(String, Value, u64)>> {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let call = if prefix.is_empty() {
            call.key_condition_expression("pk = :pk")
        } else {
            call.key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", s(prefix))
        };
        self.documents(pk, call.expression_attribute_values(":pk", s(pk))).await
    }

    /// The records of one partition whose sort key comes after this one, in order, consistently.
    pub async fn after(&self, pk: &str, sk: &str) -> Result<Vec<(String, Value, u64)>> {
        if sk.is_empty() {
            return self.list(pk, "").await;
        }
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let call =
            call.key_condition_expression("pk = :pk AND sk > :after").expression_attribute_values(":after", s(sk));
        self.documents(pk, call.expression_attribute_values(":pk", s(pk))).await
    }

    /// The last records of one partition, at most so many, the last one first; with `before`, of those whose sort key comes before
    /// that.
    pub async fn last(&self, pk: &str, before: Option<&str>, most: usize) -> Result<Vec<(String, Value, u64)>> {
        let call = self.client.query().table_name(&self.name).consistent_read(true).scan_index_forward(false);
        let call = match before {
            None => call.key_condition_expression("pk = :pk"),
            Some(before) => call
                .key_condition_expression("pk = :pk AND sk < :before")
                .expression_attribute_values(":before", s(before)),
        };
        self.page(pk, call.expression_attribute_values(":pk", s(pk)), most).await
    }

    /// One page: fewer than asked for only where there are no more, or where they are very large.
    async fn page(&self, pk: &str, call: QueryFluentBuilder, most: usize) -> Result<Vec<(String, Value, u64)>> {
        let call = call.limit(i32::try_from(most).unwrap_or(i32::MAX));
        let answer = call.send().await.map_err(|e| refusal("dynamodb:Query", &self.name, e))?;
        answer
            .items
            .unwrap_or_default()
            .iter()
            .filter(|item| item.contains_key("body"))
            .map(|item| document(pk, record(item, &BTreeMap::new())?))
            .collect()
    }

    /// The first records of one partition, at most so many, in order, consistently.
    pub async fn first(&self, pk: &str, most: usize) -> Result<Vec<(String, Value, u64)>> {
        let call = self.client.query().table_name(&self.name).consistent_read(true);
        let call = call.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(pk));
        self.page(pk, call, most).await
    }

    async fn documents(&self, pk: &str, call: QueryFluentBuilder) -> Result<Vec<(String, Value, u64)>> {
        self.all(call).await?.into_iter().map(|record| document(pk, record)).collect()
    }

    async fn all(&self, call: QueryFluentBuilder) -> Result<Vec<(String, String, u64)>> {
        let mut pages = call.into_paginator().items().send();
        let (mut items, mut parts) = (Vec::new(), BTreeMap::new());
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| refusal("dynamodb:Query", &self.name, e))?;
            if item.contains_key("body") {
                items.push(item);
            } else if item.contains_key("part") {
                parts.insert(text(&item, "sk").to_owned(), item);
            }
        }
        items.iter().map(|item| record(item, &parts)).collect()
    }

    /// The lock of an infrastructure definition.
    pub async fn lock(&self, infrastructure: &str) -> Result<Lock> {
        let pk = keys::infrastructure(infrastructure);
        let call = self.client.get_item().table_name(&self.name).key("pk", s(&pk)).key("sk", s("lock"));
        let answer = call.consistent_read(true).send().await.map_err(|e| refusal("dynamodb:GetItem", &self.name, e))?;
        Ok(lock(&answer.item.unwrap_or_default()))
    }

    /// Takes the lock for a deployment if nobody has it, or if `from` does and its fence is as it was seen.
    ///
    /// Having it already counts as taking it, since the reply to an earlier attempt may have been lost; then the fence stays.
    /// Otherwise the fence rises by one, and whoever wrote under the old one no longer can.
    pub async fn take_lock(
        &self,
        infrastructure: &str,
        deployment: &str,
        from: Option<&Lock>,
        lease_until_millis: u64,
    ) -> Result<Locked> {
        let pk = keys::infrastructure(infrastructure);
        let call = self.client.update_item().table_name(&self.name).key("pk", s(&pk)).key("sk", s("lock"));
        let call = call
            .update_expression("SET holder = :me, fence = if_not_exists(fence, :zero) + :one, expiresMillis = :lease")
            .expression_attribute_values(":me", s(deployment))
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":lease", n(lease_until_millis))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllNew);
        let call = match from.and_then(|from| from.holder.as_ref().map(|holder| (holder, from.fence))) {
            None => call.condition_expression("attribute_not_exists(holder)"),
            Some((holder, fence)) => call
                .condition_expression("holder = :from AND fence = :seen")
                .expression_attribute_values(":from", s(holder))
                .expression_attribute_values(":seen", n(fence)),
        };
        let holder = |lock: &Lock| Holder {
            infrastructure: infrastructure.into(),
            deployment: deployment.into(),
            fence: lock.fence,
        };
        match call.send().await {
            Ok(answer) => Ok(Locked::Taken(holder(&lock(&answer.attributes.unwrap_or_default())))),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                let current = self.lock(infrastructure).await?;
                let mine = current.holder.as_deref() == Some(deployment);
                Ok(if mine { Locked::Taken(holder(&current)) } else { Locked::Held(current) })
            }
            Err(error) => Err(refusal("dynamodb:UpdateItem", &self.name, error)),
        }
    }

    /// Writes records as the holder of a lock, all or none, and renews its lease.
    ///
    /// # Errors
    /// `FenceLost` when the lock has another holder or a higher fence by now, `StaleRevision` when a record changed since it
    /// was read.
    pub async fn write(&self, holder: &Holder, lease_until_millis: u64, items: &[Item]) -> Result<()> {
        let renewal = self
            .lock_update(holder)
            .update_expression("SET expiresMillis = :lease")
            .expression_attribute_values(":lease", n(lease_until_millis));
        self.transact(holder, renewal, items).await
    }

    /// Writes the last records as the holder of a lock and gives it up. The fence stays, so that it only ever rises.
    pub async fn release(&self, holder: &Holder, items: &[Item]) -> Result<()> {
        let release = self.lock_update(holder).update_expression("REMOVE holder, expiresMillis");
        self.transact(holder, release, items).await
    }

    /// Writes a record that no lock guards, such as a decision, if it stands as it was read (`replaces`).
    pub async fn put(&self, item: &Item) -> Result<()> {
        let (condition, values) = replacing(item.body.replaces);
        let (whole, _) = attributes(item, usize::MAX);
        let call = self.client.put_item().table_name(&self.name).set_item(Some(whole));
        let call = call.set_condition_expression(condition).set_expression_attribute_values(values);
        match call.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if error.err().is_conditional_check_failed_exception() => {
                Err(stale(item))
            }
            Err(error) => Err(refusal("dynamodb:PutItem", &self.name, error)),
        }
    }

    /// Writes records that no lock guards and nobody else replaces, all or none.
    pub async fn put_together(&self, items: &[Item]) -> Result<()> {
        let mut call = self.client.transact_write_items();
        for action in self.actions(items)? {
            call = call.transact_items(action);
        }
        let Err(error) = call.send().await else { return Ok(()) };
        if let SdkError::ServiceError(service) = &error
            && let TransactWriteItemsError::TransactionCanceledException(_) = service.err()
        {
            return Err(Kind::StaleRevision.because("Another write to the same records was under way."));
        }
        Err(refusal("dynamodb:TransactWriteItems", &self.name, error))
    }

    /// Records as the actions of a transaction: one for each, in their order, and then those for the parts of what is long.
    fn actions(&self, items: &[Item]) -> Result<Vec<TransactWriteItem>> {
        let (mut actions, mut parts) = (Vec::new(), Vec::new());
        for item in items {
            let action = TransactWriteItem::builder();
            if item.gone {
                let gone = Delete::builder().table_name(&self.name).key("pk", s(&item.pk)).key("sk", s(&item.sk));
                actions.push(action.delete(gone.build().map_err(unbuilt)?).build());
                continue;
            }
            let (condition, values) = replacing(item.body.replaces);
            let (head, more) = attributes(item, PART_BYTES);
            let put = Put::builder().table_name(&self.name).set_item(Some(head));
            let put = put.set_condition_expression(condition).set_expression_attribute_values(values);
            actions.push(action.put(put.build().map_err(unbuilt)?).build());
            for part in more {
                let put = Put::builder().table_name(&self.name).set_item(Some(part));
                parts.push(TransactWriteItem::builder().put(put.build().map_err(unbuilt)?).build());
            }
        }
        actions.append(&mut parts);
        Ok(actions)
    }

    fn lock_update(&self, holder: &Holder) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder()
            .table_name(&self.name)
            .key("pk", s(&keys::infrastructure(&holder.infrastructure)))
            .key("sk", s("lock"))
            .condition_expression("holder = :me AND fence = :fence")
            .expression_attribute_values(":me", s(&holder.deployment))
            .expression_attribute_values(":fence", n(holder.fence))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    async fn transact(
        &self,
        holder: &Holder,
        lock_update: aws_sdk_dynamodb::types::builders::UpdateBuilder,
        items: &[Item],
    ) -> Result<()> {
        let first = TransactWriteItem::builder().update(lock_update.build().map_err(unbuilt)?).build();
        let mut call = self.client.transact_write_items().transact_items(first);
        for action in self.actions(items)? {
            call = call.transact_items(action);
        }
        let Err(error) = call.send().await else { return Ok(()) };
        if let SdkError::ServiceError(service) = &error
            && let TransactWriteItemsError::TransactionCanceledException(cancelled) = service.err()
        {
            return Err(self.cancelled(holder, cancelled.cancellation_reasons(), items));
        }
        Err(refusal("dynamodb:TransactWriteItems", &self.name, error))
    }

    /// Why a transaction was cancelled; the reasons come in the order of its actions, the lock's first.
    fn cancelled(&self, holder: &Holder, reasons: &[CancellationReason], items: &[Item]) -> crossfade_core::Failure {
        let failed = |code: &str| reasons.iter().position(|reason| reason.code.as_deref() == Some(code));
        match failed("ConditionalCheckFailed") {
            Some(0) => {
                let now = lock(reasons.first().and_then(|reason| reason.item.as_ref()).unwrap_or(&HashMap::new()));
                let holder_now =
                    now.holder.map_or_else(|| "nobody".into(), |other| format!("{other} (fence {})", now.fence));
                Kind::FenceLost.because(format!(
                    "Deployment {} no longer owns {}: its fence was {}, and the lock is now held by {holder_now}. This \
                     execution must not change anything any more.",
                    holder.deployment, holder.infrastructure, holder.fence
                ))
            }
            Some(i) => items.get(i - 1).map_or_else(|| Kind::StaleRevision.because("A record changed."), stale),
            None if failed("TransactionConflict").is_some() => {
                Kind::StaleRevision.because("Another write to the same records was under way.")
            }
            None if failed("ThrottlingError").or(failed("ProvisionedThroughputExceeded")).is_some() => {
                Kind::Throttled.because(format!("The table {} asks to slow down.", self.name))
            }
            None => {
                let codes: Vec<_> = reasons.iter().filter_map(|reason| reason.code.as_deref()).collect();
                Kind::RequestRefused.because(format!(
                    "The table {} cancelled the write: {}.",
                    self.name,
                    codes.join(", ")
                ))
            }
        }
    }
}

fn unbuilt(error: BuildError) -> crossfade_core::Failure {
    Kind::RequestRefused.because(error.to_string())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn number(value: Option<&AttributeValue>) -> u64 {
    value.and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn lock(item: &Attributes) -> Lock {
    Lock {
        holder: item.get("holder").and_then(|value| value.as_s().ok()).cloned(),
        fence: number(item.get("fence")),
        expires_millis: number(item.get("expiresMillis")),
    }
}

/// A record as an item of at most so many bytes of its document, and the parts for the rest.
fn attributes(item: &Item, most: usize) -> (Attributes, Vec<Attributes>) {
    let whole = item.body.value.to_string();
    let (mut pieces, mut rest) = (Vec::new(), whole.as_str());
    while rest.len() > most {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(most));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    let at = |sk: &str| HashMap::from([("pk".to_owned(), s(&item.pk)), ("sk".to_owned(), s(sk))]);
    let mut head = at(&item.sk);
    head.insert("body".into(), s(pieces[0]));
    if let Some(replaces) = item.body.replaces {
        head.insert("version".into(), n(replaces + 1));
    }
    if pieces.len() > 1 {
        head.insert("parts".into(), n(pieces.len() as u64 - 1));
        head.insert("whole".into(), s(&mark(&whole)));
    }
    let parts = pieces.iter().enumerate().skip(1).map(|(nth, piece)| {
        let mut part = at(&part_key(&item.sk, nth as u64));
        part.insert("part".into(), s(piece));
        part
    });
    (head, parts.collect())
}

fn part_key(sk: &str, nth: u64) -> String {
    format!("{sk}~{nth:03}")
}

/// What tells one whole document from another, and from pieces of two.
fn mark(whole: &str) -> String {
    format!("{:016x}", fingerprint(whole))
}

/// The condition that a record still is at the version that was read.
fn replacing(version: Option<u64>) -> (Option<String>, Option<Attributes>) {
    match version {
        None => (None, None),
        Some(0) => (Some("attribute_not_exists(version)".into()), None),
        Some(version) => (Some("version = :seen".into()), Some(HashMap::from([(":seen".to_owned(), n(version))]))),
    }
}

fn stale(item: &Item) -> crossfade_core::Failure {
    Kind::StaleRevision.because(format!("The record {} {} changed since it was read.", item.pk, item.sk))
}

fn text<'a>(item: &'a Attributes, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// A value as DynamoDB's JSON. There are texts and numbers in this table, and nothing else.
fn plain(value: &AttributeValue) -> Option<Value> {
    match value {
        AttributeValue::S(text) => Some(serde_json::json!({ "S": text })),
        AttributeValue::N(number) => Some(serde_json::json!({ "N": number })),
        _ => None,
    }
}

/// A record's document.
fn document(pk: &str, (sk, text, version): (String, String, u64)) -> Result<(String, Value, u64)> {
    let value = serde_json::from_str(&text).map_err(|error| {
        Kind::RecordMissing.because(format!("The record {pk} {sk} in the state table is not readable: {error}."))
    })?;
    Ok((sk, value, version))
}

/// What an item says, with its parts among these, by their keys.
fn record(item: &Attributes, parts: &BTreeMap<String, Attributes>) -> Result<(String, String, u64)> {
    let (pk, sk) = (text(item, "pk"), text(item, "sk"));
    let mut whole = text(item, "body").to_owned();
    let count = number(item.get("parts"));
    for nth in 1..=count {
        whole.push_str(parts.get(&part_key(sk, nth)).map_or("", |part| text(part, "part")));
    }
    if count > 0 && mark(&whole) != text(item, "whole") {
        return Err(Kind::StaleRevision.because(format!("The record {pk} {sk} was replaced while it was read.")));
    }
    Ok((sk.to_owned(), whole, number(item.get("version"))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_document_stands_in_parts_and_is_one_again_or_none() {
        let value = json!({ "members": ["ä".repeat(7), "b", "c".repeat(20)] });
        let item = Item::new("deployment#x".into(), "snapshot", value.clone()).replacing(3);
        let (head, parts) = attributes(&item, 10);
        assert_eq!((head["parts"].clone(), head["version"].clone()), (n(parts.len() as u64), n(4)));
        assert!(parts.len() > 3 && parts.iter().all(|part| text(part, "part").len() <= 10));
        let keyed: BTreeMap<String, Attributes> =
            parts.into_iter().map(|part| (text(&part, "sk").to_owned(), part)).collect();
        assert_eq!(record(&head, &keyed), Ok(("snapshot".into(), value.to_string(), 4)));
        // A piece that is missing, or of another document.
        for other in [None, Some("?")] {
            let mut torn = keyed.clone();
            match (other, torn.get_mut("snapshot~002")) {
                (Some(other), Some(part)) => drop(part.insert("part".into(), s(other))),
                _ => drop(torn.remove("snapshot~002")),
            }
            assert_eq!(record(&head, &torn).expect_err("it is torn").kind, Kind::StaleRevision);
        }
        let (whole, none) = attributes(&item, PART_BYTES);
        assert!(none.is_empty() && !whole.contains_key("parts"));
    }

    #[test]
    fn the_months_before_a_time_are_named_without_a_gap() {
        // 2026-03-31T12:00:00Z: a month of 28 days lies before it.
        let months = keys::months(1_774_958_400_000, 4);
        assert_eq!(months, ["2026-03", "2026-02", "2026-01", "2025-12"].map(|month| format!("deployments#{month}")));
        assert_eq!(keys::months(0, 3), ["deployments#1970-01"]);
    }
}
