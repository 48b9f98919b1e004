//! The JSON Schema of the deployment document, generated from its type.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Document;

/// The schema, draft 2020-12, as it is checked in for editors.
pub fn json_schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>().to_value()
}
