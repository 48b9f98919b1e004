//! The functions, from one manifest each: what it is for, what it may use, and what its role allows. infra/functions/README.md
//! describes the fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_norway::{Mapping, Value};

use super::{json, machines, read, yaml};
use crate::steps::Result;

/// Where the manifests are.
const FOLDER: &str = "infra/functions";
/// What a function is told of whatever its role allows it to use: the reference, and the variable.
const TOLD: [(&str, &str); 4] = [
    ("${Topic}", "TOPIC_ARN"),
    ("${DeployStateMachine}", "DEPLOY_STATE_MACHINE_ARN"),
    ("${RollbackStateMachine}", "ROLLBACK_STATE_MACHINE_ARN"),
    ("${HookHttpFunction.Arn}", "HOOK_HTTP_FUNCTION_ARN"),
];

/// All functions by name.
pub(super) type Functions = BTreeMap<String, Function>;

/// A manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Function {
    purpose: String,
    memory: Option<u32>,
    timeout: Option<u32>,
    events: Option<Events>,
    #[serde(default)]
    environment: Mapping,
    statements: Vec<Statement>,
}

/// How often, and for how many seconds, Lambda tries again what an event has asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Events {
    age: u32,
    retries: u32,
}

/// What the role allows, and on what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Statement {
    sid: String,
    /// The template's condition without which it is not there.
    #[serde(rename = "when")]
    when: Option<String>,
    action: Value,
    resource: Value,
    condition: Option<Mapping>,
}

/// Reads all manifests; each has to have a folder with its code, and each folder a manifest.
pub(super) fn all(root: &Path) -> Result<Functions> {
    let functions: Functions = manifests(root, FOLDER)?;
    let coded = names(&root.join("functions"))?;
    let known: BTreeSet<String> = functions.keys().cloned().collect();
    match known.symmetric_difference(&coded).next() {
        Some(name) => Err(format!("there has to be both {FOLDER}/{name}.yaml and functions/{name}")),
        None => Ok(functions),
    }
}

/// The manifests of a folder, by their names.
pub(super) fn manifests<T: DeserializeOwned>(root: &Path, folder: &str) -> Result<BTreeMap<String, T>> {
    let mut manifests = BTreeMap::new();
    for name in names(&root.join(folder))? {
        let Some(name) = name.strip_suffix(".yaml") else { continue };
        let path = format!("{folder}/{name}.yaml");
        let manifest = serde_norway::from_str(&read(root, &path)?).map_err(|error| format!("{path}: {error}"))?;
        manifests.insert(name.into(), manifest);
    }
    Ok(manifests)
}

pub(super) fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{} cannot be read: {error}", folder.display()))?;
    let name = |entry: std::io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().display().to_string());
    entries.map(name).collect::<std::io::Result<_>>().map_err(|error| format!("{}: {error}", folder.display()))
}

/// Every function has to end before the states that call it give up, so that it is Lambda that ends a hanging call. `usual` is
/// the time-out of those that say nothing else.
pub(super) fn end_before_their_states(functions: &Functions, called: &[machines::Called], usual: u64) -> Result {
    for call in called {
        let function = functions.get(&call.function).ok_or_else(|| {
            format!("{} of {} calls {}, which does not exist", call.state, call.machine, call.function)
        })?;
        let timeout = function.timeout.map_or(usual, u64::from);
        if call.timeout_seconds.is_some_and(|limit| timeout >= limit) {
            let machines::Called { machine, state, function, .. } = call;
            return Err(format!("{function} may run {timeout} s, longer than {state} of {machine} waits for it"));
        }
    }
    Ok(())
}

/// `wait-steady` is `WaitSteady` in the template and in the state machines.
pub(super) fn logical(name: &str) -> String {
    name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

/// The blocks of the template: log group, role and function of each.
pub(super) fn blocks(functions: &Functions) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (name, function) in functions {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let logical = logical(name);
        lines.extend(log_group(name, &logical).lines().map(str::to_owned));
        lines.push(String::new());
        lines.extend(role(name, &logical).lines().map(str::to_owned));
        lines.extend(own_log(&logical).lines().map(str::to_owned));
        for statement in &function.statements {
            statement.print(&" ".repeat(12), &mut lines)?;
        }
        lines.push(String::new());
        lines.extend(yaml::comment(&function.purpose));
        function.print(name, &logical, &mut lines)?;
    }
    Ok(lines)
}

fn log_group(name: &str, logical: &str) -> String {
    format!(
        "{logical}LogGroup:
  Type: AWS::Logs::LogGroup
  DeletionPolicy: Delete
  UpdateReplacePolicy: Delete
  Properties:
    LogGroupName: !Sub /aws/lambda/${{AWS::StackName}}-{name}
    RetentionInDays: !Ref LogRetentionDays"
    )
}

fn role(name: &str, logical: &str) -> String {
    format!(
        r#"{logical}Role:
  Type: AWS::IAM::Role
  Properties:
    Description: !Sub Function {name} of ${{AWS::StackName}}
    PermissionsBoundary: !If [HasPermissionsBoundary, !Ref PermissionsBoundaryArn, !Ref AWS::NoValue]
    AssumeRolePolicyDocument:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal:
            Service: lambda.amazonaws.com
          Action: sts:AssumeRole
    Policies:
      - PolicyName: {name}
        PolicyDocument:
          Version: "2012-10-17"
          Statement:"#
    )
}

fn own_log(logical: &str) -> String {
    format!(
        "            - Sid: OwnLog
              Effect: Allow
              Action:
                - logs:CreateLogStream
                - logs:PutLogEvents
              Resource: !GetAtt {logical}LogGroup.Arn"
    )
}

impl Statement {
    /// The statement as an element of a list that is so far to the right.
    pub(super) fn print(&self, indent: &str, lines: &mut Vec<String>) -> Result {
        let mut fields = json::mapping([("Sid", self.sid.as_str().into()), ("Effect", "Allow".into())]);
        fields.extend(json::mapping([("Action", self.action.clone()), ("Resource", self.resource.clone())]));
        if let Some(condition) = &self.condition {
            fields.insert("Condition".into(), condition.clone().into());
        }
        let mut block = Vec::new();
        yaml::fields(&fields, 0, &mut block)?;
        let inner = match &self.when {
            None => indent.to_owned(),
            Some(condition) => {
                lines.extend([format!("{indent}- !If"), format!("{indent}  - {condition}")]);
                format!("{indent}  ")
            }
        };
        let dash = block.into_iter().enumerate();
        lines.extend(dash.map(|(nth, line)| format!("{inner}{} {line}", if nth == 0 { "-" } else { " " })));
        if self.when.is_some() {
            lines.push(format!("{inner}- !Ref AWS::NoValue"));
        }
        Ok(())
    }
}

impl Function {
    fn print(&self, name: &str, logical: &str, lines: &mut Vec<String>) -> Result {
        let mut properties = json::mapping([
            ("FunctionName", format!("${{AWS::StackName}}-{name}").into()),
            ("CodeUri", format!("functions/{name}").into()),
        ]);
        properties.extend(self.memory.map(|memory| ("MemorySize".into(), memory.into())));
        properties.extend(self.timeout.map(|timeout| ("Timeout".into(), timeout.into())));
        properties.insert("Role".into(), format!("${{{logical}Role.Arn}}").into());
        if let Some(Events { age, retries }) = &self.events {
            let asked = [("MaximumEventAgeInSeconds", (*age).into()), ("MaximumRetryAttempts", (*retries).into())];
            properties.insert("EventInvokeConfig".into(), json::mapping(asked).into());
        }
        let mut told: Mapping = self.told().map(|(reference, variable)| (variable.into(), reference.into())).collect();
        told.extend(self.environment.clone());
        if !told.is_empty() {
            properties.insert("Environment".into(), json::mapping([("Variables", told.into())]).into());
        }
        let group = json::mapping([("LogGroup", format!("${{{logical}LogGroup}}").into())]);
        properties.insert("LoggingConfig".into(), group.into());
        let build = json::mapping([
            ("BuildMethod", "rust-cargolambda".into()),
            ("BuildProperties", json::mapping([("Binary", name.into())]).into()),
        ]);
        let resource = json::mapping([
            ("Type", "AWS::Serverless::Function".into()),
            ("Metadata", build.into()),
            ("Properties", properties.into()),
        ]);
        lines.push(format!("{logical}Function:"));
        yaml::fields(&resource, 2, lines)
    }

    /// What its role refers to, of what functions can be told.
    fn told(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let refers = |to: &str| {
            let is = |value: &Value| value.as_str() == Some(to);
            let of = |resource: &Value| is(resource) || resource.as_sequence().is_some_and(|all| all.iter().any(is));
            self.statements.iter().any(|statement| of(&statement.resource))
        };
        TOLD.into_iter().filter(move |(reference, _)| refers(reference))
    }
}

#[cfg(test)]
mod tests {
    use super::{Function, Functions, blocks, end_before_their_states};
    use crate::generate::machines::Called;

    fn functions(manifest: &str) -> Functions {
        let function: Function = serde_norway::from_str(manifest).unwrap();
        Functions::from([("wait-steady".to_owned(), function)])
    }

    const MANIFEST: &str = r#"
purpose: Looks.
memory: 256
statements:
  - Sid: Publish
    Action: sns:Publish
    Resource: ${Topic}
  - Sid: Look
    when: HasOtherTopics
    Action: [s3:GetObject, s3:PutObject]
    Resource: arn:${AWS::Partition}:s3:::*
    Condition:
      "Null": {aws:RequestTag/a:b: "false"}
"#;

    #[test]
    fn a_manifest_becomes_a_log_group_a_role_and_a_function() {
        let text = blocks(&functions(MANIFEST)).unwrap().join("\n");
        for expected in [
            "WaitSteadyLogGroup:\n",
            "    LogGroupName: !Sub /aws/lambda/${AWS::StackName}-wait-steady\n",
            "              Resource: !GetAtt WaitSteadyLogGroup.Arn\n            - Sid: Publish\n",
            "              Effect: Allow\n              Action: sns:Publish\n              Resource: !Ref Topic\n",
            "            - !If\n              - HasOtherTopics\n              - Sid: Look\n                Effect: Allow\n",
            "                Action:\n                  - s3:GetObject\n                  - s3:PutObject\n",
            "                Resource: !Sub arn:${AWS::Partition}:s3:::*\n                Condition:\n",
            "                  \"Null\":\n                    aws:RequestTag/a:b: \"false\"\n              - !Ref AWS::NoValue\n",
            "\n# Looks.\nWaitSteadyFunction:\n  Type: AWS::Serverless::Function\n",
            "      Binary: wait-steady\n",
            "    MemorySize: 256\n    Role: !GetAtt WaitSteadyRole.Arn\n    Environment:\n      Variables:\n",
            "        TOPIC_ARN: !Ref Topic\n    LoggingConfig:\n      LogGroup: !Ref WaitSteadyLogGroup",
        ] {
            assert!(text.contains(expected), "{expected} is not in:\n{text}");
        }
        // Only what it uses.
        assert!(!text.contains("STATE_MACHINE_ARN"), "{text}");
    }

    #[test]
    fn a_word_that_no_manifest_has_is_refused() {
        for (word, instead) in [("memory", "Memory"), ("when", "if"), ("Resource", "NotResource"), ("Action", "Effect")]
        {
            let manifest = MANIFEST.replacen(word, instead, 1);
            assert!(serde_norway::from_str::<Function>(&manifest).is_err(), "{instead}");
        }
    }

    #[test]
    fn a_function_ends_before_the_state_that_calls_it() {
        let called = |function: &str, timeout_seconds| {
            let [machine, state] = ["deploy", "Act"].map(str::to_owned);
            [Called { machine, state, function: function.into(), timeout_seconds }]
        };
        let all = functions(MANIFEST);
        assert_eq!(end_before_their_states(&all, &called("wait-steady", Some(61)), 60), Ok(()));
        assert_eq!(end_before_their_states(&all, &called("wait-steady", None), 60), Ok(()));
        assert!(end_before_their_states(&all, &called("wait-steady", Some(60)), 60).is_err());
        let slow = functions(&MANIFEST.replace("memory: 256", "timeout: 90"));
        assert!(end_before_their_states(&slow, &called("wait-steady", Some(90)), 60).is_err());
        assert!(end_before_their_states(&all, &called("juggle", None), 60).is_err());
    }
}
