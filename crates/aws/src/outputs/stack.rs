//! The outputs of a CloudFormation stack.

use std::collections::BTreeMap;

use crossfade_core::document::references::Found;

use super::{Fetched, missing, unavailable};
use crate::call::{CallError, Client, Element, Parameters};

/// The version of CloudFormation's API (its service model).
const VERSION: &str = "2010-05-15";

/// What is read of a stack.
struct Stack {
    status: String,
    outputs: BTreeMap<String, String>,
}

/// The outputs of the stack of this name or ARN, once it has settled.
pub(super) async fn outputs(client: &Client, name: &str) -> Fetched {
    let mut parameters = Parameters::default();
    parameters.put("StackName", name);
    let answer = client.call(parameters.ask("DescribeStacks", VERSION)).await;
    let stack = match answer.and_then(|answer| answer.read(described)) {
        Ok(stack) => stack,
        Err(error) if error.code() == Some("ValidationError") && error.message().contains("does not exist") => {
            return Err(gone(name));
        }
        Err(error) => return Err(unavailable("cloudformation:DescribeStacks", "ReadableStackArns", name, &error)),
    };
    match stack.status.as_str() {
        "DELETE_COMPLETE" => Err(gone(name)),
        status if status.ends_with("_COMPLETE") => Ok(Found::Outputs(stack.outputs)),
        status if status.ends_with("_IN_PROGRESS") => Err(missing(
            format!("the stack {name} is in {status}, and its outputs may change"),
            "Start again when it has settled.",
        )),
        status => Err(missing(
            format!("the stack {name} is in {status}, and its outputs may be wrong"),
            "Repair the stack and start again.",
        )),
    }
}

fn gone(name: &str) -> super::Unavailable {
    missing(
        format!("there is no stack {name} in this account and region"),
        "Correct the name, or create the stack first.",
    )
}

/// The stack that `DescribeStacks` was asked for.
fn described(root: Element<'_>) -> Result<Stack, CallError> {
    let stack = root.required_child("DescribeStacksResult")?.members("Stacks").next();
    let stack = stack.ok_or_else(|| CallError::unreadable("CloudFormation answered without the stack".into()))?;
    let outputs = stack.members("Outputs").map(|output| {
        let value = output.required_child("OutputValue")?.own_text().unwrap_or_default();
        Ok((output.required("OutputKey")?, value))
    });
    Ok(Stack { status: stack.required("StackStatus")?, outputs: outputs.collect::<Result<_, CallError>>()? })
}
