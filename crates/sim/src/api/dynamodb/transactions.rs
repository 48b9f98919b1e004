//! Transactions: all of the actions, or none.

use serde_json::{Map, Value as Json, json};

use super::items::{Change, Effect, Hindrance, projection};
use super::parameters::Parameters;
use super::refusal::{Refusal, invalid};
use super::value::{item_size, item_to_json};
use super::{Answer, Tables};

/// The most actions in one transaction (DynamoDB API reference, TransactWriteItems).
const ACTIONS: usize = 100;
/// The most bytes in one transaction (same source).
const BYTES: usize = 4 * 1024 * 1024;
/// How long a client request token is remembered (same source).
pub(super) const TOKEN_MILLIS: u64 = 10 * 60 * 1000;

/// A transaction that succeeded under a client request token.
#[derive(Clone, Debug)]
pub(super) struct Done {
    request: Json,
    at_millis: u64,
}

impl Tables {
    pub(super) fn transact_write_items(&mut self, request: &Json, now_millis: u64) -> Answer {
        let parameters = Parameters(request).only(&["ClientRequestToken", "TransactItems"])?;
        let token = parameters.text("ClientRequestToken")?;
        if token.is_some_and(|token| token.is_empty() || token.len() > 36) {
            return Err(invalid("ClientRequestToken must have between 1 and 36 characters"));
        }
        self.tokens.retain(|_, done| now_millis < done.at_millis + TOKEN_MILLIS);
        if let Some(done) = token.and_then(|token| self.tokens.get(token)) {
            return if done.request == *request {
                Ok(json!({}))
            } else {
                Err(Refusal::new(
                    "IdempotentParameterMismatchException",
                    "Found a different payload for the same client request token",
                ))
            };
        }

        let actions = parameters.list("TransactItems")?;
        check_count(actions.len())?;
        let changes = actions.iter().map(|action| self.action(action)).collect::<Result<Vec<_>, _>>()?;
        for (n, change) in changes.iter().enumerate() {
            if changes[..n].iter().any(|other| other.table == change.table && other.key == change.key) {
                return Err(invalid("Transaction request cannot include multiple operations on one item"));
            }
        }

        let mut results = vec![];
        let mut bytes = 0;
        for change in &changes {
            let result = change.outcome(self.table(&change.table)?);
            bytes += match (&change.effect, &result) {
                (Effect::Check, _) | (_, Err(_)) => 0,
                (_, Ok(item)) => item.as_ref().map_or(0, item_size),
            };
            results.push(result);
        }
        if bytes > BYTES {
            return Err(invalid("Transaction size exceeded: the items are larger than 4 MB together"));
        }
        if results.iter().any(Result::is_err) {
            return Err(cancelled(results.into_iter().map(Result::err)));
        }
        for (change, result) in changes.iter().zip(results) {
            if !matches!(change.effect, Effect::Check) {
                self.store(change, result.ok().flatten())?;
            }
        }
        if let Some(token) = token {
            self.tokens.insert(token.to_owned(), Done { request: request.clone(), at_millis: now_millis });
        }
        Ok(json!({}))
    }

    pub(super) fn transact_get_items(&mut self, request: &Json) -> Answer {
        let actions = Parameters(request).only(&["TransactItems"])?.list("TransactItems")?;
        check_count(actions.len())?;
        let mut responses = vec![];
        for action in actions {
            let get = Parameters(action).only(&["Get"])?.required("Get")?;
            let known = ["ExpressionAttributeNames", "Key", "ProjectionExpression", "TableName"];
            let parameters = Parameters(get).only(&known)?;
            let item = self.read(parameters, projection(get)?.as_deref())?;
            responses.push(item.map_or_else(|| json!({}), |item| json!({ "Item": item_to_json(&item) })));
        }
        Ok(json!({ "Responses": responses }))
    }

    fn action(&self, action: &Json) -> Result<Change, Refusal> {
        let kinds = ["ConditionCheck", "Delete", "Put", "Update"];
        let members = Parameters(action).only(&kinds)?.0.as_object();
        let mut members = members.into_iter().flatten();
        match (members.next(), members.next()) {
            (Some((kind, request)), None) => {
                if kind == "Update" {
                    Parameters(request).required("UpdateExpression")?;
                }
                Change::parse(self, kind, request, &[])
            }
            _ => Err(invalid("TransactItems can only contain one of Check, Put, Update or Delete")),
        }
    }
}

fn check_count(count: usize) -> Result<(), Refusal> {
    if (1..=ACTIONS).contains(&count) {
        return Ok(());
    }
    Err(invalid(&format!(
        "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: \
         Member must have length between 1 and {ACTIONS}"
    )))
}

/// One reason for each action, in their order, `None` (the word) for those that are not to blame.
fn cancelled(hindrances: impl Iterator<Item = Option<Hindrance>>) -> Refusal {
    let mut codes = vec![];
    let mut reasons = vec![];
    for hindrance in hindrances {
        let (code, message, item) = match hindrance {
            None => ("None", None, None),
            Some(Hindrance::Condition(item)) => {
                ("ConditionalCheckFailed", Some("The conditional request failed".to_owned()), item)
            }
            Some(Hindrance::Invalid(message)) => ("ValidationError", Some(message), None),
        };
        let mut reason = Map::new();
        reason.insert("Code".to_owned(), json!(code));
        reason.extend(message.map(|message| ("Message".to_owned(), json!(message))));
        reason.extend(item.map(|item| ("Item".to_owned(), item_to_json(&item))));
        reasons.push(Json::Object(reason));
        codes.push(code);
    }
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    Refusal::new("TransactionCanceledException", &message).with("CancellationReasons", Json::Array(reasons))
}
