//! Query and Scan: key conditions, filters and pages.

use serde_json::{Value as Json, json};

use super::expression::{Comparison, Condition, Operand, Path, Placeholders, parse_condition, parse_projection};
use super::items::shown;
use super::parameters::Parameters;
use super::refusal::{Refusal, invalid};
use super::table::{Index, Key, KeyPart, Projection, Schema, Table};
use super::value::{Item, Value, item_from_json, item_size, item_to_json};
use super::{Answer, Tables};

/// How much one page reads, in bytes, before any filter (DynamoDB developer guide, Query).
const PAGE_BYTES: usize = 1024 * 1024;

const COMMON: [&str; 9] = [
    "ConsistentRead",
    "ExclusiveStartKey",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "FilterExpression",
    "IndexName",
    "Limit",
    "ProjectionExpression",
    "Select",
];

/// What a key condition asks of the sort key.
enum SortTest {
    Compare(Comparison, Value),
    Between(Value, Value),
    BeginsWith(Value),
}

impl SortTest {
    fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Compare(comparison, bound) => comparison.holds(value, Some(bound)),
            Self::Between(low, high) => {
                Comparison::GreaterOrEqual.holds(value, Some(low)) && Comparison::LessOrEqual.holds(value, Some(high))
            }
            Self::BeginsWith(start) => super::expression::begins_with(value, Some(start)),
        }
    }

    fn operands(&self) -> Vec<&Value> {
        match self {
            Self::Compare(_, value) | Self::BeginsWith(value) => vec![value],
            Self::Between(low, high) => vec![low, high],
        }
    }
}

/// A `KeyConditionExpression`.
struct KeyCondition {
    partition: Value,
    sort: Option<SortTest>,
}

impl KeyCondition {
    fn of(condition: Condition, schema: &Schema) -> Result<Self, Refusal> {
        let unsupported = || invalid("Query key condition not supported");
        let tests = match condition {
            Condition::All(tests) => tests,
            test => vec![test],
        };
        let (mut partition, mut sort) = (None, None);
        for test in tests {
            let (path, test) = match test {
                Condition::Compare(Operand::Path(path), comparison, Operand::Literal(value))
                    if comparison != Comparison::NotEqual =>
                {
                    (path, SortTest::Compare(comparison, value))
                }
                Condition::Between(Operand::Path(path), Operand::Literal(low), Operand::Literal(high)) => {
                    (path, SortTest::Between(low, high))
                }
                Condition::BeginsWith(Operand::Path(path), Operand::Literal(start)) => {
                    (path, SortTest::BeginsWith(start))
                }
                _ => return Err(unsupported()),
            };
            let attribute = schema.attributes().find(|a| path == Path::attribute(&a.name)).ok_or_else(unsupported)?;
            if test.operands().iter().any(|value| value.kind() != attribute.kind) {
                return Err(invalid(
                    "One or more parameter values were invalid: Condition parameter type does not match schema type",
                ));
            }
            let taken = match test {
                test if *attribute != schema.partition => sort.replace(test).is_some(),
                SortTest::Compare(Comparison::Equal, value) => partition.replace(value).is_some(),
                _ => return Err(unsupported()),
            };
            if taken {
                return Err(invalid("KeyConditionExpressions must only contain one condition per key"));
            }
        }
        let name = &schema.partition.name;
        let missing = || invalid(&format!("Query condition missed key schema element: {name}"));
        Ok(Self { partition: partition.ok_or_else(missing)?, sort })
    }

    fn holds(&self, item: &Item, schema: &Schema) -> bool {
        let value = |name: &str| item.get(name);
        let sort = schema.sort.as_ref().and_then(|attribute| value(&attribute.name));
        value(&schema.partition.name) == Some(&self.partition) && self.sort.as_ref().is_none_or(|test| test.holds(sort))
    }
}

/// Where an item stands in the answer: index key first, then the table's, which tells equal ones apart.
type Position = (Option<Key>, Key);

/// One Query or Scan, parsed.
struct Search<'a> {
    table: &'a Table,
    index: Option<&'a Index>,
    condition: Option<KeyCondition>,
    filter: Option<Condition>,
    paths: Option<Vec<Path>>,
    limit: usize,
    start: Option<Position>,
    backward: bool,
    count_only: bool,
}

impl Tables {
    pub(super) fn query(&mut self, request: &Json) -> Answer {
        let known = [COMMON.as_slice(), &["KeyConditionExpression", "ScanIndexForward", "TableName"]].concat();
        Search::parse(self, Parameters(request).only(&known)?, true)?.run()
    }

    pub(super) fn scan(&mut self, request: &Json) -> Answer {
        let known = [COMMON.as_slice(), &["TableName"]].concat();
        Search::parse(self, Parameters(request).only(&known)?, false)?.run()
    }
}

impl<'a> Search<'a> {
    fn parse(tables: &'a Tables, parameters: Parameters, query: bool) -> Result<Self, Refusal> {
        let mut placeholders = Placeholders::of(parameters.0)?;
        let mut condition = |kind: &'static str| {
            let text = parameters.text(kind)?;
            text.map(|text| parse_condition(kind, text, &mut placeholders)).transpose()
        };
        let key_condition = condition("KeyConditionExpression")?;
        let filter = condition("FilterExpression")?;
        let paths = parameters.text("ProjectionExpression")?;
        let paths = paths.map(|text| parse_projection(text, &mut placeholders)).transpose()?;
        placeholders.all_used()?;

        let table = tables.table(parameters.required_text("TableName")?)?;
        let index = match parameters.text("IndexName")? {
            None => None,
            Some(name) => {
                let unknown = || invalid(&format!("The table does not have the specified index: {name}"));
                Some(table.indexes.get(name).ok_or_else(unknown)?)
            }
        };
        if parameters.flag("ConsistentRead")? && index.is_some() {
            return Err(invalid("Consistent reads are not supported on global secondary indexes"));
        }
        let schema = index.map_or(&table.schema, |index| &index.schema);
        let condition = match key_condition {
            Some(condition) if query => Some(KeyCondition::of(condition, schema)?),
            _ if query => {
                return Err(invalid(
                    "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
                ));
            }
            _ => None,
        };
        if let Some(filter) = &filter
            && query
        {
            let mut of_key = None;
            filter.paths(&mut |path| of_key = of_key.or(schema.has(&path.attribute).then_some(&path.attribute)));
            if let Some(name) = of_key {
                return Err(invalid(&format!(
                    "Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}"
                )));
            }
        }
        let select = ["", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"];
        let select = parameters.choice("Select", &select)?;
        if paths.is_some() && !["", "SPECIFIC_ATTRIBUTES"].contains(&select) {
            return Err(invalid(&format!("Cannot specify the ProjectionExpression when choosing to get {select}")));
        }
        let start = match parameters.get("ExclusiveStartKey") {
            None => None,
            Some(key) => Some(start(&item_from_json(key)?, table, index)?),
        };
        Ok(Self {
            table,
            index,
            condition,
            filter,
            paths,
            limit: parameters.count("Limit")?.unwrap_or(usize::MAX),
            start,
            backward: parameters.get("ScanIndexForward") == Some(&Json::Bool(false)),
            count_only: select == "COUNT",
        })
    }

    fn run(&self) -> Answer {
        let schema = self.index.map_or(&self.table.schema, |index| &index.schema);
        let mut rows: Vec<(Position, &Item)> = vec![];
        // A table with many partitions is not read whole for one.
        let partition = self.partition();
        let from = (partition.clone().unwrap_or(KeyPart::FIRST), None);
        let of_it = |key: &Key| partition.as_ref().is_none_or(|partition| key.0 == *partition);
        for (key, item) in self.table.items.range(from..).take_while(|(key, _)| of_it(key)) {
            let index_key = match self.index {
                None => None,
                Some(index) => match index.schema.key_in_index(item) {
                    None => continue,
                    key => key,
                },
            };
            let position = (index_key, key.clone());
            let reached =
                self.start.as_ref().is_none_or(|start| (position > *start) != self.backward && position != *start);
            if reached && self.condition.as_ref().is_none_or(|condition| condition.holds(item, schema)) {
                rows.push((position, item));
            }
        }
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        if self.backward {
            rows.reverse();
        }

        let (mut read, mut bytes, mut last) = (0, 0, None);
        let mut items = vec![];
        for (_, item) in rows {
            read += 1;
            bytes += item_size(item);
            let visible = self.visible(item);
            if self.filter.as_ref().is_none_or(|filter| filter.holds(&visible)) {
                items.push(item_to_json(&shown(&visible, self.paths.as_deref())));
            }
            // A full page has a last key even when nothing comes after it, as in DynamoDB.
            if read == self.limit || bytes > PAGE_BYTES {
                let mut key = self.table.schema.key_attributes(item);
                key.extend(schema.key_attributes(item));
                last = Some(item_to_json(&key));
                break;
            }
        }
        let mut answer = json!({ "Count": items.len(), "ScannedCount": read });
        if !self.count_only {
            answer["Items"] = Json::Array(items);
        }
        if let Some(last) = last {
            answer["LastEvaluatedKey"] = last;
        }
        Ok(answer)
    }

    /// The partition that it asks for, if that is one of the table's own.
    fn partition(&self) -> Option<KeyPart> {
        let condition = self.condition.as_ref().filter(|_| self.index.is_none())?;
        KeyPart::of(&condition.partition)
    }

    /// What of the item the index holds.
    fn visible(&self, item: &Item) -> Item {
        match self.index {
            Some(Index { schema, projection: Projection::Only(names) }) => {
                let held = |name: &String| names.contains(name) || schema.has(name) || self.table.schema.has(name);
                item.iter().filter(|(name, _)| held(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
            }
            _ => item.clone(),
        }
    }
}

fn start(key: &Item, table: &Table, index: Option<&Index>) -> Result<Position, Refusal> {
    let wrong = |_| invalid("The provided starting key is invalid");
    let own = table.schema.key_of_parameter(&table.schema.key_attributes(key)).map_err(wrong)?;
    let index_key = index.map(|index| index.schema.key_of_item(key)).transpose().map_err(wrong)?;
    let known = |name: &String| table.schema.has(name) || index.is_some_and(|index| index.schema.has(name));
    if !key.keys().all(known) {
        return Err(invalid("The provided starting key is invalid"));
    }
    Ok((index_key, own))
}
