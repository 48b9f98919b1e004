//! EventBridge (AWS JSON 1.1): the default event bus and what was put on it; tests read [`Bus::events`]. The rules of an installation, which
//! are about AWS's own events, are in `crates/local`.
//!
//! Supported: `PutEvents`. Everything else is refused as not implemented.

use serde_json::{Value, json};

use crate::connector::{ACCOUNT, REGION};
use crate::{Request, Response};

/// The most entries of one request, and the most bytes of all of them together (EventBridge API reference, PutEvents).
const ENTRIES: usize = 10;
const BYTES: usize = 256 * 1024;

/// One event that was put on the bus, as a rule's target would get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When it came, in milliseconds since 1970.
    pub at_millis: u64,
    /// Its source.
    pub source: String,
    /// What it is called.
    pub detail_type: String,
    /// What it says.
    pub detail: Value,
    /// What it is about.
    pub resources: Vec<String>,
    /// Who put it there.
    pub caller: Option<String>,
}

/// The default event bus.
#[derive(Debug, Default)]
pub struct Bus {
    events: Vec<Event>,
    /// How many of the next entries are not taken.
    refusing: usize,
}

impl Bus {
    /// Everything that was put on it so far, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// From now on so many entries are answered with an error of their own, though the request is not.
    pub fn refuse_entries(&mut self, entries: usize) {
        self.refusing = entries;
    }

    /// Answers one request that arrives at `now_millis`.
    pub fn handle(&mut self, request: &Request, now_millis: u64) -> Response {
        let answer = match request.operation.as_str() {
            "PutEvents" => self.put(request, now_millis),
            other => Err((501, "NotImplemented", format!("The simulated account has no operation {other}."))),
        };
        let response = match answer {
            Ok(answer) => Response::json(200, &answer),
            Err((status, code, message)) => Response::refuse(request, status, code, &message),
        };
        Response { content_type: "application/x-amz-json-1.1", ..response }
    }

    fn put(&mut self, request: &Request, now_millis: u64) -> Result<Value, (u16, &'static str, String)> {
        let invalid = |message: &str| (400, "ValidationException", message.to_owned());
        let entries = request.json["Entries"].as_array().filter(|entries| !entries.is_empty());
        let entries = entries.ok_or_else(|| invalid("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1"))?;
        if entries.len() > ENTRIES {
            return Err(invalid(
                "1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10",
            ));
        }
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        // As AWS counts them: EventBridge user guide, "Calculating PutEvents event entry size".
        let bytes = |entry: &Value| -> usize {
            let texts: usize = ["Source", "DetailType", "Detail"].iter().map(|name| text(entry, name).len()).sum();
            let resources = entry["Resources"].as_array().into_iter().flatten().filter_map(Value::as_str);
            texts + resources.map(str::len).sum::<usize>() + if entry["Time"].is_null() { 0 } else { 14 }
        };
        if entries.iter().map(bytes).sum::<usize>() > BYTES {
            return Err(invalid("Total size of the entries in the request is over the limit."));
        }
        let mut answers = Vec::new();
        for entry in entries {
            let known = ["Source", "DetailType", "Detail", "Time", "Resources", "EventBusName", "TraceHeader"];
            if let Some(unknown) =
                entry.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()))
            {
                return Err((400, "SerializationException", format!("{} is no member of an entry.", unknown.0)));
            }
            answers.push(match self.taken(entry, request.caller.as_deref(), now_millis) {
                Ok(()) => json!({ "EventId": format!("00000000-0000-4000-8000-{:012}", self.events.len()) }),
                Err((code, message)) => json!({ "ErrorCode": code, "ErrorMessage": message }),
            });
        }
        let failed = answers.iter().filter(|answer| answer["ErrorCode"].is_string()).count();
        Ok(json!({ "FailedEntryCount": failed, "Entries": answers }))
    }

    fn taken(&mut self, entry: &Value, caller: Option<&str>, now_millis: u64) -> Result<(), (&'static str, String)> {
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let needed = |name: &str| {
            let why = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            text(name).ok_or(("InvalidArgument", why))
        };
        if self.refusing > 0 {
            self.refusing -= 1;
            return Err(("InternalFailure", "Try again later.".into()));
        }
        let bus = text("EventBusName").unwrap_or_else(|| "default".into());
        if bus != "default" && bus != format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default") {
            return Err(("ResourceNotFoundException", format!("Event bus {bus} does not exist.")));
        }
        let (source, detail_type) = (needed("Source")?, needed("DetailType")?);
        if source.starts_with("aws.") {
            return Err(("NotAuthorizedForSourceException", "Not authorized for the source.".into()));
        }
        let detail: Value = serde_json::from_str(&needed("Detail")?)
            .ok()
            .filter(Value::is_object)
            .ok_or(("MalformedDetail", "Detail is malformed.".to_owned()))?;
        if !(entry["Time"].is_null() || entry["Time"].is_number()) {
            return Err(("InvalidArgument", "Parameter Time is not valid.".into()));
        }
        let resources = entry["Resources"].as_array().into_iter().flatten();
        let resources = resources.filter_map(Value::as_str).map(str::to_owned).collect();
        let caller = caller.map(str::to_owned);
        self.events.push(Event { at_millis: now_millis, source, detail_type, detail, resources, caller });
        Ok(())
    }
}
