//! Looks that follow each other within seconds are taken by one invocation, which waits between them: a round through the state machine is
//! three state transitions, and costs many times what the function costs meanwhile.
//!
//! What it must never do: keep a function that others wait for. So nobody stays who was called late, as where an account's functions are all
//! busy, or whom AWS has throttled; and nobody for long.

use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_core::progress::{Phase, Progress};
use crossfade_core::{Class, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::context::Context;
use crate::throttled::{LOOKS, patiently};

/// For how long looks begin in the same invocation, in milliseconds. The function may run for 60 seconds, and a look whose calls are
/// throttled has the patience of `crossfade_aws::patience`: 20 seconds, and 40 in a rollback.
const fn stays_millis(direction: Direction) -> u64 {
    match direction {
        Direction::Deploy => 30_000,
        Direction::Rollback => 10_000,
    }
}
/// Which looks are waited for, in milliseconds.
const SOON_MILLIS: u64 = 5_000;
/// Who comes later than this, or earlier, was kept waiting, or does not know the time, in milliseconds.
const ON_TIME_MILLIS: u64 = 1_500;

/// Runs a step on an event, and a look again on what it has answered where the next one is due soon.
pub(crate) async fn round_by_round<F: Future<Output = Result<Value>>>(
    function: &str,
    event: Value,
    context: &Context,
    step: impl Fn(Value) -> F,
) -> Result<Value> {
    if function != LOOKS {
        return patiently(function, event, context, &step).await.0;
    }
    let stays = Stay::from(&event, context.now_millis());
    let (mut answer, mut throttled) = patiently(function, event, context, &step).await;
    while let Ok(looked) = &answer
        && throttled == 0
        && let Some(soon) = stays.until(looked, context.now_millis())
    {
        context.clock.sleep(soon).await;
        let (next, more) = patiently(function, looked.clone(), context, &step).await;
        // What passes soon is the state machine's, which begins with what was seen last.
        if next.as_ref().is_err_and(|failure| failure.kind.class() == Class::Transient) {
            break;
        }
        (answer, throttled) = (next, more);
    }
    answer
}

/// For how long an invocation takes the next looks, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stay {
    /// The stage that it looks at, by its place in the plan, and until when; nothing where it does not stay.
    stage: Option<(usize, u64)>,
}

impl Stay {
    /// What an event allows that comes now.
    fn from(event: &Value, now_millis: u64) -> Self {
        let given = Progress::deserialize(event).ok();
        let on_time = given.filter(|given| given.due_millis.abs_diff(now_millis) <= ON_TIME_MILLIS);
        Self { stage: on_time.map(|given| (given.stage.index, now_millis + stays_millis(given.direction))) }
    }

    /// How long to wait here for the look that was answered; nothing where that is the state machine's.
    fn until(self, answer: &Value, now_millis: u64) -> Option<Duration> {
        let (stage, until_millis) = self.stage?;
        let next = Progress::deserialize(answer).ok()?;
        let gap = next.due_millis.saturating_sub(now_millis);
        let looks_soon = next.wait_seconds > 0 && next.phase == Phase::Check && gap <= SOON_MILLIS;
        (looks_soon && next.stage.index == stage && next.due_millis <= until_millis).then(|| Duration::from_millis(gap))
    }
}

#[cfg(test)]
mod tests {
    use crossfade_core::plan::StageKind;
    use crossfade_core::progress::StageRef;
    use serde_json::json;

    use super::*;

    fn looks(index: usize, due_millis: u64) -> Progress {
        Progress {
            deployment_id: "d".into(),
            fence: 1,
            direction: Direction::Deploy,
            stage: StageRef {
                index,
                kind: StageKind::Upscale,
                name: "Upscale".into(),
                timeout_seconds: 600,
                asked_seconds: 0,
                void_answers: 0,
                started_millis: 0,
                held_up_millis: 0,
                attempt: 0,
                on_failure: None,
                ask_seconds: 0,
                told: Vec::new(),
            },
            phase: Phase::Check,
            wait_seconds: 2,
            due_millis,
            looked_millis: 0,
            note: String::new(),
            paused_seconds: 0,
            slowed: String::new(),
            slowed_since_millis: None,
        }
    }

    fn gap(stays: Stay, next: &Progress, now_millis: u64) -> Option<u64> {
        stays.until(&json!(next), now_millis).map(|gap| u64::try_from(gap.as_millis()).unwrap())
    }

    #[test]
    fn the_next_look_of_the_stage_is_waited_for_when_it_is_soon_and_for_a_while_only() {
        let stays = Stay::from(&json!(looks(3, 100_000)), 100_700);
        assert_eq!(gap(stays, &looks(3, 103_000), 100_800), Some(2_200));
        assert_eq!(gap(stays, &looks(3, 100_700), 101_000), Some(0), "it is due");
        assert_eq!(gap(stays, &looks(3, 105_900), 100_800), None, "it is far");
        assert_eq!(gap(stays, &looks(3, 130_700), 128_000), Some(2_700));
        assert_eq!(gap(stays, &looks(3, 130_701), 128_000), None, "it has stayed for long");
        let back = Progress { direction: Direction::Rollback, ..looks(3, 100_000) };
        assert_eq!(
            gap(Stay::from(&json!(back), 100_000), &looks(3, 110_001), 108_000),
            None,
            "others are patient for longer"
        );
        assert_eq!(gap(stays, &looks(4, 103_000), 100_800), None, "another stage is another state");
        assert_eq!(gap(stays, &Progress { wait_seconds: 0, ..looks(3, 101_000) }, 101_000), None);
        assert_eq!(gap(stays, &Progress { phase: Phase::Act, ..looks(3, 103_000) }, 101_000), None, "others act");
        assert_eq!(stays.until(&json!({ "outcome": "FailedClean" }), 101_000), None);
    }

    #[test]
    fn who_was_kept_waiting_keeps_nobody_waiting() {
        for now in [98_000, 101_501, 1_300_000] {
            assert_eq!(gap(Stay::from(&json!(looks(3, 100_000)), now), &looks(3, now + 100), now), None, "at {now}");
        }
    }
}
