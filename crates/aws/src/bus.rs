//! Events on EventBridge, for whoever has rules there. An event must never fail a deployment: callers keep what is not taken, and go
//! on.

use aws_types::SdkConfig;
use crossfade_core::news::{Letter, SOURCE};
use crossfade_core::{Failure, Kind};
use serde_json::{Value, json};

use crate::call::{Ask, Client, Protocol, Service};
use crate::refusal::called;

const EVENTS: Service = Service { id: "EventBridge", name: "events", protocol: Protocol::Json };
/// The most entries of one call, and the most bytes of all of them together (EventBridge API reference, PutEvents).
const AT_ONCE: usize = 10;
const BYTES: usize = 256 * 1024;
/// How often entries are sent that EventBridge has not taken, though it has answered.
const ATTEMPTS: u32 = 3;

/// The account's default event bus.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
}

/// What EventBridge has not taken, as far as is known.
#[derive(Clone, Debug)]
pub struct Untaken {
    /// These, in their order.
    pub letters: Vec<Letter>,
    /// What it says of the last of them that it has spoken of.
    pub why: Failure,
}

impl Bus {
    /// The bus that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(&EVENTS, config) }
    }

    /// Puts events on the bus, in their order. Of several that are sent at once EventBridge may take some: the others are sent again.
    ///
    /// # Errors
    /// Those that EventBridge does not take. Once it has refused a call as a whole, none is sent any more.
    pub async fn put(&self, letters: &[Letter]) -> Result<(), Untaken> {
        let mut untaken: Option<Untaken> = None;
        let mut rest = letters;
        while !rest.is_empty() {
            let (some, after) = rest.split_at(together(rest));
            rest = after;
            if let Err((mut left, why, answered)) = self.put_together(some).await {
                if !answered {
                    left.extend_from_slice(rest);
                    rest = &[];
                }
                let mut before = untaken.take().map_or_else(Vec::new, |untaken| untaken.letters);
                before.append(&mut left);
                untaken = Some(Untaken { letters: before, why });
            }
        }
        untaken.map_or(Ok(()), Err)
    }

    /// Puts events on the bus that fit into one call: those that it does not take, why, and whether it has answered at all.
    async fn put_together(&self, letters: &[Letter]) -> Result<(), (Vec<Letter>, Failure, bool)> {
        let (mut left, mut why) = (letters.to_vec(), String::new());
        for _ in 0..ATTEMPTS {
            let entries: Vec<Value> = left.iter().map(entry).collect();
            let ask = Ask::json("PutEvents", "AWSEvents.PutEvents", &json!({ "Entries": entries }));
            let answer = match self.client.call(ask).await.and_then(|answer| answer.json()) {
                Ok(answer) => answer,
                Err(error) => return Err((left, called("events:PutEvents", "the default event bus", &error), false)),
            };
            let said = |i: usize, name: &str| answer["Entries"][i][name].as_str();
            let refused: Vec<usize> = (0..left.len()).filter(|i| said(*i, "ErrorCode").is_some()).collect();
            let Some(first) = refused.first() else { return Ok(()) };
            let words = ["ErrorCode", "ErrorMessage"].map(|name| said(*first, name).unwrap_or_default());
            why = words.join(": ");
            left = refused.iter().filter_map(|i| left.get(*i).cloned()).collect();
        }
        let count = left.len();
        let why = Kind::RequestRefused.because(format!("EventBridge does not take {count} events: {why}"));
        Err((left, why, true))
    }
}

/// How many of these go with one call, at least one.
fn together(letters: &[Letter]) -> usize {
    let mut bytes = 0;
    let fits = |letter: &&Letter| {
        bytes += bytes_of(letter);
        bytes <= BYTES
    };
    letters.iter().take(AT_ONCE).take_while(fits).count().max(1)
}

/// How large EventBridge takes an entry to be (EventBridge user guide, "Calculating PutEvents event entry size").
fn bytes_of(letter: &Letter) -> usize {
    14 + [SOURCE, &letter.detail_type, &letter.detail, &letter.execution_arn]
        .iter()
        .map(|text| text.len())
        .sum::<usize>()
}

fn entry(letter: &Letter) -> Value {
    json!({
        "Source": SOURCE,
        "DetailType": letter.detail_type,
        "Detail": letter.detail,
        "Time": letter.at_millis / 1000,
        "Resources": [letter.execution_arn],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(bytes: usize) -> Letter {
        let text = |text: &str| text.to_owned();
        let (id, deployment_id, execution_arn) = (text("shop-42#3#running"), text("shop-42"), text("arn"));
        let detail_type = text("Deployment State Change");
        Letter { id, deployment_id, execution_arn, at_millis: 5, detail_type, detail: "x".repeat(bytes) }
    }

    #[test]
    fn what_goes_with_one_call_has_few_entries_and_few_bytes() {
        assert_eq!(together(&vec![letter(100); 25]), 10);
        assert_eq!(together(&vec![letter(100_000); 25]), 2);
        // Alone it is refused, and keeps no other from being sent.
        assert_eq!(together(&[letter(300_000), letter(100)]), 1);
        assert_eq!(together(&[letter(100)]), 1);
    }
}
