//! What the Terraform module has in common with the template: policies, functions, alarms, rules and the dashboard, in Terraform's words.

use std::collections::BTreeMap;

use serde_norway::value::{Tag, TaggedValue};
use serde_norway::{Mapping, Value};

use super::json::{self, Layout, RAW, mapping};
use super::marks::{COMMENTS, fill};
use super::{Generated, kebab};
use crate::steps::Result;

/// Where the module is.
const MODULE: &str = "infra/terraform";
/// The policies in it: nothing but what is generated.
pub(super) const POLICIES: &str = "infra/terraform/policies";

/// How the policies for people are called in it, before the job.
const PEOPLE: &str = "people-";
/// The page that shows them.
pub(super) const PAGE: &str = "docs/permissions.md";
/// The installation that it is about, by what the module calls these.
const EXAMPLE: [(&str, &str); 4] =
    [("partition", "aws"), ("region", "eu-west-1"), ("account", "123456789012"), ("name", "crossfade")];

/// What CloudFormation knows by itself, and what the module calls it.
const PSEUDO: [(&str, &str); 4] = [
    ("AWS::Partition", "partition"),
    ("AWS::Region", "region"),
    ("AWS::AccountId", "account"),
    ("AWS::StackName", "name"),
];

/// When a statement or a rule is there at all.
const CONDITIONS: [(&str, &str); 16] = [
    ("HasEcs", "length(ecs_task_role_arns) > 0"),
    ("HasSpot", "length(spot_secret_arns) > 0 || length(spot_parameter_arns) > 0"),
    ("HasSpotSecrets", "length(spot_secret_arns) > 0"),
    ("HasSpotParameters", "length(spot_parameter_arns) > 0"),
    ("HasHookFunctions", "length(hook_function_arns) > 0"),
    ("HasHookSecrets", "length(hook_secret_arns) > 0"),
    ("HasDns", "length(dns_names) > 0"),
    ("HasInstanceRole", r#"instance_role_arn != "none""#),
    ("HasLifecycleHookRole", r#"lifecycle_hook_role_arn != "none""#),
    ("HasOtherTopics", "length(other_topic_arns) > 0"),
    ("HasReadableStacks", "length(readable_stack_arns) > 0"),
    ("HasReadableParameters", "length(readable_parameter_arns) > 0"),
    ("HasReadableObjects", "length(readable_object_arns) > 0"),
    ("HasTriggerOnImages", "trigger_on_images"),
    ("HasTriggerOnParameters", "length(trigger_on_parameters) > 0"),
    ("HasTriggerOnSchedule", r#"trigger_on_schedule != """#),
];

/// The generated files of the module, from the template.
pub(super) fn generate(template: &str) -> Result<Vec<Generated>> {
    let template: Value = serde_norway::from_str(template).map_err(|error| format!("the template: {error}"))?;
    let template = Template(&template);
    let block = |path: &[String]| if path.len() < 2 { Layout::Block } else { Layout::Fit };
    let mut files = vec![
        Generated { path: format!("{MODULE}/functions.json"), text: json::print(&template.functions()?, block)? },
        Generated { path: format!("{MODULE}/alarms.json.tftpl"), text: json::print(&template.alarms()?, block)? },
        Generated { path: format!("{MODULE}/rules.json.tftpl"), text: json::print(&template.rules()?, block)? },
    ];
    let dashboard = template.dashboard()?;
    files.push(Generated { path: format!("{MODULE}/dashboard.json.tftpl"), text: dashboard });
    for (name, document) in template.policies()? {
        let text = template.policy(document).map_err(|problem| format!("the policy {name}: {problem}"))?;
        files.push(Generated { path: format!("{POLICIES}/{name}.json.tftpl"), text });
    }
    Ok(files)
}

/// The page that shows the policies for people, with those of an installation that is called and lives as everywhere in the docs.
pub(super) fn page<'a>(page: &str, template: &str, jobs: impl Iterator<Item = &'a String>) -> Result<Generated> {
    let template: Value = serde_norway::from_str(template).map_err(|error| format!("the template: {error}"))?;
    let template = Template(&template);
    let policies = template.policies()?;
    let mut text = page.to_owned();
    for job in jobs {
        let document = policies.get(&format!("{PEOPLE}{job}")).ok_or_else(|| format!("{job} has no policy"))?;
        let mut policy = template.policy(document)?;
        for (variable, value) in EXAMPLE {
            policy = policy.replace(&format!("${{{variable}}}"), value);
        }
        let lines: Vec<String> =
            ["```json"].into_iter().chain(policy.lines()).chain(["```"]).map(str::to_owned).collect();
        text = fill(PAGE, &text, COMMENTS, job, &lines)?;
    }
    Ok(Generated { path: PAGE.into(), text })
}

struct Template<'a>(&'a Value);

impl<'a> Template<'a> {
    fn of_type(&self, kind: &str) -> Result<Vec<(&'a str, &'a Value)>> {
        let resources = self.0["Resources"].as_mapping().ok_or("the template has no resources")?;
        let named = resources.iter().filter_map(|(name, resource)| Some((name.as_str()?, resource)));
        Ok(named.filter(|(_, resource)| resource["Type"] == *kind).collect())
    }

    fn functions(&self) -> Result<Value> {
        let shared = &self.0["Globals"]["Function"];
        let mut all = Mapping::new();
        for (logical, function) in self.of_type("AWS::Serverless::Function")? {
            let own = &function["Properties"];
            let setting = |key: &str| if own[key].is_null() { shared[key].clone() } else { own[key].clone() };
            let variables = |of: &Value| of["Environment"]["Variables"].as_mapping().cloned().unwrap_or_default();
            let mut environment: Vec<Value> = variables(shared).into_keys().chain(variables(own).into_keys()).collect();
            environment.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
            let settings = mapping([
                ("timeout", setting("Timeout")),
                ("memory", setting("MemorySize")),
                ("environment", environment.into()),
                ("event_age", own["EventInvokeConfig"]["MaximumEventAgeInSeconds"].clone()),
                ("event_retries", own["EventInvokeConfig"]["MaximumRetryAttempts"].clone()),
            ]);
            all.insert(kebab(logical, "Function").into(), settings.into());
        }
        Ok(all.into())
    }

    fn alarms(&self) -> Result<Value> {
        const KEPT: [(&str, &str); 9] = [
            ("AlarmDescription", "description"),
            ("Namespace", "namespace"),
            ("MetricName", "metric"),
            ("Statistic", "statistic"),
            ("Period", "period"),
            ("EvaluationPeriods", "periods"),
            ("Threshold", "threshold"),
            ("ComparisonOperator", "comparison"),
            ("TreatMissingData", "missing"),
        ];
        // The name is made of the key, and every alarm tells the topic.
        const OTHER: [&str; 3] = ["AlarmName", "AlarmActions", "Dimensions"];
        let mut all = Mapping::new();
        for (logical, alarm) in self.of_type("AWS::CloudWatch::Alarm")? {
            let properties = alarm["Properties"].as_mapping().ok_or_else(|| format!("{logical} has no properties"))?;
            let mut settings = Mapping::new();
            for key in properties.keys().filter_map(Value::as_str) {
                match KEPT.iter().find(|(kept, _)| *kept == key) {
                    Some((_, name)) => _ = settings.insert((*name).into(), self.value(&properties[key])?),
                    None if OTHER.contains(&key) => {}
                    None => return Err(format!("{logical} has {key}, which nothing here carries over")),
                }
            }
            let dimension = &properties["Dimensions"][0];
            let of = referred(&dimension["Value"]).ok_or_else(|| format!("{logical} is of nothing"))?;
            let of = match self.kind(of) {
                "AWS::Serverless::Function" => format!("${{name}}-{}", kebab(of, "Function")),
                _ => self.arn(of)?,
            };
            settings.extend(mapping([("dimension", dimension["Name"].clone()), ("of", of.into())]));
            all.insert(kebab(logical, "Alarm").into(), settings.into());
        }
        Ok(all.into())
    }

    /// The body of the dashboard. Whoever has no dashboard has nothing.
    fn dashboard(&self) -> Result<String> {
        let Some((logical, dashboard)) = self.of_type("AWS::CloudWatch::Dashboard")?.into_iter().next() else {
            return Ok(String::new());
        };
        match &dashboard["Properties"]["DashboardBody"] {
            Value::Tagged(tagged) if tagged.tag == "Sub" => self.substituted(tagged.value.as_str().unwrap_or_default()),
            _ => Err(format!("{logical} has no body as a !Sub")),
        }
    }

    fn rules(&self) -> Result<Value> {
        let mut all = Mapping::new();
        for (logical, rule) in self.of_type("AWS::Events::Rule")? {
            let properties = &rule["Properties"];
            let target = &properties["Targets"][0];
            let enabled = match rule["Condition"].as_str() {
                Some(name) => raw(format!("${{{}}}", condition(name)?)),
                None => true.into(),
            };
            let function = match &target["Arn"] {
                Value::Tagged(tagged) => tagged.value.as_str().and_then(|arn| arn.strip_suffix(".Arn")),
                _ => None,
            };
            let function = function.ok_or_else(|| format!("{logical} calls no function"))?;
            let settings = mapping([
                ("description", self.value(&properties["Description"])?),
                ("pattern", self.value(&properties["EventPattern"])?),
                ("schedule", self.value(&properties["ScheduleExpression"])?),
                ("function", kebab(function, "Function").into()),
                ("enabled", enabled),
                ("event_age", target["RetryPolicy"]["MaximumEventAgeInSeconds"].clone()),
                ("event_retries", target["RetryPolicy"]["MaximumRetryAttempts"].clone()),
            ]);
            all.insert(kebab(logical, "Rule").into(), settings.into());
        }
        Ok(all.into())
    }

    fn policies(&self) -> Result<BTreeMap<String, &'a Value>> {
        let mut all = BTreeMap::new();
        for (logical, role) in self.of_type("AWS::IAM::Role")? {
            let policy = &role["Properties"]["Policies"][0];
            let name = policy["PolicyName"].as_str().ok_or_else(|| format!("{logical} has no policy"))?;
            let kind = if logical.ends_with("StateMachineRole") { "machine-" } else { "" };
            all.insert(format!("{kind}{name}"), &policy["PolicyDocument"]);
        }
        for (logical, policy) in self.of_type("AWS::IAM::ManagedPolicy")? {
            let name = format!("{PEOPLE}{}", kebab(logical, "Policy"));
            all.insert(name, &policy["Properties"]["PolicyDocument"]);
        }
        let properties = |name: &str| &self.0["Resources"][name]["Properties"];
        all.insert("topic".into(), &properties("TopicPolicy")["PolicyDocument"]);
        all.insert("topic-key".into(), &properties("TopicKey")["KeyPolicy"]);
        Ok(all)
    }

    /// A policy as a Terraform template. What depends on a condition comes first, so that a comma may follow it.
    fn policy(&self, document: &Value) -> Result<String> {
        let statements = document["Statement"].as_sequence().ok_or("has no statements")?;
        let (mut always, mut sometimes) = (Vec::new(), String::new());
        for statement in statements {
            let Value::Tagged(tagged) = statement else {
                always.push(self.statement(statement)?);
                continue;
            };
            let [name, then, otherwise] = tagged.value.as_sequence().map_or(&[][..], Vec::as_slice) else {
                return Err(format!("{} is no condition", tagged.tag));
            };
            let name = name.as_str().ok_or("a condition has no name")?;
            if tagged.tag != "If" || referred(otherwise) != Some("AWS::NoValue") {
                return Err(format!("{name} chooses between two statements"));
            }
            let then = self.statement(then)?;
            sometimes += &format!("%{{ if {} ~}}\n{then},\n%{{ endif ~}}\n", condition(name)?);
        }
        let always = always.join(",\n");
        Ok(format!("{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n{sometimes}{always}\n  ]\n}}\n"))
    }

    fn statement(&self, statement: &Value) -> Result<String> {
        let layout = |path: &[String]| if path.is_empty() { Layout::Block } else { Layout::Fit };
        let text = json::print(&self.value(statement)?, layout)?;
        Ok(text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"))
    }

    // ----------------------------------------------------------------------- from CloudFormation's words to Terraform's

    fn value(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::Tagged(tagged) => {
                let text = tagged.value.as_str().ok_or_else(|| format!("{} of no text", tagged.tag))?;
                if tagged.tag == "Ref" {
                    self.reference(text)?
                } else if tagged.tag == "Sub" {
                    self.substituted(text)?.into()
                } else {
                    self.attribute(text)?.into()
                }
            }
            Value::Mapping(fields) => {
                let fields = fields.iter().map(|(key, value)| Ok((key.clone(), self.value(value)?)));
                Value::Mapping(fields.collect::<Result<_>>()?)
            }
            Value::Sequence(elements) => {
                Value::Sequence(elements.iter().map(|element| self.value(element)).collect::<Result<_>>()?)
            }
            plain => plain.clone(),
        })
    }

    /// What a `!Sub` says.
    fn substituted(&self, text: &str) -> Result<String> {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, after) = part.split_once('}').ok_or_else(|| format!("{text} has an open brace"))?;
            let Value::String(value) = self.reference(name)? else {
                return Err(format!("{name} is a list, in {text}"));
            };
            whole += &value;
            whole += after;
        }
        Ok(whole)
    }

    fn reference(&self, name: &str) -> Result<Value> {
        if let Some((_, pseudo)) = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name) {
            return Ok(format!("${{{pseudo}}}").into());
        }
        let variable = kebab(name, "").replace('-', "_");
        match self.0["Parameters"][name]["Type"].as_str() {
            Some("CommaDelimitedList") => Ok(raw(format!("${{jsonencode({variable})}}"))),
            Some(_) => Ok(format!("${{{variable}}}").into()),
            None => Ok(self.arn(name)?.into()),
        }
    }

    /// What a `!GetAtt` says.
    fn attribute(&self, text: &str) -> Result<String> {
        self.arn(text.strip_suffix(".Arn").ok_or_else(|| format!("{text} is no ARN"))?)
    }

    fn kind(&self, logical: &str) -> &'a str {
        self.0["Resources"][logical]["Type"].as_str().unwrap_or_default()
    }

    /// The ARN of something that the module names itself.
    fn arn(&self, logical: &str) -> Result<String> {
        let here = |service: &str| format!("arn:${{partition}}:{service}:${{region}}:${{account}}");
        Ok(match self.kind(logical) {
            "AWS::Serverless::Function" => {
                format!("{}:function:${{name}}-{}", here("lambda"), kebab(logical, "Function"))
            }
            "AWS::Serverless::StateMachine" => {
                format!("{}:stateMachine:${{name}}-{}", here("states"), kebab(logical, "StateMachine"))
            }
            "AWS::DynamoDB::Table" => format!("{}:table/${{name}}", here("dynamodb")),
            "AWS::SNS::Topic" => format!("{}:${{name}}", here("sns")),
            "AWS::KMS::Key" => "${key_arn}".into(),
            "AWS::Logs::LogGroup" => {
                let group = self.value(&self.0["Resources"][logical]["Properties"]["LogGroupName"])?;
                format!("{}:log-group:{}:*", here("logs"), group.as_str().unwrap_or_default())
            }
            kind => return Err(format!("no ARN is known for {logical} {kind}")),
        })
    }
}

/// What a `!Ref` refers to.
fn referred(value: &Value) -> Option<&str> {
    match value {
        Value::Tagged(tagged) if tagged.tag == "Ref" => tagged.value.as_str(),
        _ => None,
    }
}

/// A Terraform expression that stands for a whole value, and is written without quotes.
fn raw(expression: String) -> Value {
    Value::Tagged(Box::new(TaggedValue { tag: Tag::new(RAW), value: expression.into() }))
}

fn condition(name: &str) -> Result<&'static str> {
    let known = CONDITIONS.iter().find(|(known, _)| *known == name);
    known.map(|(_, expression)| *expression).ok_or_else(|| format!("the condition {name} is not known here"))
}

#[cfg(test)]
mod tests {
    use super::generate;

    const TEMPLATE: &str = r#"
Parameters:
  OtherTopicArns: {Type: CommaDelimitedList}
  InstanceRoleArn: {Type: String}
Globals:
  Function: {MemorySize: 128, Timeout: 60, Environment: {Variables: {CROSSFADE_LOG: !Ref LogLevel}}}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  ActFunction:
    Type: AWS::Serverless::Function
    Properties: {Timeout: 90, Environment: {Variables: {A: b}}}
  ActRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: act
          PolicyDocument:
            Statement:
              - {Sid: One, Resource: !Ref Topic, Action: [a, b]}
              - !If [HasOtherTopics, {Sid: Two, Resource: !Ref OtherTopicArns}, !Ref AWS::NoValue]
              - {Sid: Three, Resource: !Sub "x:${AWS::Region}:${InstanceRoleArn}", Action: !GetAtt ActFunction.Arn}
  TopicPolicy: {Type: AWS::SNS::TopicPolicy, Properties: {PolicyDocument: {Statement: []}}}
  TopicKey: {Type: AWS::KMS::Key, Properties: {KeyPolicy: {Statement: []}}}
  SweepFailedAlarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: x
      Period: 60
      Dimensions: [{Name: FunctionName, Value: !Ref ActFunction}]
  NewImageRule:
    Type: AWS::Events::Rule
    Condition: HasTriggerOnImages
    Properties:
      ScheduleExpression: !Ref OtherTopicArns
      Targets: [{Arn: !GetAtt ActFunction.Arn, RetryPolicy: {MaximumEventAgeInSeconds: 3}}]
"#;

    fn file(name: &str) -> String {
        let files = generate(TEMPLATE).unwrap();
        files.into_iter().find(|file| file.path == format!("infra/terraform/{name}")).expect(name).text
    }

    #[test]
    fn a_policy_is_said_in_terraforms_words() {
        let expected = r#"{
  "Version": "2012-10-17",
  "Statement": [
%{ if length(other_topic_arns) > 0 ~}
    {
      "Sid": "Two",
      "Resource": ${jsonencode(other_topic_arns)}
    },
%{ endif ~}
    {
      "Sid": "One",
      "Resource": "arn:${partition}:sns:${region}:${account}:${name}",
      "Action": ["a", "b"]
    },
    {
      "Sid": "Three",
      "Resource": "x:${region}:${instance_role_arn}",
      "Action": "arn:${partition}:lambda:${region}:${account}:function:${name}-act"
    }
  ]
}
"#;
        assert_eq!(file("policies/act.json.tftpl"), expected);
    }

    #[test]
    fn functions_alarms_and_rules_keep_their_settings() {
        let functions = file("functions.json");
        for expected in
            ["\"act\"", "\"timeout\": 90", "\"memory\": 128", "[\"A\", \"CROSSFADE_LOG\"]", "\"event_age\": null"]
        {
            assert!(functions.contains(expected), "{functions}");
        }
        let alarms = file("alarms.json.tftpl");
        assert!(alarms.contains(r#""of": "${name}-act""#) && alarms.contains(r#""period": 60"#), "{alarms}");
        let rules = file("rules.json.tftpl");
        assert!(rules.contains(r#""schedule": ${jsonencode(other_topic_arns)}"#), "{rules}");
        assert!(rules.contains(r#""enabled": ${trigger_on_images}"#) && rules.contains(r#""event_age": 3"#), "{rules}");
    }

    #[test]
    fn what_nobody_would_carry_over_is_refused() {
        for (good, bad, expected) in [
            ("AlarmName: x", "Unit: x", "SweepFailedAlarm has Unit"),
            ("!If [HasOtherTopics", "!If [HasJugglers", "HasJugglers is not known"),
            ("!Ref AWS::NoValue", "{Sid: Four}", "chooses between two"),
            ("!Ref Topic", "!Ref Juggler", "no ARN is known for Juggler"),
            ("${InstanceRoleArn}", "${OtherTopicArns}", "is a list"),
        ] {
            let problem = generate(&TEMPLATE.replacen(good, bad, 1)).err().unwrap_or_default();
            assert!(problem.contains(expected), "{bad}: {problem}");
        }
    }
}
