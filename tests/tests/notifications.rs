//! G4: who is told of what. Every end is told once, and a topic that cannot be reached changes no end.

use std::sync::Arc;

use crossfade_local::Outcome;
use crossfade_local::watch::What;
use crossfade_sim::world::sample::{PENDING_AMI, ShopOptions};
use crossfade_sim::{Fault, Faults, Request, Service};
use crossfade_tests::machinery::{asked, deploy, end, rollbacks, schedule, stop, sweep};
use crossfade_tests::{APPROVE, Ended, REJECT, Scene, Twice};
use serde_json::{Value, json};

const INFRASTRUCTURE: &str = "shop/production/shop-base";

/// A way in which a deployment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Succeeded,
    Rejected,
    Dirty,
    Unfit,
    Invalid,
    Locked,
    Stopped,
    Unrecorded,
}

const ENDINGS: [Ending; 8] = [
    Ending::Succeeded,
    Ending::Rejected,
    Ending::Dirty,
    Ending::Unfit,
    Ending::Invalid,
    Ending::Locked,
    Ending::Stopped,
    Ending::Unrecorded,
];

impl Ending {
    /// What is told of it, in order: the subjects without what they begin with.
    fn told(self) -> &'static [&'static str] {
        match self {
            Self::Succeeded => &["started", "approval wanted", "succeeded"],
            Self::Rejected => &["started", "approval wanted", "is being rolled back", "rolled back"],
            // No way back could be planned, so none was begun.
            Self::Dirty => &["started", "approval wanted", "FAILED DIRTY"],
            Self::Unfit => &["refused"],
            Self::Invalid => &["it refused"],
            Self::Locked => &["started", "approval wanted", "refused"],
            Self::Stopped => &["started", "is being rolled back", "rolled back"],
            Self::Unrecorded => &["it failed"],
        }
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::Succeeded => Outcome::Succeeded,
            Self::Dirty => Outcome::FailedDirty,
            _ => Outcome::FailedClean,
        }
    }

    /// Plays a deployment `it` to this end.
    async fn play(self, scene: &Scene) -> Option<Ended> {
        let sim = &scene.sim;
        let with_image = |ami: &str| scene.document_with(|d| d["artifact"]["ami"] = json!(ami));
        Some(match self {
            Self::Succeeded => scene.play("it", &scene.document(), APPROVE).await,
            Self::Rejected => scene.play("it", &scene.document(), REJECT).await,
            Self::Unfit => scene.play("it", &with_image(PENDING_AMI), APPROVE).await,
            Self::Invalid => scene.play("it", &with_image("latest"), APPROVE).await,
            Self::Unrecorded => scene.play("it", &scene.document(), APPROVE).await,
            Self::Dirty => {
                // Somebody sends traffic to the candidate, which can neither be removed then nor be overruled.
                let (sim, shop) = (sim.clone(), scene.shop.clone());
                let see = move |happening: &crossfade_local::watch::Happening| {
                    if matches!(&happening.what, What::StageStarted { name, .. } if name.starts_with("Approve")) {
                        let weights = [(shop.target_group_a.as_str(), 60), (shop.target_group_b.as_str(), 40)];
                        sim.world().set_weights(shop.route(), &weights);
                    }
                };
                scene.watched("it", &scene.document(), Box::new(|_| APPROVE), see).await
            }
            Self::Locked => {
                deploy(scene, "first", &scene.document());
                asked(scene, "first").await;
                let refused = deploy(scene, "it", &scene.document());
                end(scene, &refused).await;
                return None;
            }
            Self::Stopped => {
                let execution = deploy(scene, "it", &scene.document());
                sim.clock.sleep(std::time::Duration::from_secs(30)).await;
                stop(sim, &execution, json!({})).await;
                assert_eq!(sweep(scene, schedule()).await, ["it-rollback-1"]);
                end(scene, &rollbacks(scene)[0].arn).await;
                return None;
            }
        })
    }
}

/// Lets nothing through that a function says to the topic; or lets no function read the table before there is a record.
struct Broken(&'static str, &'static str);

impl Faults for Broken {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let refuse = |status: u16, code: &str| {
            Some(Fault::Refuse { status, code: code.into(), message: "It is a fault.".into() })
        };
        match (request.service, self.0) {
            (Service::Sns, "topic") => match self.1 {
                "gone" => Some(Fault::LoseRequest),
                "down" => refuse(500, "InternalError"),
                code => refuse(403, code),
            },
            (Service::DynamoDb, "table") if request.caller.as_deref() == Some("prepare") => {
                refuse(400, "AccessDeniedException")
            }
            _ => None,
        }
    }
}

fn subjects(scene: &Scene) -> Vec<String> {
    let published = scene.sim.topics().published().to_vec();
    let subjects = published.into_iter().filter_map(|message| message.subject);
    let short = |subject: &str| {
        let subject = subject.strip_prefix("crossfade: ").expect("it says from whom it is").to_owned();
        subject.strip_prefix(&format!("{INFRASTRUCTURE} ")).map(str::to_owned).unwrap_or(subject)
    };
    subjects.map(|subject| short(&subject)).collect()
}

/// A deployment of one of the endings.
async fn ended(ending: Ending, twice: bool) -> Scene {
    let scene = Scene::new(ShopOptions::default());
    if twice {
        scene.sim.set_functions(Arc::new(Twice(scene.sim.functions())));
    }
    if ending == Ending::Unrecorded {
        scene.sim.set_faults(Some(Arc::new(Broken("table", ""))));
    }
    if let Some(ended) = ending.play(&scene).await {
        assert_eq!(ended.summary.outcome, ending.outcome(), "{ending:?}: {}", ended.cause());
    }
    scene
}

#[tokio::test(start_paused = true)]
async fn g4_every_end_is_told_once() {
    for ending in ENDINGS {
        let scene = ended(ending, false).await;
        assert_eq!(subjects(&scene), ending.told(), "{ending:?}");
        // With what it takes to act on it.
        let messages: Vec<String> =
            scene.sim.topics().published().iter().map(|message| message.message.clone()).collect();
        let last = messages.last().expect("something was told");
        let why = match ending {
            Ending::Succeeded => "Succeeded",
            Ending::Rejected => "ApprovalRejected: Approve shop__7 at 10 %: rejected by operator",
            Ending::Dirty => "crossfade rollback it",
            Ending::Unfit => "is pending",
            Ending::Invalid => "artifact.ami",
            Ending::Locked => "is being deployed by first",
            Ending::Stopped => "HaltRequested: Somebody stopped the execution",
            Ending::Unrecorded => "AccessDenied: dynamodb:",
        };
        assert!(last.contains(why), "{ending:?}: {last}");
        assert!(messages.iter().all(|message| !message.contains("eyJ")), "no token: {messages:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g4_a_step_that_runs_twice_tells_its_end_once() {
    // An approval is asked for twice then, with two tokens; and what has no record cannot know that it was told.
    for ending in [Ending::Succeeded, Ending::Rejected, Ending::Unfit] {
        let scene = ended(ending, true).await;
        let subjects = subjects(&scene);
        let told: Vec<&str> = subjects.iter().map(String::as_str).filter(|it| *it != "approval wanted").collect();
        let once: Vec<&str> = ending.told().iter().copied().filter(|it| *it != "approval wanted").collect();
        assert_eq!(told, once, "{ending:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g4_a_topic_that_cannot_be_reached_changes_no_end() {
    for broken in ["gone", "down", "AuthorizationError"] {
        for ending in [Ending::Succeeded, Ending::Rejected, Ending::Dirty, Ending::Unfit, Ending::Invalid] {
            let scene = Scene::new(ShopOptions::default());
            scene.sim.set_faults(Some(Arc::new(Broken("topic", broken))));
            let ended = ending.play(&scene).await.expect("it is played");
            assert_eq!(ended.summary.outcome, ending.outcome(), "{broken} {ending:?}: {}", ended.cause());
            assert_eq!(subjects(&scene), Vec::<String>::new(), "the fault struck");
            assert_eq!(ended.summary.requests_lost, 0);
            if ending == Ending::Rejected {
                scene.is_as_before();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g4_the_document_may_name_a_topic_of_its_own() {
    let scene = Scene::new(ShopOptions::default());
    let own = scene.sim.topics().define("team");
    let document = scene.document_with(|d| d["notifications"] = json!({ "topicArn": own }));
    scene.play("it", &document, APPROVE).await;
    let topics: Vec<Value> = scene.sim.topics().published().iter().map(|it| json!(it.topic_arn)).collect();
    assert_eq!(topics, vec![json!(own); Ending::Succeeded.told().len()]);
}

#[tokio::test(start_paused = true)]
async fn g4_each_receiver_is_told_what_it_wants_with_what_to_paste() {
    let scene = Scene::new(ShopOptions::default());
    let pager = scene.sim.topics().define("pager");
    let chat = scene.sim.topics().define("chat");
    let document = scene.document_with(|d| {
        d["notifications"] = json!({ "receivers": [
            { "topicArn": pager, "events": ["approval", "stuck"] },
            { "topicArn": chat, "events": ["succeeded", "rolledBack", "started"] },
        ] });
    });
    scene.play("it", &document, APPROVE).await;
    let published = scene.sim.topics().published().to_vec();
    let told = |topic: &str| -> Vec<String> {
        let to = published.iter().filter(|it| it.topic_arn == topic);
        to.filter_map(|it| it.subject.as_deref()?.rsplit_once("shop-base ").map(|(_, what)| what.to_owned())).collect()
    };
    assert_eq!(told(&scene.installation.topic_arn), Ending::Succeeded.told(), "the installation's is told everything");
    assert_eq!(told(&pager), ["approval wanted"]);
    assert_eq!(told(&chat), ["started", "succeeded"]);
    let last = published.iter().rev().find(|it| it.topic_arn == chat).expect("it was told");
    assert!(last.message.ends_with("\nGo back: crossfade rollback it\n"), "{}", last.message);
    let first = published.iter().find(|it| it.topic_arn == chat).expect("it was told");
    assert!(
        first.message.contains("\nFollow it: crossfade watch it\nStop it: crossfade abort it\n"),
        "{}",
        first.message
    );
}
