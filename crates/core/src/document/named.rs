//! A stage that is written out, with a name of its own if somebody gives it one.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::StageSpec;

/// A stage as it stands in `strategy.stages`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedStage {
    /// What people call it; empty for nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub stage: StageSpec,
}

impl From<StageSpec> for NamedStage {
    fn from(stage: StageSpec) -> Self {
        Self { name: String::new(), stage }
    }
}

impl JsonSchema for NamedStage {
    fn schema_name() -> Cow<'static, str> {
        "NamedStage".into()
    }

    /// That of a stage, with a name beside each of the fields that say which one it is.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = StageSpec::json_schema(generator);
        let name = json!({
            "description": "What people call the stage: plan, log, `status` and the execution say it before what the stage does.",
            "type": "string",
            "pattern": r"^[^\x00-\x1f\x7f]{1,80}$",
            "x-expected": "1 to 80 characters in one line",
            "examples": ["A tenth of the users"],
        });
        for option in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
            option["properties"]["name"] = name.clone();
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use crate::document::{Problem, parse_text};

    fn document(stages: &str) -> Result<crate::document::Document, Vec<Problem>> {
        parse_text(&format!(
            "service: shop\nenvironment: production\nartifact: {{ami: ami-0a11ce00000000007}}\ncompute: {{autoScalingGroup: {{base: shop-base}}}}\nrouting: {{weighted: [\"arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2\"]}}\nstrategy:\n  stages:\n{stages}"
        ))
    }

    const REST: &str = "    - upscale: {percent: 100}\n    - shift: {percent: 100}\n";

    #[test]
    fn g10_a_stage_may_have_a_name_and_comes_back_with_it() {
        let read = document(&format!("    - {{name: \"All of it, unseen\", upscale: {{percent: 50}}}}\n{REST}"));
        let read = read.expect("it is right");
        let again = serde_json::to_value(&read).expect("it is JSON");
        assert_eq!(again["strategy"]["stages"][0]["name"], "All of it, unseen");
        assert_eq!(again["strategy"]["stages"][1], serde_json::json!({ "upscale": { "percent": 100 } }));
        assert_eq!(crate::document::parse(&again), Ok(read));
    }

    #[test]
    fn g10_a_name_alone_is_no_stage_and_one_of_several_lines_is_none() {
        for (stage, said) in [
            ("    - {name: nothing}\n", "strategy.stages[0]"),
            ("    - {name: two, upscale: {percent: 50}, pause: {seconds: 1}}\n", "pause and upscale both stand here"),
            ("    - {name: \"a\\nb\", upscale: {percent: 50}}\n", "1 to 80 characters in one line"),
            ("    - {title: x, upscale: {percent: 50}}\n", "title and upscale both stand here"),
        ] {
            let problems = document(&format!("{stage}{REST}")).expect_err("it is wrong");
            assert!(problems.iter().any(|it| it.to_string().contains(said)), "{said}: {problems:?}");
        }
    }
}
