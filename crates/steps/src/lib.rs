//! The steps of a deployment: what each function does, independent of Lambda.
//!
//! What it owns: one module per function, each of which reads the records, observes the account, lets the core decide,
//! writes down what it is about to do, does it, and answers with the [`Progress`](crossfade_core::progress::Progress) that the
//! state machine routes by. Not-ready-yet is an answer, not an error.
//!
//! What it must never do: change anything without having written the intent under the fence before; decide what the core
//! decides; sleep for longer than the odd second that a state machine cannot wait for, but between looks that are due at once (`stay`).

mod accept;
mod adopt;
mod answers;
mod approve;
mod beside;
mod carry;
mod context;
mod died;
mod downsize;
mod finish;
mod freeze;
mod halted;
mod hold;
mod hook;
mod metrics;
mod news;
mod notify;
mod outbox;
mod owners;
mod past;
mod pause;
mod plan;
mod plan_rollback;
mod preflight;
mod prepare;
mod reconsider;
mod records;
mod remove;
mod reset_weights;
mod run;
mod setup;
mod shift_weight;
mod start;
mod start_rollback;
mod stay;
mod stuck;
mod swap;
mod sweep;
mod throttled;
mod unnamed;
mod upscale;
mod verify;
mod wait_steady;
mod watch;

use crossfade_core::{Kind, Result, text};
use serde_json::Value;

pub use accept::accept;
pub use adopt::{Adopted, adopt, recorded};
pub use beside::{Beside, beside};
pub use context::{Clock, Context, Settings, WallClock};
pub use died::died;
pub use freeze::{freeze, freezes, unfreeze};
pub use halted::{Begun, PLANNING_SETTLE_SECONDS, SETTLE_SECONDS, roll_back};
pub use metrics::Metrics;
pub use owners::{Said, hand_over};
pub use past::{Past, judge_past};
pub use pause::{PauseRecord, PromotionRecord, pause, promote, unpause};
pub use plan::{Preview, preview};
pub use plan_rollback::ROLLING_BACK;
pub use records::{
    ApprovalRecord, FailureRecord, ListedRecord, Meta, RevisionRecord, Schema, ServingRecord, StageRecord, Status,
};
pub use reset_weights::reset_weights;
pub use start::{Rehearsal, rehearse};

/// The functions, by the names of their folders in `functions/`.
pub const FUNCTIONS: &[&str] = &[
    "prepare",
    "plan",
    "setup",
    "hold",
    "upscale",
    "wait-steady",
    "shift-weight",
    "swap",
    "carry",
    "approve",
    "hook",
    "hook-http",
    "downsize",
    "remove",
    "start-rollback",
    "plan-rollback",
    "finish",
    "sweep",
    "start",
];

/// The functions one by one. A program that names one of them holds that one's code and calls, and not those of all others.
pub mod handlers {
    use crossfade_core::Result;
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use serde_json::Value;

    use crate::Context;

    macro_rules! handlers {
        ($($name:ident)+) => {$(
            #[doc = concat!("The function `", stringify!($name), "`.")]
            ///
            /// # Errors
            /// Every failure has a fixed kind, which is the error name that the state machines match.
            pub fn $name(event: Value, context: &Context) -> BoxFuture<'_, Result<Value>> {
                crate::stay::round_by_round(stringify!($name), event, context, |event| crate::$name::handle(event, context))
                    .map(crate::bounded)
                    .boxed()
            }
        )+};
    }

    handlers! {
        prepare plan setup hold upscale wait_steady shift_weight swap carry approve hook downsize remove start_rollback plan_rollback
        finish sweep start
    }

    /// The function `hook-http`.
    ///
    /// # Errors
    /// Every failure has a fixed kind, which is the error name that the state machines match.
    pub fn hook_http(event: Value, context: &Context) -> BoxFuture<'_, Result<Value>> {
        crate::hook::post(event, context).map(crate::bounded).boxed()
    }
}

/// Runs one function on one event: the same code whether Lambda, the simulated AWS or a test calls it.
///
/// # Errors
/// Every failure has a fixed kind, which is the error name that the state machines match.
pub async fn handle(function: &str, event: Value, context: &Context) -> Result<Value> {
    let name = function.replace('-', "_");
    bounded(stay::round_by_round(&name, event, context, |event| call(function, event, context)).await)
}

/// The same answer with a message that Step Functions takes whole: of a longer one it would keep a part that nobody can read.
fn bounded(answer: Result<Value>) -> Result<Value> {
    answer.map_err(|failure| failure.kind.because(text::cut(&failure.message, text::CAUSE)))
}

async fn call(function: &str, event: Value, context: &Context) -> Result<Value> {
    match function {
        "prepare" => prepare::handle(event, context).await,
        "plan" => plan::handle(event, context).await,
        "setup" => setup::handle(event, context).await,
        "hold" => hold::handle(event, context).await,
        "upscale" => upscale::handle(event, context).await,
        "wait-steady" => wait_steady::handle(event, context).await,
        "shift-weight" => shift_weight::handle(event, context).await,
        "swap" => swap::handle(event, context).await,
        "carry" => carry::handle(event, context).await,
        "approve" => approve::handle(event, context).await,
        "hook" => hook::handle(event, context).await,
        "hook-http" => hook::post(event, context).await,
        "downsize" => downsize::handle(event, context).await,
        "remove" => remove::handle(event, context).await,
        "start-rollback" => start_rollback::handle(event, context).await,
        "plan-rollback" => plan_rollback::handle(event, context).await,
        "finish" => finish::handle(event, context).await,
        "sweep" => sweep::handle(event, context).await,
        "start" => start::handle(event, context).await,
        other => Err(Kind::RequestRefused.because(format!("There is no function {other}."))),
    }
}
