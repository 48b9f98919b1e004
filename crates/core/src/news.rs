//! What machines are told of a deployment: how it stands, and how its stages stand, each time that changes.
//!
//! What it owns: the shape of events on EventBridge, and the ids by which whoever gets one twice knows it again.
//!
//! What it must never do: hold what is secret. Rules may carry events anywhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Decision;
use crate::plan::{Direction, StageKind};

/// The source of all events.
pub const SOURCE: &str = "crossfade";
/// The form of their details. It rises when a field goes or means something else; new fields may come at any time.
const VERSION: u32 = 1;

/// An event of crossfade on EventBridge, as far as it differs from others: what EventBridge adds is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "detail-type", content = "detail")]
#[schemars(title = "An event of crossfade on EventBridge, source `crossfade`")]
pub enum News {
    /// A deployment stands otherwise than before.
    #[serde(rename = "Deployment State Change")]
    Deployment(DeploymentNews),
    /// A stage stands otherwise than before.
    #[serde(rename = "Stage State Change")]
    Stage(StageNews),
}

/// Which deployment an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The form of this detail: 1.
    pub version: u32,
    /// What is told twice has the same id: whoever acts on events acts once on each.
    pub id: String,
    /// When it happened, in milliseconds since 1970. Events may come in another order.
    pub at_millis: u64,
    /// The deployment's id.
    pub deployment_id: String,
    /// Its execution in Step Functions.
    pub execution_arn: String,
    /// The infrastructure definition: SERVICE/ENVIRONMENT/BASE.
    pub infrastructure: String,
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
}

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Stands {
    /// Its stages run.
    Running,
    /// It is being undone.
    RollingBack,
    /// The candidate serves.
    Succeeded,
    /// It has failed, and everything is as it was.
    FailedClean,
    /// It has failed, and something is left; the failure says what.
    FailedDirty,
    /// Something was left, and somebody has decided to keep it.
    Accepted,
}

/// Why something failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// The error's name; docs/errors has a page for each.
    pub error: String,
    /// What happened, for a person.
    pub cause: String,
}

/// A deployment stands otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentNews {
    /// Which one.
    #[serde(flatten)]
    pub about: About,
    /// How it stands now.
    pub status: Stands,
    /// What is deployed: an image, or a revision.
    pub artifact: String,
    /// What it is for, as its document says; empty when that says nothing.
    pub description: String,
    /// Who started it, by ARN, where they have proved it.
    pub started_by: Option<String>,
    /// When it started, in milliseconds since 1970.
    pub started_millis: u64,
    /// When it ended.
    pub ended_millis: Option<u64>,
    /// Why it failed, if it did.
    pub failure: Option<Why>,
}

/// How a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "StageStands")]
pub enum Stage {
    /// It began.
    Started,
    /// It waits for somebody's word.
    Asking,
    /// Its condition was seen to hold.
    Held,
    /// It did not come about; what follows, the deployment's own events tell.
    Failed,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Started => "started",
            Stage::Asking => "asking",
            Stage::Held => "held",
            Stage::Failed => "failed",
        }
    }
}

/// What somebody is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "QuestionAsked")]
pub struct Asked {
    /// What.
    pub message: String,
    /// Until when, in milliseconds since 1970.
    pub deadline_millis: u64,
    /// What counts as the decision when nobody says anything.
    pub on_timeout: Decision,
}

/// A stage stands otherwise than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageNews {
    /// Of which deployment.
    #[serde(flatten)]
    pub about: About,
    /// On the way forward, or back.
    pub direction: Direction,
    /// Its number, from 1 on, as plans are printed.
    pub stage: usize,
    /// Of so many.
    pub of: usize,
    /// What it does.
    pub kind: StageKind,
    /// What a person calls it.
    pub name: String,
    /// How it stands now.
    pub state: Stage,
    /// When it began, in milliseconds since 1970.
    pub started_millis: u64,
    /// How long it may take.
    pub limit_millis: u64,
    /// What somebody is asked, where it asks.
    pub question: Option<Asked>,
    /// Why it failed, if it did.
    pub failure: Option<Why>,
}

/// An event as it is sent, and as it is kept for as long as it is not taken: whoever sends it later need not know its shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Letter {
    /// What is told twice has the same id.
    pub id: String,
    /// Which deployment it is about.
    pub deployment_id: String,
    /// Its execution in Step Functions.
    pub execution_arn: String,
    /// When it happened, in milliseconds since 1970.
    pub at_millis: u64,
    /// What EventBridge calls its kind.
    pub detail_type: String,
    /// Its detail, in JSON.
    pub detail: String,
}

impl From<&News> for Letter {
    fn from(news: &News) -> Self {
        let About { id, deployment_id, execution_arn, at_millis, .. } = news.about().clone();
        Self {
            id,
            deployment_id,
            execution_arn,
            at_millis,
            detail_type: news.detail_type().into(),
            detail: news.detail(),
        }
    }
}

impl About {
    /// An event about a deployment whose id is not complete yet.
    pub fn new(deployment_id: &str, at_millis: u64) -> Self {
        Self {
            version: VERSION,
            id: deployment_id.to_owned(),
            at_millis,
            deployment_id: deployment_id.to_owned(),
            execution_arn: String::new(),
            infrastructure: String::new(),
            service: String::new(),
            environment: String::new(),
        }
    }
}

impl News {
    /// The same as what happened under this fencing number: however often it is told, its id is the same, and a deployment that is rolled
    /// back once more comes to the same states under another number.
    #[must_use]
    pub fn under(mut self, fence: u64, attempt: u32) -> Self {
        let what = match &self {
            News::Deployment(it) => serde_json::to_value(it.status).ok().and_then(|it| it.as_str().map(str::to_owned)),
            News::Stage(it) => {
                let asked = it.question.as_ref().map_or_else(String::new, |it| format!("#{}", it.deadline_millis));
                Some(format!("{}#{}#{attempt}#{}{asked}", it.direction.name(), it.stage, it.state.name()))
            }
        };
        let about = match &mut self {
            News::Deployment(it) => &mut it.about,
            News::Stage(it) => &mut it.about,
        };
        about.id = format!("{}#{fence}#{}", about.deployment_id, what.unwrap_or_default());
        self
    }

    /// Which deployment it is about.
    pub fn about(&self) -> &About {
        match self {
            News::Deployment(it) => &it.about,
            News::Stage(it) => &it.about,
        }
    }

    /// What EventBridge calls its kind.
    fn detail_type(&self) -> &'static str {
        match self {
            News::Deployment(_) => "Deployment State Change",
            News::Stage(_) => "Stage State Change",
        }
    }

    /// Its detail, in JSON.
    fn detail(&self) -> String {
        let detail = match self {
            News::Deployment(it) => serde_json::to_string(it),
            News::Stage(it) => serde_json::to_string(it),
        };
        detail.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(state: Stage, deadline_millis: Option<u64>) -> News {
        let on_timeout = Decision::Reject;
        let question =
            deadline_millis.map(|deadline_millis| Asked { message: "Go on?".into(), deadline_millis, on_timeout });
        News::Stage(StageNews {
            about: About::new("shop-42", 5),
            direction: Direction::Deploy,
            stage: 5,
            of: 10,
            kind: StageKind::Approve,
            name: "Approve".into(),
            state,
            started_millis: 1,
            limit_millis: 2,
            question,
            failure: None,
        })
    }

    #[test]
    fn what_is_told_twice_has_the_same_id_and_what_differs_another() {
        let id = |news: &News| news.about().id.clone();
        let once = stage(Stage::Started, None).under(3, 0);
        assert_eq!(id(&once), "shop-42#3#deploy#5#0#started");
        assert_eq!(id(&once), id(&stage(Stage::Started, None).under(3, 0)));
        let others = [
            stage(Stage::Held, None).under(3, 0),
            stage(Stage::Started, None).under(4, 0),
            stage(Stage::Started, None).under(3, 1),
            stage(Stage::Asking, Some(9)).under(3, 0),
            stage(Stage::Asking, Some(10)).under(3, 0),
        ];
        let ids: std::collections::BTreeSet<String> = others.iter().chain([&once]).map(id).collect();
        assert_eq!(ids.len(), 6, "{ids:?}");
    }

    #[test]
    fn an_event_says_its_kind_as_eventbridge_does() {
        let event = serde_json::to_value(stage(Stage::Held, None)).expect("it is JSON");
        assert_eq!(event["detail-type"], stage(Stage::Held, None).detail_type());
        assert_eq!((&event["detail"]["deploymentId"], &event["detail"]["state"]), (&"shop-42".into(), &"held".into()));
        assert_eq!(event["detail"].to_string().len(), stage(Stage::Held, None).detail().len());
    }
}
