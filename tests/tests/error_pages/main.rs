//! The pages about the errors show what is really said: each failure is played on the simulated account, and what an operator reads
//! of it is held against the block of its page.

#[path = "../built/mod.rs"]
mod built;
mod calls;
mod candidates;
mod hands;
mod refused;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use crossfade_core::Kind;
use crossfade_core::plan::Direction;
use crossfade_local::watch::{Happening, What};
use crossfade_sim::Server;
use crossfade_sim::world::World;
use crossfade_tests::machinery::meta;
use crossfade_tests::shown::hold;
use crossfade_tests::{APPROVE, Ended, Scene};
use serde_json::Value;

/// The deployment that fails.
const ONE: &str = "shop-7";
/// When a stage begins, at once.
const AT_ONCE: Duration = Duration::ZERO;

/// Holds what was said against a block of the page about an error.
#[track_caller]
fn shown(kind: Kind, block: &str, said: &str) {
    hold(&format!("docs/errors/{}.md", kind.name()), block, said);
}

/// Why a deployment has failed, as its record has it. It has to be for this error.
#[track_caller]
fn why(scene: &Scene, deployment: &str, kind: Kind) -> String {
    let failure = &meta(scene, deployment)["failure"];
    assert_eq!(failure["error"], kind.name(), "{failure:#}");
    failure["cause"].as_str().expect("there is a cause").to_owned()
}

/// Plays a deployment to its end while somebody interferes, so long after a stage has begun whose name begins so.
async fn interfered(
    scene: &Scene,
    document: &Value,
    (stage, after): (&'static str, Duration),
    hand: impl FnOnce(&mut World) + Send + 'static,
) -> Ended {
    let (sim, mut hand) = (scene.sim.clone(), Some(hand));
    let see = move |happening: &Happening| {
        if let What::StageStarted { name, direction: Direction::Deploy, .. } = &happening.what
            && name.starts_with(stage)
            && let Some(hand) = hand.take()
        {
            if after.is_zero() {
                return hand(&mut sim.world());
            }
            let sim = sim.clone();
            tokio::spawn(async move {
                sim.clock.sleep(after).await;
                hand(&mut sim.world());
            });
        }
    };
    scene.watched(ONE, document, Box::new(|_| APPROVE), see).await
}

/// Runs the `crossfade` command, as alice, in the account of a scene whose time stands still otherwise.
async fn crossfade(scene: &Scene, arguments: &[&str]) {
    let program = built::programs(&["crossfade"]).join("crossfade");
    // A process of its own is in real time.
    tokio::time::resume();
    let server = Server::start(scene.sim.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs([
        ("AWS_ENDPOINT_URL", server.url().as_str()),
        ("AWS_ACCESS_KEY_ID", "alice"),
        ("AWS_SECRET_ACCESS_KEY", "simulated"),
        ("AWS_REGION", "eu-west-1"),
    ]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it runs").expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    tokio::time::pause();
}
