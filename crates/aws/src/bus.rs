//! Events on EventBridge, for whoever has rules there. An event must never fail a deployment: callers log what goes wrong here and go
//! on.

use aws_types::SdkConfig;
use crossfade_core::news::{News, SOURCE};
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use crate::call::{Ask, Client, Protocol, Service};
use crate::refusal::called;

const EVENTS: Service = Service { id: "EventBridge", name: "events", protocol: Protocol::Json };
/// The most entries of one call (EventBridge API reference, PutEvents).
const AT_ONCE: usize = 10;
/// How often entries are sent that EventBridge has not taken, though it has answered.
const ATTEMPTS: u32 = 3;

/// The account's default event bus.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
}

impl Bus {
    /// The bus that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(&EVENTS, config) }
    }

    /// Puts events on the bus, in their order. Of several that are sent at once EventBridge may take some: the others are sent again.
    ///
    /// # Errors
    /// What EventBridge says of those that it does not take.
    pub async fn put(&self, news: &[News]) -> Result<()> {
        for some in news.chunks(AT_ONCE) {
            let mut entries: Vec<Value> = some.iter().map(entry).collect();
            let mut why = String::new();
            for _ in 0..ATTEMPTS {
                if entries.is_empty() {
                    break;
                }
                let ask = Ask::json("PutEvents", "AWSEvents.PutEvents", &json!({ "Entries": entries }));
                let answer = self.client.call(ask).await.and_then(|answer| answer.json());
                let answer = answer.map_err(|error| called("events:PutEvents", "the default event bus", &error))?;
                let refused = |(i, _): &(usize, Value)| answer["Entries"][*i]["ErrorCode"].is_string();
                let left: Vec<(usize, Value)> = entries.into_iter().enumerate().filter(refused).collect();
                if let Some((i, _)) = left.first() {
                    let said = |name: &str| answer["Entries"][*i][name].as_str().unwrap_or_default().to_owned();
                    why = format!("{}: {}", said("ErrorCode"), said("ErrorMessage"));
                }
                entries = left.into_iter().map(|(_, entry)| entry).collect();
            }
            if !entries.is_empty() {
                let count = entries.len();
                return Err(Kind::RequestRefused.because(format!("EventBridge does not take {count} events: {why}")));
            }
        }
        Ok(())
    }
}

fn entry(news: &News) -> Value {
    let about = news.about();
    json!({
        "Source": SOURCE,
        "DetailType": news.detail_type(),
        "Detail": news.detail(),
        "Time": about.at_millis / 1000,
        "Resources": [about.execution_arn],
    })
}
