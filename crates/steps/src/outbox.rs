//! The outbox: what EventBridge has not taken is kept in the table, and the sweep sends it again until it is.
//!
//! What it owns: the records under `untold`. There is none unless something went wrong, so that what is taken at once costs no write.
//!
//! What it must never do: fail a deployment, or hold one up for longer than [`PATIENCE`]. What can be neither sent nor kept is lost, and
//! logged.

use std::time::Duration;

use crossfade_aws::{Item, Table, Untaken, keys};
use crossfade_core::news::Letter;
use crossfade_core::{Failure, Kind, Result};
use serde_json::json;
use tokio::time::{Instant, timeout, timeout_at};

use crate::context::Context;
use crate::records::read;

/// How long a function tries to tell, and to keep what it could not.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much of that is EventBridge's: the table needs time, too.
const SENDING: Duration = Duration::from_millis(1_400);
/// For how long the sweep tries: it has looked at the deployments by then, and has some of its time left.
const SWEEPING: Duration = Duration::from_secs(10);
/// For how long an event is kept, in milliseconds since it happened.
const KEPT_MILLIS: u64 = 24 * 3600 * 1000;
/// How many are sent again at once, at most: what DynamoDB reads in a page.
const AT_ONCE: usize = 500;

/// Sends events, and keeps those that are not taken.
pub(crate) async fn send(context: &Context, letters: Vec<Letter>) {
    let Some(id) = letters.first().map(|letter| letter.deployment_id.clone()) else { return };
    let until = Instant::now() + PATIENCE;
    let sent = timeout(SENDING, context.bus.put(&letters)).await;
    // Without an answer they may have been taken all the same; then they come twice.
    let Err(Untaken { letters, why }) = sent.unwrap_or_else(|_| Err(Untaken { letters, why: silent() })) else {
        return;
    };
    let ids = ids(&letters);
    match timeout_at(until, keep(&context.table, &letters)).await.unwrap_or_else(|_| Err(slow())) {
        Ok(()) => tracing::warn!(deployment = %id, "These events are kept, and sent again by the sweep: {ids}: {why}"),
        Err(failure) => {
            tracing::warn!(deployment = %id, "These events may be lost: {ids}: {why} They cannot be kept either: {failure}");
        }
    }
}

fn silent() -> Failure {
    Kind::ServiceUnavailable.because("EventBridge did not answer in time.")
}

fn slow() -> Failure {
    Kind::ServiceUnavailable.because("The table did not answer in time.")
}

fn ids(letters: &[Letter]) -> String {
    letters.iter().map(|letter| letter.id.as_str()).collect::<Vec<_>>().join(", ")
}

fn key(letter: &Letter) -> String {
    keys::start(letter.at_millis, &letter.id)
}

async fn keep(table: &Table, letters: &[Letter]) -> Result<()> {
    let items: Vec<Item> =
        letters.iter().map(|letter| Item::new(keys::UNTOLD.into(), key(letter), json!(letter))).collect();
    table.put_together(&items).await
}

/// Sends what is kept, the oldest first, and lets go of what is taken, or too old to be of use.
///
/// # Errors
/// What the table says. What EventBridge says is no error: it is sent again.
pub(crate) async fn send_again(context: &Context) -> Result<()> {
    timeout(SWEEPING, all_again(context)).await.unwrap_or(Ok(()))
}

async fn all_again(context: &Context) -> Result<()> {
    let (table, now) = (&context.table, context.now_millis());
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (sk, value, _) in table.first(keys::UNTOLD, AT_ONCE).await? {
        match read::<Letter>(&sk, value) {
            Ok(letter) if letter.at_millis + KEPT_MILLIS >= now => kept.push((sk, letter)),
            Ok(_) => {
                tracing::warn!("This event was not taken within a day, and is given up: {sk}");
                gone.push(sk);
            }
            Err(failure) => {
                tracing::warn!("This event is given up: {failure}");
                gone.push(sk);
            }
        }
    }
    let letters: Vec<Letter> = kept.iter().map(|(_, letter)| letter.clone()).collect();
    let mut left = Vec::new();
    if let Err(untaken) = context.bus.put(&letters).await {
        left = untaken.letters;
        tracing::warn!(
            left = left.len(),
            "EventBridge does not take {} events that are kept: {}",
            left.len(),
            untaken.why
        );
    }
    gone.extend(kept.into_iter().filter(|(_, letter)| !left.contains(letter)).map(|(sk, _)| sk));
    let gone: Vec<Item> = gone.into_iter().map(|sk| Item::gone(keys::UNTOLD, sk)).collect();
    for some in gone.chunks(Table::AT_ONCE) {
        table.put_together(some).await?;
    }
    Ok(())
}
