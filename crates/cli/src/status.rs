//! `crossfade status`: how a deployment stands, in one look.

use std::process::ExitCode;

use crossfade_steps::Status;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::args::{Output, Stack, Status as Options};
use crate::fold::columns;
use crate::installed::{ActsIn, Installed, on};
use crate::list::{Listed, Wanted, rows};
use crate::say::{Problem, aside, line, verbatim};
use crate::view::{View, build, text};
use crate::watch::NOT_YET;

/// How many lines at the end of the log are read, unless all of it is wanted: what a stage last waited for stands there.
const LOG_END: usize = 200;
/// How many deployments are listed to choose from.
const CHOICE: usize = 20;

/// What `status` prints.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade status --output json`")]
pub(crate) struct Answer {
    /// The account, the region, and whoever asks.
    pub(crate) acts_in: ActsIn,
    /// The deployment.
    #[serde(flatten)]
    pub(crate) view: View,
}

/// The exit code of a deployment that stands so.
pub(crate) fn exit_code(status: Status) -> ExitCode {
    ExitCode::from(match status {
        Status::FailedClean | Status::Accepted => 1,
        Status::FailedDirty => 3,
        Status::Succeeded | Status::Preparing | Status::Running | Status::RollingBack => 0,
    })
}

impl Installed {
    /// The deployment that is named; otherwise the one that is not over, and if none is, the one that started last. Of several that are
    /// not over, whoever asked has to choose: they are listed, with what to type.
    pub(crate) async fn choose(&self, command: &str, named: Option<&str>, output: Output) -> Result<String, Problem> {
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let mut open = self.open().await?;
        if open.len() > 1 {
            let wanted = Wanted { infrastructure: "", running: true, limit: CHOICE };
            return Err(self.several(command, self.listed(wanted).await?.0, output));
        }
        if let Some(only) = open.pop() {
            return Ok(only.deployment_id);
        }
        let (over, _) = self.over(Wanted { infrastructure: "", running: false, limit: 1 }).await?;
        let last = over.into_iter().next().map(|last| last.deployment_id);
        last.ok_or_else(|| {
            Problem::NotFound(format!("There is no deployment in the table {} of this region.", self.name))
        })
    }

    fn several(&self, command: &str, deployments: Vec<Listed>, output: Output) -> Problem {
        let now_millis = self.time.now_millis();
        if output == Output::Text {
            rows(&deployments, now_millis, columns()).iter().for_each(|row| line(row));
        }
        let first = deployments.first().map_or("ID", |first| first.deployment_id.as_str());
        let which = format!("{} deployments are not over. Which one? crossfade {command} {first}", deployments.len());
        Problem::Ambiguous(which, deployments)
    }
}

/// The deployment as it stands, with what stands in the account; and what has to be said beside that.
async fn look(
    installed: &Installed,
    deployment: &str,
    whole_log: bool,
) -> Result<(View, Option<&'static str>), Problem> {
    if let Some((arn, execution)) = installed.begun(deployment).await? {
        let view = build::just_started(deployment, &arn, &execution, installed.time.now_millis());
        return Ok((view, Some(NOT_YET)));
    }
    let mut records = installed.known(deployment).await?;
    // What a check said last may stand anywhere.
    let end = (!whole_log && records.meta.document.verification.checks.is_empty()).then_some(LOG_END);
    records.log = installed.log(deployment, end).await?;
    records.last_time = installed.last_time(&records).await?;
    let stands = !records.meta.status.ended() || records.meta.status == Status::FailedDirty;
    let now = if stands { installed.now(&records).await } else { None };
    Ok((installed.viewed(&records).seeing(now), None))
}

pub(crate) fn run(stack: &Stack, options: &Options) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let looked = async {
            let deployment = installed.choose("status", options.deployment.as_deref(), options.output).await?;
            look(installed, &deployment, options.log || options.output == Output::Json).await
        };
        let (caller, view) = tokio::join!(installed.caller(), looked);
        let acts_in = installed.introduced(caller, options.output);
        let (view, beside) = view?;
        let code = exit_code(view.status);
        match options.output {
            Output::Json => verbatim(&json!(Answer { acts_in, view }).to_string()),
            Output::Text => {
                text::all(&view, options.log).iter().for_each(|text| line(text));
                beside.iter().for_each(|beside| aside(&format!("{}: {beside}", view.deployment_id)));
            }
        }
        Ok(code)
    })
}
