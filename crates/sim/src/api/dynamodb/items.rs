//! Operations on single items.

use serde_json::{Map, Value as Json, json};

use super::expression::{
    Condition, Path, Placeholders, Update, parse_condition, parse_projection, parse_update, project,
};
use super::parameters::Parameters;
use super::refusal::{Refusal, invalid};
use super::table::{Key, Table};
use super::value::{Item, item_from_json, item_to_json};
use super::{Answer, Tables};

/// A change of one item, parsed and checked against its table, and not yet made.
pub(super) struct Change {
    pub table: String,
    pub key: Key,
    pub condition: Option<Condition>,
    pub effect: Effect,
    /// Whether a failed condition gives the item.
    pub show_item: bool,
}

/// What a change does.
pub(super) enum Effect {
    Put(Item),
    /// The key's attributes, for an item that is not there yet.
    Update(Item, Update),
    Delete,
    /// Nothing: a condition of a transaction.
    Check,
}

/// Why a change cannot be made now.
pub(super) enum Hindrance {
    /// The condition does not hold; with the item, when it is to be shown.
    Condition(Option<Item>),
    /// DynamoDB's message for an update that does not fit the item.
    Invalid(String),
}

const CONDITION: [&str; 5] = [
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
    "TableName",
];

impl Change {
    /// Parses `Put`, `Update`, `Delete` or `ConditionCheck`; `more` are parameters that the operation knows besides.
    pub(super) fn parse(tables: &Tables, kind: &str, request: &Json, more: &[&str]) -> Result<Self, Refusal> {
        let own: &[&str] = match kind {
            "Put" => &["Item"],
            "Update" => &["Key", "UpdateExpression"],
            _ => &["Key"],
        };
        let parameters = Parameters(request).only(&[&CONDITION, own, more].concat())?;
        let mut placeholders = Placeholders::of(request)?;
        let condition = parameters.text("ConditionExpression")?;
        let condition =
            condition.map(|text| parse_condition("ConditionExpression", text, &mut placeholders)).transpose()?;
        let update = match parameters.text("UpdateExpression")? {
            Some(text) => Some(parse_update(text, &mut placeholders)?),
            None => None,
        };
        placeholders.all_used()?;
        if kind == "ConditionCheck" && condition.is_none() {
            parameters.required("ConditionExpression")?;
        }
        let show_item = parameters.choice("ReturnValuesOnConditionCheckFailure", &["NONE", "ALL_OLD"])? == "ALL_OLD";

        let table = tables.table(parameters.required_text("TableName")?)?;
        let (key, effect) = match kind {
            "Put" => {
                let item = item_from_json(parameters.required("Item")?)?;
                let key = table.check(&item, "Item size has exceeded the maximum allowed size")?;
                (key, Effect::Put(item))
            }
            _ => {
                let attributes = item_from_json(parameters.required("Key")?)?;
                let key = table.schema.key_of_parameter(&attributes)?;
                match (kind, update) {
                    ("Update", update) => {
                        let update = update.unwrap_or_default();
                        not_the_key(table, &update)?;
                        (key, Effect::Update(attributes, update))
                    }
                    ("Delete", _) => (key, Effect::Delete),
                    _ => (key, Effect::Check),
                }
            }
        };
        Ok(Self { table: table.name.clone(), key, condition, effect, show_item })
    }

    /// The item as it would be afterwards, or why not. Changes nothing.
    pub(super) fn outcome(&self, table: &Table) -> Result<Option<Item>, Hindrance> {
        let old = table.items.get(&self.key);
        let missing = Item::new();
        if self.condition.as_ref().is_some_and(|condition| !condition.holds(old.unwrap_or(&missing))) {
            return Err(Hindrance::Condition(old.filter(|_| self.show_item).cloned()));
        }
        match &self.effect {
            Effect::Put(item) => Ok(Some(item.clone())),
            Effect::Delete => Ok(None),
            Effect::Check => Ok(old.cloned()),
            Effect::Update(key, update) => {
                let item = update.apply(old.unwrap_or(key)).map_err(Hindrance::Invalid)?;
                let too_large = "Item size to update has exceeded the maximum allowed size";
                table.check(&item, too_large).map_err(|refusal| Hindrance::Invalid(refusal.message))?;
                Ok(Some(item))
            }
        }
    }
}

impl From<Hindrance> for Refusal {
    fn from(hindrance: Hindrance) -> Self {
        match hindrance {
            Hindrance::Invalid(message) => invalid(&message),
            Hindrance::Condition(item) => {
                let refusal = Self::new("ConditionalCheckFailedException", "The conditional request failed");
                match item {
                    Some(item) => refusal.with("Item", item_to_json(&item)),
                    None => refusal,
                }
            }
        }
    }
}

impl Tables {
    pub(super) fn put_item(&mut self, request: &Json) -> Answer {
        let returns = Parameters(request).choice("ReturnValues", &["NONE", "ALL_OLD"])?;
        let change = Change::parse(self, "Put", request, &["ReturnValues"])?;
        let (old, _) = self.make(change)?;
        Ok(attributes(old.filter(|_| returns == "ALL_OLD")))
    }

    pub(super) fn delete_item(&mut self, request: &Json) -> Answer {
        let returns = Parameters(request).choice("ReturnValues", &["NONE", "ALL_OLD"])?;
        let change = Change::parse(self, "Delete", request, &["ReturnValues"])?;
        let (old, _) = self.make(change)?;
        Ok(attributes(old.filter(|_| returns == "ALL_OLD")))
    }

    pub(super) fn update_item(&mut self, request: &Json) -> Answer {
        let kinds = ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"];
        let returns = Parameters(request).choice("ReturnValues", &kinds)?;
        let change = Change::parse(self, "Update", request, &["ReturnValues"])?;
        let touched = if let Effect::Update(_, update) = &change.effect { update.paths() } else { vec![] };
        let (old, new) = self.make(change)?;
        let part = |item: Option<Item>| item.map(|item| project(&item, &touched)).filter(|part| !part.is_empty());
        Ok(attributes(match returns {
            "ALL_OLD" => old,
            "ALL_NEW" => new,
            "UPDATED_OLD" => part(old),
            "UPDATED_NEW" => part(new),
            _ => None,
        }))
    }

    pub(super) fn get_item(&mut self, request: &Json) -> Answer {
        let known = ["ConsistentRead", "ExpressionAttributeNames", "Key", "ProjectionExpression", "TableName"];
        let parameters = Parameters(request).only(&known)?;
        parameters.flag("ConsistentRead")?;
        let paths = projection(request)?;
        let item = self.read(parameters, paths.as_deref())?;
        Ok(item.map_or_else(|| json!({}), |item| json!({ "Item": item_to_json(&item) })))
    }

    pub(super) fn batch_get_item(&mut self, request: &Json) -> Answer {
        let requests = Parameters(request).only(&["RequestItems"])?.required("RequestItems")?;
        let requests = requests.as_object().ok_or_else(|| invalid("RequestItems is not an object"))?;
        let mut count = 0;
        let mut responses = Map::new();
        for (name, request) in requests {
            let known = ["ConsistentRead", "ExpressionAttributeNames", "Keys", "ProjectionExpression"];
            let parameters = Parameters(request).only(&known)?;
            let paths = projection(request)?;
            let table = self.table(name)?;
            let mut seen = vec![];
            let mut items = vec![];
            for key in parameters.list("Keys")? {
                let key = table.schema.key_of_parameter(&item_from_json(key)?)?;
                if seen.contains(&key) {
                    return Err(invalid("Provided list of item keys contains duplicates"));
                }
                let item = table.items.get(&key);
                items.extend(item.map(|item| item_to_json(&shown(item, paths.as_deref()))));
                seen.push(key);
            }
            count += seen.len();
            responses.insert(name.clone(), Json::Array(items));
        }
        if count == 0 || count > 100 {
            return Err(invalid("Too many items requested for the BatchGetItem call"));
        }
        Ok(json!({ "Responses": responses, "UnprocessedKeys": {} }))
    }

    /// The item that `TableName` and `Key` name.
    pub(super) fn read(&self, parameters: Parameters, paths: Option<&[Path]>) -> Result<Option<Item>, Refusal> {
        let table = self.table(parameters.required_text("TableName")?)?;
        let key = table.schema.key_of_parameter(&item_from_json(parameters.required("Key")?)?)?;
        Ok(table.items.get(&key).map(|item| shown(item, paths)))
    }

    /// Makes one change; the item before and after.
    fn make(&mut self, change: Change) -> Result<(Option<Item>, Option<Item>), Refusal> {
        let new = change.outcome(self.table(&change.table)?)?;
        let old = self.store(&change, new.clone())?;
        Ok((old, new))
    }

    /// Stores what a change has come to; the item before.
    pub(super) fn store(&mut self, change: &Change, new: Option<Item>) -> Result<Option<Item>, Refusal> {
        let table = self.table_mut(&change.table)?;
        Ok(match new {
            Some(item) => table.items.insert(change.key.clone(), item),
            None => table.items.remove(&change.key),
        })
    }
}

/// Reads `ProjectionExpression`, and sees to it that all names are used.
pub(super) fn projection(request: &Json) -> Result<Option<Vec<Path>>, Refusal> {
    let mut placeholders = Placeholders::of(request)?;
    let text = Parameters(request).text("ProjectionExpression")?;
    let paths = text.map(|text| parse_projection(text, &mut placeholders)).transpose()?;
    placeholders.all_used()?;
    Ok(paths)
}

/// What of an item is to be shown.
pub(super) fn shown(item: &Item, paths: Option<&[Path]>) -> Item {
    paths.map_or_else(|| item.clone(), |paths| project(item, paths))
}

fn attributes(item: Option<Item>) -> Json {
    item.map_or_else(|| json!({}), |item| json!({ "Attributes": item_to_json(&item) }))
}

fn not_the_key(table: &Table, update: &Update) -> Result<(), Refusal> {
    match update.paths().into_iter().find(|path| table.schema.has(&path.attribute)) {
        None => Ok(()),
        Some(path) => Err(invalid(&format!(
            "One or more parameter values were invalid: Cannot update attribute {}. This attribute is part of the key",
            path.attribute
        ))),
    }
}
