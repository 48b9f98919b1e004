//! What the roles of `template.yaml` allow: statements with actions, resources and conditions, and whether one of them covers a
//! request. It knows of IAM what the template uses; what it does not know, it takes for refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crossfade_core::pattern::matches;
use crossfade_steps::FUNCTIONS;
use serde_norway::Value;
use serde_norway::value::TaggedValue;

use super::request::Asked;
use super::{APPROVER, DEPLOYER, LOOKER};

/// A statement of a role.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    /// What it allows.
    pub(super) actions: BTreeSet<String>,
    /// On what: ARNs, with `*` for anything.
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    operator: String,
    key: String,
    values: Vec<String>,
}

/// Whether a statement covers what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// It allows that.
    Whole,
    /// It would, but for the tags of the resource.
    ButForTags,
    /// It is about something else.
    Not,
}

impl Statement {
    fn read(statement: &Value) -> Self {
        let conditions = statement.get("Condition").and_then(Value::as_mapping).into_iter().flatten();
        let conditions = conditions.flat_map(|(operator, keys)| {
            let operator = text(operator);
            let keys = keys.as_mapping().into_iter().flatten();
            keys.map(move |(key, values)| Condition {
                operator: operator.clone(),
                key: text(key),
                values: texts(values),
            })
        });
        Self {
            actions: statement.get("Action").map(texts).unwrap_or_default().into_iter().collect(),
            resources: statement.get("Resource").map(texts).unwrap_or_default(),
            conditions: conditions.collect(),
        }
    }

    /// Whether it covers an action on one resource.
    pub(super) fn covers(&self, asked: &Asked, resource: &str, tags: &BTreeMap<String, String>) -> Cover {
        let named = || self.resources.iter().any(|pattern| matches(pattern, resource));
        if !self.actions.contains(&asked.action) || !named() {
            return Cover::Not;
        }
        let (by_tags, others): (Vec<&Condition>, Vec<&Condition>) =
            self.conditions.iter().partition(|condition| condition.tag_of_resource().is_some());
        if !others.iter().all(|condition| condition.holds(asked.context.get(&condition.key).map(Vec::as_slice))) {
            return Cover::Not;
        }
        let tagged = by_tags.iter().all(|condition| {
            let found = condition.tag_of_resource().and_then(|key| tags.get(key)).map(std::slice::from_ref);
            condition.holds(found)
        });
        if tagged { Cover::Whole } else { Cover::ButForTags }
    }
}

impl Condition {
    /// The tag of the resource that it asks for, if it asks for one: by the global key, or by a service's own.
    fn tag_of_resource(&self) -> Option<&str> {
        Some(self.key.split_once(":ResourceTag/")?.1)
    }

    /// Whether it holds for the values that a request has of its key (IAM User Guide, condition operators).
    fn holds(&self, found: Option<&[String]>) -> bool {
        let among = |value: &String| self.values.iter().any(|pattern| matches(pattern, value));
        match (self.operator.as_str(), found) {
            ("Null", found) => self.values == [found.is_none().to_string()],
            ("StringEquals" | "StringLike" | "ArnLike" | "ArnEquals", Some([one])) => among(one),
            ("ForAllValues:StringEquals" | "ForAllValues:StringLike", found) => {
                found.unwrap_or_default().iter().all(among)
            }
            _ => false,
        }
    }
}

/// What each function's role allows.
pub(super) type Statements = BTreeMap<&'static str, Vec<Statement>>;

/// The roles of the template.
pub(super) fn template() -> &'static Statements {
    static READ: OnceLock<Statements> = OnceLock::new();
    READ.get_or_init(|| {
        let template = resources();
        let role = |function: &&'static str| {
            let name: String = function.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect();
            let policy = &template[format!("{name}Role").as_str()]["Properties"]["Policies"][0];
            (*function, statements(&policy["PolicyDocument"]))
        };
        FUNCTIONS.iter().map(role).collect()
    })
}

/// The managed policies of the template, by who has them; whoever deploys or approves looks as well.
pub(super) fn people() -> &'static Statements {
    static READ: OnceLock<Statements> = OnceLock::new();
    READ.get_or_init(|| {
        let template = resources();
        let policy = |name: &str| statements(&template[name]["Properties"]["PolicyDocument"]);
        let all = [
            (LOOKER, &["LookPolicy"][..]),
            (DEPLOYER, &["LookPolicy", "DeployPolicy"]),
            (APPROVER, &["LookPolicy", "ApprovePolicy"]),
        ];
        all.map(|(who, policies)| (who, policies.iter().copied().flat_map(policy).collect())).into()
    })
}

fn resources() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests have a folder of their own");
    let text = fs::read_to_string(root.join("template.yaml")).expect("there is a template");
    let template: Value = serde_norway::from_str(&text).expect("the template is YAML");
    template["Resources"].clone()
}

fn statements(document: &Value) -> Vec<Statement> {
    let statements = document["Statement"].as_sequence().expect("every policy has some");
    statements.iter().map(if_chosen).map(Statement::read).collect()
}

/// A statement that stands under a condition of the stack's: with everything that can be chosen.
fn if_chosen(statement: &Value) -> &Value {
    match statement {
        Value::Tagged(tagged) if tagged.tag == "If" => &tagged.value[1],
        plain => plain,
    }
}

/// One text or several.
fn texts(value: &Value) -> Vec<String> {
    value.as_sequence().map_or_else(|| vec![text(value)], |several| several.iter().map(text).collect())
}

/// A text, with what CloudFormation fills in.
fn text(value: &Value) -> String {
    match value {
        Value::Tagged(tagged) => filled_in(tagged),
        plain => plain.as_str().unwrap_or_default().to_owned(),
    }
}

fn filled_in(tagged: &TaggedValue) -> String {
    let plain = tagged.value.as_str().unwrap_or_default();
    if tagged.tag != "Sub" {
        return variable(plain);
    }
    let mut parts = plain.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        whole.push_str(&variable(name));
        whole.push_str(rest);
    }
    whole
}

/// What a name stands for in the tests' account, whatever its number and region are. What whoever installs this names, such as load
/// balancers and other topics, may be anything.
fn variable(name: &str) -> String {
    match name {
        "AWS::Partition" => "aws",
        "AWS::StackName" => "crossfade",
        "Table.Arn" => "arn:aws:dynamodb:*:*:table/crossfade",
        "Topic" => "arn:aws:sns:*:*:crossfade",
        "DeployStateMachine" => "arn:aws:states:*:*:stateMachine:crossfade-deploy",
        "RollbackStateMachine" => "arn:aws:states:*:*:stateMachine:crossfade-rollback",
        // The zone of every shop, with its apex.
        "DnsNames" => "*example.com",
        _ => "*",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::request::Asked;

    fn asked(action: &str, context: &[(&str, &str)]) -> Asked {
        let context = context.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]));
        Asked { action: action.into(), resources: Vec::new(), context: context.collect() }
    }

    #[test]
    fn a_statement_covers_its_actions_on_its_resources_under_its_conditions() {
        let statement = "
Action: [autoscaling:UpdateAutoScalingGroup]
Resource: !Sub arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}:autoScalingGroup:*:autoScalingGroupName/*__*
Condition:
  \"Null\":
    autoscaling:ResourceTag/ours: \"false\"
  StringEquals:
    some:key: this
";
        let statement = Statement::read(&serde_norway::from_str(statement).unwrap());
        let group =
            |name: &str| format!("arn:aws:autoscaling:eu-west-1:1:autoScalingGroup:x:autoScalingGroupName/{name}");
        let (ours, nobodys) = (BTreeMap::from([("ours".to_owned(), "x".to_owned())]), BTreeMap::new());
        let update = "autoscaling:UpdateAutoScalingGroup";
        let this = asked(update, &[("some:key", "this")]);
        assert_eq!(statement.covers(&this, &group("shop__7"), &ours), Cover::Whole);
        assert_eq!(statement.covers(&this, &group("shop__7"), &nobodys), Cover::ButForTags);
        assert_eq!(statement.covers(&this, &group("shop"), &ours), Cover::Not);
        assert_eq!(statement.covers(&asked(update, &[("some:key", "that")]), &group("shop__7"), &ours), Cover::Not);
        assert_eq!(statement.covers(&asked(update, &[]), &group("shop__7"), &ours), Cover::Not);
        let other = asked("autoscaling:DeleteAutoScalingGroup", &[("some:key", "this")]);
        assert_eq!(statement.covers(&other, &group("shop__7"), &ours), Cover::Not);
    }

    #[test]
    fn every_role_is_read_whole() {
        for (function, statements) in template() {
            assert!(statements.len() > 1, "{function}");
            for statement in statements {
                assert!(!statement.actions.is_empty() && !statement.resources.is_empty(), "{function}: {statement:?}");
                assert!(statement.resources.iter().all(|it| !it.is_empty()), "{function}: {statement:?}");
            }
        }
    }
}
