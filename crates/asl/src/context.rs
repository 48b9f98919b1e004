//! The context object (`$$`).

use serde_json::{Value, json};

/// What an execution is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutionContext {
    /// The execution's ARN (`$$.Execution.Id`).
    pub arn: String,
    /// The execution's name.
    pub name: String,
    /// The state machine's ARN (`$$.StateMachine.Id`).
    pub state_machine_arn: String,
    /// The state machine's name.
    pub state_machine_name: String,
    /// The role that the machine runs under.
    pub role_arn: String,
    /// The input.
    pub input: Value,
    /// When it was started, in milliseconds since 1970.
    pub start_millis: u64,
}

impl ExecutionContext {
    /// The context object within a state; `token` only in a Task that waits for it.
    pub(crate) fn object(&self, state: &str, entered_millis: u64, retries: u64, token: Option<&str>) -> Value {
        let mut object = json!({
            "Execution": {
                "Id": self.arn,
                "Input": self.input,
                "Name": self.name,
                "RoleArn": self.role_arn,
                "StartTime": iso(self.start_millis),
            },
            "State": { "EnteredTime": iso(entered_millis), "Name": state, "RetryCount": retries },
            "StateMachine": { "Id": self.state_machine_arn, "Name": self.state_machine_name },
        });
        if let Some(token) = token {
            object["Task"] = json!({ "Token": token });
        }
        object
    }
}

/// `2026-01-31T09:00:00.000Z`.
fn iso(millis: u64) -> String {
    let instant = i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    format!("{:.3}", instant.unwrap_or(jiff::Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_milliseconds() {
        assert_eq!(super::iso(1_767_603_600_005), "2026-01-05T09:00:00.005Z");
        assert_eq!(super::iso(1_767_603_600_000), "2026-01-05T09:00:00.000Z");
    }
}
