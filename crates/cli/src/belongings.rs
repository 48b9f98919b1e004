//! `crossfade handover`, `crossfade adopt` and `crossfade accept`: what belongs to an infrastructure definition, or stays of a deployment,
//! changes because somebody says so, and that is written down.

use std::process::ExitCode;

use crossfade_core::claims::names;

use crate::args::{self, Accept, Adopt, Handover, Output, Stack};
use crate::done::tell;
use crate::installed::{Installed, on};
use crate::say::Problem;

/// Who says so, and why, for the record.
pub(crate) fn said(said: &args::Said) -> crossfade_steps::Said {
    let [by, comment] = said.written();
    crossfade_steps::Said { by, comment }
}

pub(crate) fn hand_over(stack: &Stack, options: &Handover, output: Output) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        let said = said(&options.said.seen_as(acts_in.caller()));
        let (from, to) = (options.from.to_string(), options.to.to_string());
        crossfade_steps::hand_over(&installed.context, &options.arns, &from, &to, said).await?;
        Ok(tell(&[format!("From now on {to} steers {}", names(&options.arns))], output, acts_in))
    })
}

pub(crate) fn adopt(stack: &Stack, options: &Adopt, output: Output) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        let infrastructure = options.infrastructure.to_string();
        let (group, said) = (&options.group, said(&options.said.seen_as(acts_in.caller())));
        let revision = crossfade_steps::adopt(&installed.context, &infrastructure, group, said).await?;
        Ok(tell(&[format!("{group} is revision {revision} of {infrastructure} from now on")], output, acts_in))
    })
}

pub(crate) fn accept(stack: &Stack, options: &Accept, output: Output) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        let acts_in = installed.introduce(output).await;
        let options = Accept { said: options.said.seen_as(acts_in.caller()), ..options.clone() };
        Ok(tell(&keep(installed, &options).await?, output, acts_in))
    })
}

/// Keeps what a deployment has left that is stuck, and tells what that is.
pub(crate) async fn keep(installed: &Installed, options: &Accept) -> Result<Vec<String>, Problem> {
    let id = &options.deployment;
    let infrastructure = installed.meta(id).await?.infrastructure;
    let left = crossfade_steps::accept(&installed.context, id, said(&options.said)).await?;
    let mut lines = vec![format!("What {id} left is kept, and {infrastructure} can be deployed again.")];
    lines.extend(left.iter().map(|left| format!("  {left}")));
    Ok(lines)
}
