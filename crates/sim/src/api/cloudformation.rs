//! CloudFormation (AWS Query): stacks with a status and outputs, as `DescribeStacks` tells them. Stacks are made by whoever
//! sets the account up; nothing is deployed here.

use std::collections::BTreeMap;

use super::query::{Xml, answer, only, page, parse};
use crate::connector::{ACCOUNT, REGION};
use crate::world::{Refusal, Tree};
use crate::{Request, Response};

const NAMESPACE: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
/// How many stacks one answer holds.
const PAGE: usize = 100;

/// The stacks of the account.
#[derive(Debug, Default)]
pub struct Stacks {
    by_name: BTreeMap<String, Stack>,
}

#[derive(Debug)]
struct Stack {
    arn: String,
    status: String,
    outputs: BTreeMap<String, String>,
}

impl Stacks {
    /// Makes a stack, complete and with these outputs, in the place of any other of that name; answers its ARN.
    pub fn define(&mut self, name: &str, outputs: &[(&str, &str)]) -> String {
        let number = self.by_name.len();
        let arn =
            format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/00000000-0000-4000-8000-{number:012}");
        let outputs = outputs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.by_name.insert(name.to_owned(), Stack { arn: arn.clone(), status: "CREATE_COMPLETE".into(), outputs });
        arn
    }

    /// Sets the status of a stack, such as `UPDATE_IN_PROGRESS`. A deleted one is only found by its ARN.
    pub fn set_status(&mut self, name: &str, status: &str) {
        if let Some(stack) = self.by_name.get_mut(name) {
            status.clone_into(&mut stack.status);
        }
    }

    /// Answers one request.
    pub fn handle(&self, request: &Request) -> Response {
        let form = parse(&request.form);
        let outcome = match request.operation.as_str() {
            "DescribeStacks" => self.describe(&form),
            other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
        };
        answer(request, NAMESPACE, outcome)
    }

    fn describe(&self, form: &Tree) -> Result<Xml, Refusal> {
        only(form, &["StackName", "NextToken"])?;
        let alive = |stack: &Stack| stack.status != "DELETE_COMPLETE";
        let (found, next) = match form.str("StackName") {
            None => {
                let all = self.by_name.iter().filter(|(_, stack)| alive(stack)).collect();
                page(all, form.str("NextToken"), PAGE)?
            }
            Some(asked) => {
                let of_name =
                    |(name, stack): &(&String, &Stack)| stack.arn == asked || (name.as_str() == asked && alive(stack));
                let found = self.by_name.iter().find(of_name);
                let missing = || Refusal::validation(&format!("Stack with id {asked} does not exist"));
                (vec![found.ok_or_else(missing)?], None)
            }
        };
        let mut xml = Xml::new();
        xml.members("Stacks", found, |xml, (name, stack)| {
            xml.leaf("StackId", &stack.arn).leaf("StackName", name);
            xml.leaf("CreationTime", "2026-01-01T00:00:00Z").leaf("StackStatus", &stack.status);
            xml.members("Outputs", &stack.outputs, |xml, (key, value)| {
                xml.leaf("OutputKey", key).leaf("OutputValue", value);
            });
        });
        xml.maybe("NextToken", next);
        Ok(xml)
    }
}
