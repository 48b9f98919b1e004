//! `crossfade console`: what a member of a fleet has printed, as AWS keeps it.
//!
//! It must never write that down: it may hold secrets. It goes to standard output, or into the page of whoever asked.

use std::process::ExitCode;

use crossfade_aws::{Console, Printed};
use crossfade_core::kinds::Platform;
use crossfade_core::text::printable;

use crate::args::{Console as Options, Output, Stack};
use crate::installed::{Installed, on};
use crate::say::{Problem, aside, line, verbatim};
use crate::view::text::date;

pub(crate) fn run(stack: &Stack, options: &Options) -> Result<ExitCode, Problem> {
    on(stack, async |installed| {
        installed.introduce(Output::Text).await;
        let console = printed(installed, options.deployment.as_deref(), &options.member).await?;
        console.notes.iter().for_each(|note| aside(note));
        let several = console.parts.len() > 1;
        for part in &console.parts {
            if several {
                line(&format!("==> {} <==", part.of));
            }
            about(part).iter().for_each(|about| aside(about));
            part.text.iter().for_each(|text| verbatim(text.trim_end()));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What there is to know of what was printed.
fn about(part: &Printed) -> Vec<String> {
    let taken = part.at_millis.filter(|_| part.text.is_some());
    let taken = taken.map(|at| format!("AWS took it at {}.", date(at)));
    taken.into_iter().chain(part.notes.iter().cloned()).collect()
}

/// What a member has printed. Where it is, its id says, or the deployment: the one that is named, or that would be shown.
pub(crate) async fn printed(installed: &Installed, deployment: Option<&str>, member: &str) -> Result<Console, Problem> {
    let (platform, member) = match (member.starts_with("i-"), cluster_of(member)) {
        (true, _) => (Platform::AutoScalingGroups, member),
        (_, Some((cluster, task))) => (Platform::EcsServices { cluster: cluster.to_owned() }, task),
        _ => {
            let command = format!("console {} --deployment", printable(member));
            let deployment = installed.choose(&command, deployment, Output::Text).await?;
            (installed.meta(&deployment).await?.document.compute.platform(), member)
        }
    };
    Ok(installed.on_platform(&platform).console(member).await?)
}

/// The cluster in the ARN of a task, and the task's id.
fn cluster_of(arn: &str) -> Option<(&str, &str)> {
    arn.strip_prefix("arn:")?.split_once(":task/")?.1.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_a_task_says_where_it_is() {
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task/shop/0123456789abcdef0123456789abcdef";
        assert_eq!(cluster_of(arn), Some(("shop", "0123456789abcdef0123456789abcdef")));
        assert_eq!(cluster_of("0123456789abcdef0123456789abcdef"), None);
    }
}
