//! What ECS did with a service, and tried to: its tasks that stopped, what it said about those that it could not start, and what
//! Application Auto Scaling did.

use crossfade_core::observed::{Because, Happened, Incident};
use crossfade_core::{Result, text as words};
use serde_json::{Value, json};

use super::Services;
use super::client::{list, millis, text};
use super::read::short;
use super::services::DIMENSION;

impl Services {
    /// What happened to a service since then, newest first. Tasks that stopped stay listed for an hour.
    pub(super) async fn happened(&self, name: &str, since_millis: u64) -> Result<Vec<Incident>> {
        // Times come in whole seconds or finer.
        let since = since_millis / 1000 * 1000;
        let stopped = self.task_arns(name, "STOPPED").await?;
        let mut incidents: Vec<Incident> = self.described(&stopped).await?.iter().filter_map(of_task).collect();
        if let Some(service) = self.service(name).await? {
            incidents.extend(list(&service, "events").iter().filter_map(of_event));
        }
        incidents.extend(self.scaled(name).await?);
        incidents.retain(|incident| incident.at_millis >= since);
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.at_millis));
        Ok(incidents)
    }

    /// What Application Auto Scaling did to a service.
    async fn scaled(&self, name: &str) -> Result<Vec<Incident>> {
        let ask = json!({
            "ServiceNamespace": "ecs", "ResourceId": self.resource(name), "ScalableDimension": DIMENSION, "MaxResults": 50,
        });
        let activities = self.scaling_pages("DescribeScalingActivities", ask, "ScalingActivities", name).await?;
        Ok(activities.iter().filter_map(of_activity).collect())
    }
}

/// A task that has stopped, or is to.
fn of_task(task: &Value) -> Option<Incident> {
    let at_millis = millis(task, "stoppedAt").or_else(|| millis(task, "stoppingAt"))?;
    let said = words::one_line(text(task, "stoppedReason"), words::COMMENT);
    let ran = millis(task, "startedAt").is_some();
    let ill = said.contains("health check");
    // Of the containers the one that did not end well says more than that the task stopped.
    let died = list(task, "containers")
        .iter()
        .find(|it| it.get("exitCode").and_then(Value::as_i64).is_some_and(|code| code != 0));
    let exit = died.map_or_else(String::new, |it| {
        let reason = Some(text(it, "reason")).filter(|reason| !reason.is_empty());
        let reason = reason.map_or_else(String::new, |reason| format!(", {}", words::one_line(reason, words::COMMENT)));
        format!(" ({} ended with {}{reason})", text(it, "name"), it["exitCode"])
    });
    let reason = format!("{said}{exit}");
    let (what, because, failed) = match text(task, "stopCode") {
        "TaskFailedToStart" => (Happened::Launch, Because::Other, true),
        "EssentialContainerExited" if !ran => (Happened::Launch, Because::Other, true),
        // It ran, and died by itself: ECS replaces it for ever (P77).
        "EssentialContainerExited" => (Happened::End, Because::Health, true),
        _ if ill => (Happened::End, Because::Health, false),
        _ => (Happened::End, Because::Other, false),
    };
    let id = short(text(task, "taskArn")).to_owned();
    let said = format!("Task {id} stopped: {reason}");
    Some(Incident { id, at_millis, what, because, failed, reason: Some(reason).filter(|it| !it.is_empty()), said })
}

/// What ECS says about a service. Its words vary; only that no task could be placed is read out of them, since nothing else says so.
fn of_event(event: &Value) -> Option<Incident> {
    let at_millis = millis(event, "createdAt")?;
    let said = words::one_line(text(event, "message"), words::COMMENT);
    let hopeless =
        ["was unable to place a task", "is unable to consistently start tasks", "was unable to start a task"];
    let failed = hopeless.iter().any(|it| said.contains(it));
    let what = if failed { Happened::Launch } else { Happened::Other };
    let reason = failed.then(|| said.clone());
    // Told once, however often it says the same.
    let id = said.clone();
    Some(Incident { id, at_millis, what, because: Because::Other, failed, reason, said })
}

fn of_activity(activity: &Value) -> Option<Incident> {
    let at_millis = millis(activity, "StartTime")?;
    let cause = words::one_line(text(activity, "Cause"), words::COMMENT);
    let scheduled = cause.contains("scheduled action");
    let said = words::one_line(text(activity, "Description"), words::COMMENT);
    Some(Incident {
        id: text(activity, "ActivityId").to_owned(),
        at_millis,
        what: Happened::Other,
        because: if scheduled { Because::Schedule } else { Because::Other },
        failed: false,
        reason: None,
        said: format!("{said} ({cause})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(task: Value) -> (Happened, Because, bool) {
        let mut stopped = json!({ "taskArn": "arn:x:task/shop/abc", "stoppedAt": 1_764_000_000.25 });
        stopped.as_object_mut().expect("it is one").extend(task.as_object().expect("it is one").clone());
        let incident = of_task(&stopped).expect("it has stopped");
        assert_eq!(incident.at_millis, 1_764_000_000_250);
        (incident.what, incident.because, incident.failed)
    }

    #[test]
    fn p77_a_task_that_runs_and_dies_is_told_from_one_that_never_ran() {
        let exited = "EssentialContainerExited";
        assert_eq!(of(json!({ "stopCode": "TaskFailedToStart" })), (Happened::Launch, Because::Other, true));
        assert_eq!(of(json!({ "stopCode": exited })), (Happened::Launch, Because::Other, true));
        assert_eq!(of(json!({ "stopCode": exited, "startedAt": 1.0 })), (Happened::End, Because::Health, true));
        let ill = json!({ "stopCode": "ServiceSchedulerInitiated", "startedAt": 1.0,
            "stoppedReason": "Task failed ELB health checks in (target-group arn:x)" });
        assert_eq!(of(ill), (Happened::End, Because::Health, false));
        let scaled = json!({ "stopCode": "ServiceSchedulerInitiated", "startedAt": 1.0,
            "stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1)" });
        assert_eq!(of(scaled), (Happened::End, Because::Other, false));
    }

    #[test]
    fn p93_that_no_task_could_be_placed_only_an_event_says() {
        let event = |message: &str| of_event(&json!({ "createdAt": 1.0, "message": message })).expect("it has a time");
        let placed = event(
            "(service shop__7) was unable to place a task because no container instance met all of its requirements.",
        );
        assert!(placed.failed && placed.what == Happened::Launch);
        assert!(!event("(service shop__7) has reached a steady state.").failed);
    }
}
