//! Whom a deployment tells of what, and how that reads: in a mail, in a chat, at three in the morning.
//!
//! What it must never do: fail a deployment. What goes wrong here is logged.

use crossfade_core::document::Told;
use crossfade_core::text;

use crate::context::Context;
use crate::records::Meta;

/// Which event a subject is about. Whatever nobody has thought of here is told to those whom somebody has to help.
fn told(subject: &str) -> Told {
    match subject {
        "started" => Told::Started,
        "approval wanted" | "decision wanted" | "paused" => Told::Approval,
        "succeeded" => Told::Succeeded,
        "refused" | "failed" => Told::Refused,
        "is being rolled back" => Told::RollingBack,
        "rolled back" => Told::RolledBack,
        _ => Told::Stuck,
    }
}

/// What can be done next, to be pasted. Those that ask say it themselves.
fn commands(told: Told, id: &str) -> String {
    let lines: &[(&str, &str)] = match told {
        Told::Started => &[("Follow it", "watch"), ("Stop it", "abort")],
        Told::Succeeded => &[("Go back", "rollback")],
        Told::RollingBack => &[("Follow it", "watch")],
        Told::RolledBack => &[("See what happened", "status"), ("Try again", "retry")],
        Told::Refused | Told::Approval | Told::Stuck => &[],
    };
    lines.iter().map(|(what, command)| format!("\n{what}: crossfade {command} {id}")).collect()
}

/// Tells whoever wants to know it.
pub(crate) async fn notify(context: &Context, meta: &Meta, subject: &str, text: &str) {
    let (id, document) = (&meta.deployment_id, &meta.document);
    let told = told(subject);
    let what = Some(text::one_line(&document.description, text::COMMENT)).filter(|it| !it.is_empty());
    let what = what.map_or_else(String::new, |description| format!("{description}\n\n"));
    let commands = commands(told, id);
    let end = if commands.is_empty() { "" } else { "\n" };
    let message = format!("{what}{text}{commands}{end}");
    for topic in document.notifications.topics(told, context.settings.topic_arn.as_deref()) {
        tell(context, topic, id, &meta.infrastructure, subject, &message).await;
    }
}

/// Tells the installation's topic of a deployment whose document is not known.
pub(crate) async fn notify_of(context: &Context, id: &str, subject: &str, text: &str) {
    if let Some(topic) = &context.settings.topic_arn {
        tell(context, topic, id, id, subject, text).await;
    }
}

/// Tells a topic. What goes wrong here is logged and never fails a deployment.
async fn tell(context: &Context, topic: &str, id: &str, about: &str, subject: &str, text: &str) {
    if let Err(failure) = context.topic.publish(topic, about, subject, text).await {
        tracing::warn!(deployment = %id, "The notification to {topic} was not sent: {failure}");
    }
}
