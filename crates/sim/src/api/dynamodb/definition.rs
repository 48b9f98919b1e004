//! Operations on whole tables.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::parameters::Parameters;
use super::refusal::{Refusal, invalid};
use super::table::{Index, KeyAttribute, Projection, Schema, Table};
use super::value::item_size;
use super::{Answer, Tables};
use crate::connector::REGION;

impl Tables {
    pub(super) fn create_table(&mut self, request: &Json, now_millis: u64) -> Answer {
        // Billing, encryption and tags change nothing that can be seen here.
        let parameters = Parameters(request).only(&[
            "AttributeDefinitions",
            "BillingMode",
            "DeletionProtectionEnabled",
            "GlobalSecondaryIndexes",
            "KeySchema",
            "ProvisionedThroughput",
            "SSESpecification",
            "TableClass",
            "TableName",
            "Tags",
        ])?;
        let name = parameters.required_text("TableName")?;
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if !(3..=255).contains(&name.len()) || !name.chars().all(fits) {
            return Err(invalid(&format!("Invalid table name {name:?}: 3 to 255 letters, digits, '_', '-' and '.'")));
        }
        if parameters.choice("BillingMode", &["PROVISIONED", "PAY_PER_REQUEST"])? == "PROVISIONED" {
            parameters.required("ProvisionedThroughput")?;
        }
        if self.by_name.contains_key(name) {
            return Err(Refusal::new("ResourceInUseException", &format!("Table already exists: {name}")));
        }
        let mut kinds = BTreeMap::new();
        for definition in parameters.list("AttributeDefinitions")? {
            let definition = Parameters(definition).only(&["AttributeName", "AttributeType"])?;
            let kind = definition.choice("AttributeType", &["S", "N", "B"])?;
            kinds.insert(definition.required_text("AttributeName")?.to_owned(), kind);
        }
        let schema = schema(parameters, &kinds)?;
        let mut indexes = BTreeMap::new();
        for index in parameters.get("GlobalSecondaryIndexes").and_then(Json::as_array).into_iter().flatten() {
            let known = ["IndexName", "KeySchema", "Projection", "ProvisionedThroughput"];
            let index = Parameters(index).only(&known)?;
            let definition = Index { schema: self::schema(index, &kinds)?, projection: projection(index)? };
            indexes.insert(index.required_text("IndexName")?.to_owned(), definition);
        }
        let used = |name: &String| schema.has(name) || indexes.values().any(|index| index.schema.has(name));
        if !kinds.keys().all(used) {
            return Err(invalid(
                "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match \
                 number of attributes defined in AttributeDefinitions",
            ));
        }
        let table = Table {
            name: name.to_owned(),
            created_at_millis: now_millis,
            schema,
            indexes,
            items: BTreeMap::new(),
            time_to_live: None,
            deletion_protection: parameters.flag("DeletionProtectionEnabled")?,
        };
        let description = describe(&table, "CREATING");
        self.by_name.insert(name.to_owned(), table);
        Ok(json!({ "TableDescription": description }))
    }

    pub(super) fn describe_table(&mut self, request: &Json) -> Answer {
        let table = self.named(Parameters(request).only(&["TableName"])?)?;
        Ok(json!({ "Table": describe(table, "ACTIVE") }))
    }

    pub(super) fn delete_table(&mut self, request: &Json) -> Answer {
        let table = self.named(Parameters(request).only(&["TableName"])?)?;
        if table.deletion_protection {
            return Err(invalid(&format!(
                "Resource cannot be deleted as it is currently protected against deletion. \
                 Disable deletion protection first. Table: {}",
                table.name
            )));
        }
        let (name, description) = (table.name.clone(), describe(table, "DELETING"));
        self.by_name.remove(&name);
        Ok(json!({ "TableDescription": description }))
    }

    pub(super) fn list_tables(&mut self, request: &Json) -> Answer {
        let parameters = Parameters(request).only(&["ExclusiveStartTableName", "Limit"])?;
        let after = parameters.text("ExclusiveStartTableName")?.unwrap_or_default();
        let limit = parameters.count("Limit")?.unwrap_or(100).min(100);
        let mut names = self.by_name.keys().filter(|name| name.as_str() > after);
        let page: Vec<_> = names.by_ref().take(limit).collect();
        let mut answer = json!({ "TableNames": page });
        if names.next().is_some() {
            answer["LastEvaluatedTableName"] = json!(page.last());
        }
        Ok(answer)
    }

    pub(super) fn update_time_to_live(&mut self, request: &Json) -> Answer {
        let parameters = Parameters(request).only(&["TableName", "TimeToLiveSpecification"])?;
        let given = parameters.required("TimeToLiveSpecification")?;
        let specification = Parameters(given).only(&["AttributeName", "Enabled"])?;
        let (attribute, on) = (specification.required_text("AttributeName")?, specification.flag("Enabled")?);
        let name = self.named(parameters)?.name.clone();
        let table = self.table_mut(&name)?;
        if table.time_to_live.is_some() == on {
            let state = if on { "enabled" } else { "disabled" };
            return Err(invalid(&format!("TimeToLive is already {state}")));
        }
        table.time_to_live = on.then(|| attribute.to_owned());
        Ok(json!({ "TimeToLiveSpecification": given }))
    }

    pub(super) fn describe_time_to_live(&mut self, request: &Json) -> Answer {
        let table = self.named(Parameters(request).only(&["TableName"])?)?;
        Ok(json!({ "TimeToLiveDescription": match &table.time_to_live {
            Some(attribute) => json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": attribute }),
            None => json!({ "TimeToLiveStatus": "DISABLED" }),
        }}))
    }

    /// The table of an operation on tables, which says more when there is none.
    fn named(&self, parameters: Parameters) -> Result<&Table, Refusal> {
        let name = parameters.required_text("TableName")?;
        self.table(name).map_err(|_| {
            let message = format!("Requested resource not found: Table: {name} not found");
            Refusal::new("ResourceNotFoundException", &message)
        })
    }
}

/// The ARN of a table.
fn arn(name: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:123456789012:table/{name}")
}

fn schema(parameters: Parameters, kinds: &BTreeMap<String, &'static str>) -> Result<Schema, Refusal> {
    let mut attributes = vec![];
    for (element, expected) in parameters.list("KeySchema")?.iter().zip(["HASH", "RANGE", ""]) {
        let element = Parameters(element).only(&["AttributeName", "KeyType"])?;
        let name = element.required_text("AttributeName")?;
        if element.required_text("KeyType")? != expected {
            return Err(invalid("Invalid KeySchema: one HASH element, then at most one RANGE element"));
        }
        let kind = kinds.get(name).ok_or_else(|| {
            invalid(&format!(
                "One or more parameter values were invalid: Some index key attributes are not defined in \
                 AttributeDefinitions. Keys: [{name}]"
            ))
        })?;
        attributes.push(KeyAttribute { name: name.to_owned(), kind: (*kind).to_owned() });
    }
    let mut attributes = attributes.into_iter();
    let partition = attributes.next().ok_or_else(|| invalid("Invalid KeySchema: it is empty"))?;
    Ok(Schema { partition, sort: attributes.next() })
}

fn projection(index: Parameters) -> Result<Projection, Refusal> {
    let projection = Parameters(index.required("Projection")?).only(&["NonKeyAttributes", "ProjectionType"])?;
    Ok(match projection.choice("ProjectionType", &["ALL", "KEYS_ONLY", "INCLUDE"])? {
        "ALL" => Projection::All,
        "KEYS_ONLY" => Projection::Only(vec![]),
        _ => {
            let names = projection.list("NonKeyAttributes")?;
            Projection::Only(names.iter().filter_map(Json::as_str).map(str::to_owned).collect())
        }
    })
}

fn describe(table: &Table, status: &str) -> Json {
    let mut definitions = BTreeMap::new();
    for schema in table.indexes.values().map(|index| &index.schema).chain([&table.schema]) {
        definitions.extend(schema.attributes().map(|a| (&a.name, &a.kind)));
    }
    let definitions: Vec<_> =
        definitions.iter().map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind })).collect();
    let key_schema = |schema: &Schema| -> Vec<Json> {
        let elements = schema.attributes().zip(["HASH", "RANGE"]);
        elements.map(|(a, kind)| json!({ "AttributeName": a.name, "KeyType": kind })).collect()
    };
    let arn = arn(&table.name);
    let mut description = json!({
        "TableName": table.name,
        "TableArn": arn,
        "TableStatus": status,
        "KeySchema": key_schema(&table.schema),
        "AttributeDefinitions": definitions,
        "CreationDateTime": table.created_at_millis as f64 / 1000.0,
        "ItemCount": table.items.len(),
        "TableSizeBytes": table.items.values().map(item_size).sum::<usize>(),
        "DeletionProtectionEnabled": table.deletion_protection,
        "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" },
    });
    if !table.indexes.is_empty() {
        let index = |(name, index): (&String, &Index)| {
            let projection = match &index.projection {
                Projection::All => json!({ "ProjectionType": "ALL" }),
                Projection::Only(names) if names.is_empty() => json!({ "ProjectionType": "KEYS_ONLY" }),
                Projection::Only(names) => json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": names }),
            };
            json!({
                "IndexName": name,
                "IndexArn": format!("{arn}/index/{name}"),
                "IndexStatus": status,
                "KeySchema": key_schema(&index.schema),
                "Projection": projection,
            })
        };
        description["GlobalSecondaryIndexes"] = table.indexes.iter().map(index).collect();
    }
    description
}
