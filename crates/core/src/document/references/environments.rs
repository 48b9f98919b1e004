//! Values by environment: `environments: {NAME: {variable: value}}` beside `variables`, so that one document serves several environments.
//!
//! What stands there for the environment of the document takes the place of the variable's default. What somebody gives at the start
//! takes the place of both ([`super::set`]).

use serde_json::{Map, Value};

use super::variables::Variables;
use crate::document::read::{Problem, join, shown, suggestion};

/// The field at the top of a document.
pub(super) const FIELD: &str = "environments";

/// The declared variables with the values of the document's environment.
pub(super) fn overridden(
    declared: Option<Value>,
    environments: Option<Value>,
    environment: Option<&Value>,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let Some(environments) = environments.filter(|it| !it.is_null()) else { return declared };
    let mut report = |path: &str, value: &Value, problem: String, fix: String| {
        problems.push(Problem { path: path.into(), value: Some(shown(value)), problem, fix });
    };
    let all = match environments.as_object() {
        Some(all) if all.values().all(Value::is_object) => all,
        _ => {
            let fix = format!("Write `{FIELD}: {{NAME: {{variable: value}}}}`.");
            report(FIELD, &environments, "it is no list of environments with the values of variables".into(), fix);
            return declared;
        }
    };
    let names: Vec<String> = declared.iter().filter_map(Value::as_object).flat_map(Map::keys).cloned().collect();
    let declares = |name: &str| names.iter().any(|known| known == name);
    for (environment, values) in all {
        let values = values.as_object().into_iter().flatten();
        for (name, value) in values.filter(|(name, _)| !declares(name)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let fix =
                format!("Declare it under `variables`, with null if it has no default{}", suggestion(name, &names));
            report(&join(&join(FIELD, environment), name), value, "there is no such variable".into(), fix);
        }
    }
    // The environment's own name may be a variable. What is wrong with it is told where it stands.
    let variables = Variables::read(declared.clone(), &mut Vec::new());
    let text = environment.and_then(Value::as_str)?;
    let Some(Value::String(name)) = variables.expand(text, "environment", &mut Vec::new()) else { return declared };
    let Some(values) = all.get(&name).and_then(Value::as_object) else {
        let known: Vec<&str> = all.keys().map(String::as_str).collect();
        let fix =
            format!("Add it under `{FIELD}`, if only as `{name}: {{}}`, or correct it{}", suggestion(&name, &known));
        report("environment", &Value::String(name.clone()), format!("`{FIELD}` has no such environment"), fix);
        return declared;
    };
    let mut declared = declared?;
    if let Some(variables) = declared.as_object_mut() {
        for (name, value) in values.iter().filter(|(name, _)| declares(name)) {
            variables.insert(name.clone(), value.clone());
        }
    }
    Some(declared)
}

/// Takes a variable out of the values of every environment: somebody has given it.
pub(super) fn without(document: &mut Value, variable: &str) {
    let environments = document.get_mut(FIELD).and_then(Value::as_object_mut);
    for values in environments.into_iter().flat_map(|all| all.values_mut()) {
        if let Some(values) = values.as_object_mut() {
            values.remove(variable);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Draft, set};
    use super::*;

    fn document(environment: &str) -> Value {
        json!({
            "variables": { "environment": "staging", "count": 2, "base": "shop-base" },
            "environments": { "staging": {}, "production": { "count": 8, "base": "shop-production" } },
            "service": "shop",
            "environment": environment,
            "artifact": { "ami": "ami-0a11ce00000000007" },
            "compute": { "autoScalingGroup": {
                "base": "${base}", "capacity": { "fixed": { "desired": "${count}", "max": 10 } },
            } },
            "routing": "none",
            "strategy": { "basic": {} },
        })
    }

    fn size_and_base(document: &Value) -> (Value, Value) {
        let draft = Draft::read(document).expect("it is good");
        let compute = &draft.value()["compute"]["autoScalingGroup"];
        (compute["capacity"]["fixed"]["desired"].clone(), compute["base"].clone())
    }

    #[test]
    fn g9_one_document_has_other_values_in_each_environment() {
        assert_eq!(size_and_base(&document("staging")), (json!(2), json!("shop-base")));
        assert_eq!(size_and_base(&document("production")), (json!(8), json!("shop-production")));
        let mut given = document("${environment}");
        assert_eq!(size_and_base(&given), (json!(2), json!("shop-base")));
        set(&mut given, &[("environment".into(), "production".into()), ("count".into(), "5".into())]).unwrap();
        assert_eq!(size_and_base(&given), (json!(5), json!("shop-production")), "what is given comes first");
    }

    #[test]
    fn g9_what_an_environment_cannot_have_is_refused_with_the_fix() {
        let problems = |change: &dyn Fn(&mut Value)| {
            let mut document = document("production");
            change(&mut document);
            let problems = Draft::read(&document).expect_err("it is wrong");
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let unknown = problems(&|d| d["environment"] = json!("produktion"));
        assert!(unknown.contains("`environments` has no such environment"), "{unknown}");
        assert!(unknown.contains("did you mean `production`?"), "{unknown}");
        let undeclared = problems(&|d| d["environments"]["staging"] = json!({ "cuont": 3 }));
        assert!(undeclared.contains("environments.staging.cuont = 3: there is no such variable"), "{undeclared}");
        assert!(undeclared.contains("did you mean `count`?"), "{undeclared}");
        let shapeless = problems(&|d| d["environments"] = json!(["production"]));
        assert!(shapeless.contains("Write `environments: {NAME: {variable: value}}`"), "{shapeless}");
    }
}
