//! What the buttons ask for, given to the functions behind the commands of the same names.

use crossfade_core::document::Decision;
use serde::Deserialize;

use super::offers::Deed;
use super::simulated::go_wrong;
use crate::abort::abort;
use crate::args::{
    Accept, Decide, Freeze, Hours, Output, Pause, Promote, Resume, Retry, Rollback, Said, Start, Wait, What,
};
use crate::belongings::keep;
use crate::decide::decide;
use crate::deploy::start_again;
use crate::freeze::{free_line, stop_line};
use crate::installed::Installed;
use crate::pause::{end_sooner, let_go_on, stop};
use crate::rollback::way_back;
use crate::say::Problem;

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", tag = "act", deny_unknown_fields)]
pub(crate) enum Act {
    /// Something about a deployment.
    #[serde(rename_all = "camelCase")]
    Deployment {
        deed: Deed,
        deployment: String,
        /// The stage whose question is answered.
        #[serde(default)]
        stage: Option<usize>,
        /// The revision to go back to.
        #[serde(default)]
        to: Option<u32>,
        /// To go back at once.
        #[serde(default)]
        now: bool,
        #[serde(default)]
        comment: String,
    },
    /// Stops the line; of every environment where none is named.
    Freeze {
        #[serde(default)]
        environment: Option<String>,
        #[serde(default)]
        comment: String,
    },
    /// Lets it go on.
    Unfreeze {
        #[serde(default)]
        environment: Option<String>,
    },
    /// Lets something go wrong in the account of `crossfade local`.
    Fault { fault: String },
}

/// Does it, and tells what came of it.
pub(crate) async fn act(installed: &Installed, act: &Act, by: &str) -> Result<String, Problem> {
    let said = |comment: &str| Said { by: by.to_owned(), comment: comment.to_owned() };
    match act {
        Act::Deployment { deed, deployment, stage, to, now, comment } => {
            let (deployment, said) = (deployment.clone(), said(comment));
            match deed {
                Deed::Approve | Deed::Reject if stage.is_none() => {
                    Err(Problem::Usage("Which stage is meant? Nothing was decided.".into()))
                }
                Deed::Approve | Deed::Reject => {
                    let decision = if *deed == Deed::Approve { Decision::Approve } else { Decision::Reject };
                    // `by` is whom AWS takes the page for.
                    let options = Decide { deployment, stage: *stage, said, output: Output::Text };
                    Ok(decide(installed, &options, None, decision).await?.message)
                }
                Deed::Abort => Ok(abort(installed, &deployment, &said).await?.message),
                Deed::Rollback | Deed::ResetWeights => {
                    let reset_weights = *deed == Deed::ResetWeights;
                    // A page that is old may still send what is chosen for another deed.
                    let (to, now, output) = (to.filter(|_| !reset_weights), *now && !reset_weights, Output::Text);
                    let options = Rollback {
                        deployment,
                        to,
                        name: None,
                        now,
                        reset_weights,
                        said,
                        follow: Wait::default(),
                        output,
                    };
                    Ok(way_back(installed, &options).await?.lines.join("\n"))
                }
                Deed::Pause => {
                    let lasts = Pause::usual();
                    Ok(stop(installed, &Pause { deployment, lasts, said }).await?.join("\n"))
                }
                Deed::Resume => Ok(let_go_on(installed, &Resume { deployment, said }, None).await?.join("\n")),
                Deed::Promote | Deed::PromoteAll => {
                    let full = *deed == Deed::PromoteAll;
                    Ok(end_sooner(installed, &Promote { deployment, full, said }, None).await?.join("\n"))
                }
                Deed::Retry => {
                    let start = Start { yes: true, no_plan: true, follow: Wait::default(), output: Output::Text };
                    start_again(installed, &Retry { deployment, name: None, start }).await
                }
                Deed::Accept => Ok(keep(installed, &Accept { deployment, said }).await?.join("\n")),
            }
        }
        Act::Freeze { environment, comment } => {
            let what = What { environment: environment.clone(), all: environment.is_none() };
            let hours = Hours { window: None, zone: "UTC".into() };
            let freeze = Freeze { what, lasts: None, hours, said: said(comment) };
            Ok(stop_line(installed, &freeze).await?.join("\n"))
        }
        Act::Fault { fault } => go_wrong(installed, fault).await,
        Act::Unfreeze { environment } => Ok(free_line(installed, environment.as_deref(), None).await?.join("\n")),
    }
}
