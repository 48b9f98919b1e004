//! The policies for people (`infra/people`): with them the commands do what they are for, and nothing else.

mod built;
mod local;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;

use crossfade_local::Installation;
use crossfade_sim::world::sample::{ShopOptions, shop};
use crossfade_sim::{Server, Settings, Sim};
use crossfade_steps::{Clock, WallClock};
use crossfade_tests::roles::{APPROVER, DEPLOYER, LOOKER, Roles};

use local::{crossfade, text};

const SHIFT: &str = "examples/blue-green-shift.yaml";

/// An account in this process, in which everybody has what the stack's policies give them.
struct Account {
    sim: Arc<Sim>,
    roles: Arc<Roles>,
    server: Server,
    _installation: Installation,
}

impl Account {
    fn new() -> Self {
        let sim = Sim::new(Settings { epoch_millis: WallClock.now_millis(), speed: 60.0, ..Settings::default() });
        shop(&mut sim.world(), ShopOptions::default());
        let installation = Installation::in_process(&sim).expect("the shipped definitions are good");
        let roles = Roles::guard(&sim);
        let server = Server::start(sim.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        Self { sim, roles, server, _installation: installation }
    }

    /// The exit code of a command of this person, and what it prints on both channels.
    async fn runs(&self, who: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = crossfade();
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.envs([("AWS_ACCESS_KEY_ID", who), ("AWS_SECRET_ACCESS_KEY", who), ("AWS_REGION", "eu-west-1")]);
        command.env("AWS_ENDPOINT_URL", self.server.url()).env("AWS_CONFIG_FILE", "/dev/null");
        command.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").env("AWS_EC2_METADATA_DISABLED", "true");
        command.args(arguments).current_dir(built::root()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it runs");
        (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    }

    /// The same of a command that has to work; `arguments` are words between spaces.
    async fn does(&self, who: &str, arguments: &str) {
        self.ends(who, arguments, 0).await;
    }

    /// The same of one that ends with this code.
    async fn ends(&self, who: &str, arguments: &str, code: i32) {
        let (ended, said) = self.runs(who, &arguments.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(ended, Some(code), "{who}: {arguments}\n{said}");
        assert_eq!(self.roles.refused(), Vec::<String>::new(), "{who}: {arguments}");
    }
}

#[tokio::test]
async fn with_the_policies_of_the_stack_everybody_does_what_they_are_there_for() {
    let account = Account::new();
    let deploy = |name: &str| format!("deploy {SHIFT} --yes --name {name}");
    let asks = |name: &str| format!("watch {name} --until approval --timeout 10m");

    account.does(LOOKER, &format!("plan {SHIFT}")).await;
    account.does(DEPLOYER, &deploy("one")).await;
    account.does(DEPLOYER, &asks("one")).await;
    for look in ["list", "status", "status one --log --output json", "revisions shop/production", &asks("one")] {
        account.does(LOOKER, look).await;
    }
    let member = account.sim.world().instances_of("shop__7").first().cloned().expect("the candidate is up");
    account.does(LOOKER, &format!("console {member}")).await;
    account.does(DEPLOYER, "pause one --comment look").await;
    account.does(DEPLOYER, "resume one").await;
    account.does(APPROVER, "approve one --stage 5 --comment good").await;
    account.does(DEPLOYER, "watch one --timeout 10m").await;
    account.ends(DEPLOYER, "rollback one --now --wait --timeout 10m", 0).await;

    account.does(DEPLOYER, "freeze production --comment incident").await;
    account.does(LOOKER, "list").await;
    account.does(DEPLOYER, "unfreeze production").await;
    account.does(DEPLOYER, &deploy("two")).await;
    account.does(DEPLOYER, &asks("two")).await;
    account.ends(DEPLOYER, "abort two --wait --timeout 10m", 1).await;
    account.does(DEPLOYER, "retry two --name three --yes").await;
    account.does(DEPLOYER, &asks("three")).await;
    account.does(APPROVER, "reject three --stage 5").await;
    account.ends(DEPLOYER, "watch three --timeout 10m", 1).await;
    account.server.shutdown().await;
}

#[tokio::test]
async fn nobody_does_more_than_their_policy_says() {
    let account = Account::new();
    let refused = async |who: &str, arguments: &str, permission: &str| {
        let (code, said) = account.runs(who, &arguments.split(' ').collect::<Vec<_>>()).await;
        assert!(code != Some(0) && said.contains(permission), "{who}: {arguments}\n{said}");
    };
    let deploy = format!("deploy {SHIFT} --yes --name one");
    refused(LOOKER, &deploy, "states:StartExecution").await;
    refused(APPROVER, &deploy, "states:StartExecution").await;
    let (code, said) = account.runs(DEPLOYER, &deploy.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = account.runs(DEPLOYER, &["watch", "one", "--until", "approval", "--timeout", "10m"]).await;
    assert_eq!(code, Some(0), "{said}");
    refused(LOOKER, "approve one --stage 5", "states:SendTaskSuccess").await;
    refused(DEPLOYER, "approve one --stage 5", "states:SendTaskSuccess").await;
    refused(LOOKER, "abort one", "states:StopExecution").await;
    refused(LOOKER, "freeze production", "dynamodb:").await;
    account.server.shutdown().await;
}
