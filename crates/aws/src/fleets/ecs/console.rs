//! What the containers of a task have printed, as far as CloudWatch Logs keeps it, and how they ended.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use crossfade_core::{Kind, Result, text};
use serde_json::{Value, json};

use super::Services;
use super::client::{list, text as of};
use super::read::short;
use crate::fleets::{Console, PRINTED, Printed};
use crate::refusal::called;

/// How many of a container's last lines are read.
const LINES: u32 = 1_000;

/// Where a container's log stands.
#[derive(Debug, PartialEq, Eq)]
enum Log {
    /// In this group and stream of CloudWatch Logs.
    Stream(String, String),
    /// Nowhere that can be read here, and why.
    Elsewhere(String),
}

impl Services {
    /// What a task has printed.
    pub(super) async fn printed_by(&self, task: &str) -> Result<Console> {
        let Some(found) = self.described(&[task.to_owned()]).await?.into_iter().next() else {
            return Err(Kind::RequestRefused.because(format!(
                "There is no task {task} in the cluster {}. ECS shows a task for an hour after it has stopped.",
                self.cluster
            )));
        };
        let arn = of(&found, "taskDefinitionArn");
        let definition = self.definition(arn).await?.map(|(definition, _)| definition).unwrap_or_default();
        let mut parts = Vec::new();
        for container in list(&definition, "containerDefinitions") {
            let name = of(container, "name");
            let runs = list(&found, "containers").iter().find(|it| of(it, "name") == name).unwrap_or(&Value::Null);
            parts.push(self.printed_in(task, container, runs).await);
        }
        Ok(Console { notes: ended(&found), parts })
    }

    async fn printed_in(&self, task: &str, container: &Value, runs: &Value) -> Printed {
        let name = of(container, "name");
        let mut printed = Printed { of: name.into(), text: None, at_millis: None, notes: exited(runs) };
        let (group, stream) = match log_of(container, short(task), of(runs, "runtimeId"), &self.client.region) {
            Log::Stream(group, stream) => (group, stream),
            Log::Elsewhere(why) => {
                printed.notes.push(why);
                return printed;
            }
        };
        let ask = json!({ "logGroupName": group, "logStreamName": stream, "limit": LINES, "startFromHead": false });
        match self.client.logs("GetLogEvents", &ask).await {
            Ok(answer) => {
                let lines = list(&answer, "events");
                printed.at_millis = lines.last().and_then(|it| it["ingestionTime"].as_u64());
                let all = text::printed(&lines.iter().map(line).collect::<String>());
                printed.text = Some(text::end(&all, PRINTED).to_owned()).filter(|text| !text.is_empty());
                printed.notes.push(match printed.text {
                    Some(_) => format!("The end of {stream} in the log group {group}."),
                    None => format!("{stream} in the log group {group} has no line of the last days."),
                });
            }
            Err(error) if error.code() == Some("ResourceNotFoundException") => {
                printed
                    .notes
                    .push(format!("There is no {stream} in the log group {group}: it has printed nothing yet."));
            }
            Err(error) => printed.notes.push(called("logs:GetLogEvents", &group, &error).message),
        }
        printed
    }
}

/// A line of the log with its time.
fn line(event: &Value) -> String {
    let at = event["timestamp"].as_i64().and_then(|at| DateTime::from_millis(at).fmt(Format::DateTime).ok());
    format!("{} {}\n", at.unwrap_or_default(), of(event, "message").trim_end())
}

/// Why a task has stopped, or is stopping.
fn ended(task: &Value) -> Vec<String> {
    let (code, reason) = (of(task, "stopCode"), of(task, "stoppedReason"));
    match (code, reason) {
        ("", "") => Vec::new(),
        (code, "") => vec![format!("The task is {}: {code}.", of(task, "lastStatus"))],
        (code, reason) => {
            let code = if code.is_empty() { String::new() } else { format!("{code}: ") };
            vec![format!("The task is {}: {code}{}.", of(task, "lastStatus"), reason.trim_end_matches('.'))]
        }
    }
}

/// How a container has ended.
fn exited(runs: &Value) -> Vec<String> {
    let code = runs["exitCode"].as_i64().map(|code| format!("It has ended with exit code {code}."));
    let reason = Some(of(runs, "reason")).filter(|reason| !reason.is_empty());
    code.into_iter().chain(reason.map(|reason| format!("{}.", reason.trim_end_matches('.')))).collect()
}

/// Where the log of a container of a task stands (ECS developer guide, "Send Amazon ECS logs to CloudWatch").
fn log_of(container: &Value, task: &str, docker: &str, region: &str) -> Log {
    let log = &container["logConfiguration"];
    let option = |name: &str| log["options"][name].as_str().unwrap_or_default();
    let name = of(container, "name");
    match of(log, "logDriver") {
        "" => Log::Elsewhere("Its task definition names no log driver: what it prints is not kept by AWS.".into()),
        "awslogs" => {
            let (group, of_region) = (option("awslogs-group"), option("awslogs-region"));
            // Without a prefix the stream is called as Docker calls the container.
            let stream = match (option("awslogs-stream-prefix"), docker) {
                ("", "") => return Log::Elsewhere("It has not started yet, and has no log.".into()),
                ("", docker) => docker.to_owned(),
                (prefix, _) => format!("{prefix}/{name}/{task}"),
            };
            if !of_region.is_empty() && of_region != region {
                return Log::Elsewhere(format!(
                    "Its log is in another region: aws logs get-log-events --region {of_region} --log-group-name {group} \
                     --log-stream-name {stream}"
                ));
            }
            Log::Stream(group.to_owned(), stream)
        }
        other => Log::Elsewhere(format!("It logs by {other}, which is not read here.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(log: &Value) -> Value {
        json!({ "name": "web", "logConfiguration": log })
    }

    #[test]
    fn a_log_stands_where_the_task_definition_says() {
        let awslogs = |options: Value| container(&json!({ "logDriver": "awslogs", "options": options }));
        let place = |container: &Value, docker: &str| log_of(container, "0a1b", docker, "eu-west-1");
        let prefixed = awslogs(json!({ "awslogs-group": "/shop", "awslogs-stream-prefix": "app" }));
        assert_eq!(place(&prefixed, ""), Log::Stream("/shop".into(), "app/web/0a1b".into()));
        let bare = awslogs(json!({ "awslogs-group": "/shop", "awslogs-region": "eu-west-1" }));
        assert_eq!(place(&bare, "d0c4e4"), Log::Stream("/shop".into(), "d0c4e4".into()));
        for (container, words) in [
            (bare, "not started yet"),
            (
                awslogs(
                    json!({ "awslogs-group": "/shop", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "app" }),
                ),
                "--region us-east-1",
            ),
            (container(&json!({ "logDriver": "awsfirelens" })), "awsfirelens"),
            (container(&Value::Null), "no log driver"),
        ] {
            assert!(matches!(place(&container, ""), Log::Elsewhere(why) if why.contains(words)), "{words}");
        }
    }

    #[test]
    fn how_a_task_and_its_containers_ended_is_said() {
        let task = json!({ "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited" });
        assert_eq!(
            ended(&task),
            ["The task is STOPPED: EssentialContainerExited: Essential container in task exited."]
        );
        assert_eq!(ended(&json!({ "lastStatus": "RUNNING" })), Vec::<String>::new());
        let runs = json!({ "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage" });
        assert_eq!(
            exited(&runs),
            ["It has ended with exit code 137.", "OutOfMemoryError: Container killed due to memory usage."]
        );
    }
}
