//! SNS: topics, and what was published to them. Nobody subscribes here; tests read [`Topics::published`].
//!
//! Supported: `CreateTopic`, `ListTopics`, `Publish`. Everything else is refused with `InvalidAction`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::connector::{ACCOUNT, REGION};
use crate::{Request, Response, Service};

/// How many topics one `ListTopics` answer holds at most (SNS API reference).
const LIST_PAGE: usize = 100;
/// The longest message, attributes included, in bytes (SNS API reference).
const MESSAGE_BYTES: usize = 256 * 1024;

/// One message that reached a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// When, in milliseconds since 1970.
    pub at_millis: u64,
    /// The topic's ARN.
    pub topic_arn: String,
    /// The id that the publisher was given.
    pub message_id: String,
    /// The subject, if there was one.
    pub subject: Option<String>,
    /// The message.
    pub message: String,
    /// The message attributes by name, with the string value (or the base64 text of a binary one).
    pub attributes: BTreeMap<String, String>,
}

/// All topics of the account and what was published to them.
#[derive(Debug, Default)]
pub struct Topics {
    arns: BTreeSet<String>,
    published: Vec<Published>,
}

impl Topics {
    /// Makes a topic and returns its ARN; the same name gives the same topic.
    pub fn define(&mut self, name: &str) -> String {
        let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}");
        self.arns.insert(arn.clone());
        arn
    }

    /// Everything that was published so far, in order.
    pub fn published(&self) -> &[Published] {
        &self.published
    }

    /// Answers one request that arrives at `now_millis`.
    pub fn handle(&mut self, request: &Request, now_millis: u64) -> Response {
        let outcome = match request.operation.as_str() {
            "CreateTopic" => self.create(&request.form),
            "ListTopics" => self.list(&request.form),
            "Publish" => self.publish(&request.form, now_millis),
            other => Err(Refusal(400, "InvalidAction", format!("the simulated SNS has no operation {other}"))),
        };
        let operation = &request.operation;
        match outcome {
            Ok(result) => Response::xml(
                200,
                format!(
                    "<{operation}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\">\
                     <{operation}Result>{result}</{operation}Result>\
                     <ResponseMetadata><RequestId>sim</RequestId></ResponseMetadata></{operation}Response>"
                ),
            ),
            Err(Refusal(status, code, message)) => Response::error(Service::Sns, status, code, &message),
        }
    }

    fn create(&mut self, form: &BTreeMap<String, String>) -> Result<String, Refusal> {
        let name = form.get("Name").map(String::as_str).unwrap_or_default();
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if stem.is_empty() || name.len() > 256 || !stem.chars().all(allowed) {
            return Err(invalid("Invalid parameter: Topic Name"));
        }
        let arn = self.define(name);
        Ok(format!("<TopicArn>{arn}</TopicArn>"))
    }

    fn list(&self, form: &BTreeMap<String, String>) -> Result<String, Refusal> {
        // The token is the last ARN of the page before, so it stays right when topics come and go.
        let after = form.get("NextToken").map(String::as_str).unwrap_or_default();
        let mut rest = self.arns.iter().filter(|arn| arn.as_str() > after).peekable();
        let mut members = String::new();
        let mut last = after;
        for arn in rest.by_ref().take(LIST_PAGE) {
            let _ = write!(members, "<member><TopicArn>{arn}</TopicArn></member>");
            last = arn;
        }
        let next = if rest.peek().is_some() { format!("<NextToken>{last}</NextToken>") } else { String::new() };
        Ok(format!("<Topics>{members}</Topics>{next}"))
    }

    fn publish(&mut self, form: &BTreeMap<String, String>, now_millis: u64) -> Result<String, Refusal> {
        for unknown in ["TargetArn", "PhoneNumber", "MessageStructure", "MessageGroupId", "MessageDeduplicationId"] {
            if form.contains_key(unknown) {
                return Err(invalid(&format!("Invalid parameter: {unknown} is not simulated")));
            }
        }
        let topic_arn = form.get("TopicArn").ok_or_else(|| {
            invalid("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter")
        })?;
        if !self.arns.contains(topic_arn) {
            return Err(Refusal(404, "NotFound", "Topic does not exist".to_owned()));
        }
        let message = form.get("Message").map(String::as_str).unwrap_or_default();
        if message.is_empty() {
            return Err(invalid("Invalid parameter: Empty message"));
        }
        let subject = form.get("Subject").cloned();
        // At most 100 characters of ASCII without control characters (SNS API reference, Publish).
        let fits = |s: &String| !s.is_empty() && s.len() <= 100 && s.chars().all(|c| c.is_ascii() && !c.is_control());
        if subject.as_ref().is_some_and(|subject| !fits(subject)) {
            return Err(invalid("Invalid parameter: Subject"));
        }
        let attributes = attributes(form)?;
        let bytes = message.len() + attributes.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        if bytes > MESSAGE_BYTES {
            return Err(invalid("Invalid parameter: Message too long"));
        }

        let message_id = format!("00000000-0000-4000-8000-{:012}", self.published.len());
        let result = format!("<MessageId>{message_id}</MessageId>");
        self.published.push(Published {
            at_millis: now_millis,
            topic_arn: topic_arn.clone(),
            message_id,
            subject,
            message: message.to_owned(),
            attributes,
        });
        Ok(result)
    }
}

/// `MessageAttributes.entry.N.Name`, `….Value.DataType`, `….Value.StringValue` or `….Value.BinaryValue`.
fn attributes(form: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut attributes = BTreeMap::new();
    for n in 1.. {
        let prefix = format!("MessageAttributes.entry.{n}");
        let Some(name) = form.get(&format!("{prefix}.Name")) else { break };
        if !form.contains_key(&format!("{prefix}.Value.DataType")) {
            return Err(invalid(&format!("The message attribute '{name}' must contain a non-empty attribute type")));
        }
        let value = ["StringValue", "BinaryValue"].iter().find_map(|kind| form.get(&format!("{prefix}.Value.{kind}")));
        let value = value.ok_or_else(|| invalid(&format!("The message attribute '{name}' must contain a value")))?;
        attributes.insert(name.clone(), value.clone());
    }
    Ok(attributes)
}

/// Status, code and message of a refusal.
struct Refusal(u16, &'static str, String);

fn invalid(message: &str) -> Refusal {
    Refusal(400, "InvalidParameter", message.to_owned())
}
