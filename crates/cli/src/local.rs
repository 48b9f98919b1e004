//! `crossfade local`: the simulated AWS on loopback, with crossfade installed in it.

mod faults;
mod pasted;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use crossfade_local::Installation;
use crossfade_sim::world::sample::{self, NewImage, Shop, ShopOptions, publish_for_examples, shop};
use crossfade_sim::{Server, Settings, Sim};
use crossfade_steps::{Clock, WallClock};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::{Compute, Fail, Layout, Local};
use crate::say::{Problem, line, runtime};
pub(crate) use faults::FAULT;
use pasted::word;

/// What is wrong with the new image in a story.
pub(crate) fn new_image(fail: Option<Fail>) -> NewImage {
    match fail {
        None | Some(Fail::None) => NewImage::Good,
        Some(Fail::Unhealthy) => NewImage::Unhealthy,
        Some(Fail::Launch) => NewImage::NoCapacity,
        Some(Fail::Slow) => NewImage::Slow,
        Some(Fail::Errors) => NewImage::Errors,
        Some(Fail::Latency) => NewImage::Sluggish,
    }
}

/// What the shop's fleets are.
pub(crate) fn fleets(compute: Compute) -> sample::Compute {
    match compute {
        Compute::Asg => sample::Compute::Groups,
        Compute::Ecs => sample::Compute::Services,
        Compute::EcsOnEc2 => sample::Compute::ServicesOnInstances,
        Compute::Elastigroup => sample::Compute::Elastigroups,
    }
}

/// The example of services that fits a layout.
fn of_services(layout: Layout) -> &'static str {
    match layout {
        Layout::Weighted => "ecs-shift",
        Layout::Attached => "ecs-canary",
        Layout::Staged => "ecs-swap",
        Layout::TwoLoadBalancers => "ecs-several-load-balancers",
        Layout::Network => "ecs-network-load-balancer",
        Layout::Named => "ecs-dns",
        Layout::DefaultAction | Layout::Stacks => "ecs-shift",
    }
}

/// The example of Elastigroups that fits a layout, and whether it does as it stands.
fn of_elastigroups(layout: Layout) -> &'static str {
    match layout {
        Layout::Attached => "elastigroup-canary",
        Layout::Staged => "elastigroup-swap",
        _ => "elastigroup-shift",
    }
}

/// The shop of a layout, and an example that it fits.
fn laid_out(layout: Layout) -> (ShopOptions, &'static str) {
    let shop = |layout| ShopOptions { layout, ..ShopOptions::default() };
    match layout {
        Layout::Weighted => (shop(sample::Layout::Weighted), "blue-green-shift"),
        Layout::Attached => (shop(sample::Layout::Attached), "canary"),
        Layout::Staged => (shop(sample::Layout::Staged), "blue-green-swap"),
        Layout::DefaultAction => {
            let options = ShopOptions { default_action: true, ..shop(sample::Layout::Weighted) };
            (options, "stages")
        }
        Layout::TwoLoadBalancers => {
            let options = ShopOptions { second_balancer: true, ..shop(sample::Layout::Weighted) };
            (options, "several-load-balancers")
        }
        Layout::Named => (shop(sample::Layout::Named), "ecs-dns"),
        Layout::Stacks => (shop(sample::Layout::Stacks), "two-load-balancers-by-dns"),
        Layout::Network => {
            let options = ShopOptions { balancer: sample::Balancer::Network, ..shop(sample::Layout::Weighted) };
            (options, "network-load-balancer")
        }
    }
}

/// The parameter that tells what became of the simulated users' requests.
pub(crate) const USERS: &str = "/crossfade/local/users";
/// How often that is told, in real time.
const TELL: Duration = Duration::from_secs(1);

/// What became of the requests of the simulated users since the account is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Users {
    /// Were answered.
    pub(crate) served: u64,
    /// Were lost through a deployment.
    pub(crate) lost: u64,
    /// Were answered with an error by the application.
    pub(crate) errors: u64,
    /// What goes wrong in the account now, because somebody asked for it.
    pub(crate) goes_wrong: String,
}

/// Tells it again and again where the AWS CLI and the dashboard can read it, and lets go wrong what they ask for.
async fn tell_users(sim: &Sim) {
    let mut asked = faults::Asked::default();
    loop {
        asked.follow(sim);
        let totals = sim.world().traffic().totals;
        let (served, errors) = (totals.served, totals.errors);
        let users = Users { served, lost: totals.lost, errors, goes_wrong: asked.goes_wrong.clone() };
        sim.parameters().define(USERS, "String", &json!(users).to_string());
        tokio::time::sleep(TELL).await;
    }
}

pub(crate) fn run(options: &Local) -> Result<ExitCode, Problem> {
    runtime(tokio::runtime::Builder::new_current_thread().enable_all())?.block_on(serve(options))
}

async fn serve(options: &Local) -> Result<ExitCode, Problem> {
    if options.layout == Layout::Named && !matches!(options.compute, Compute::Ecs) {
        return Err(Problem::Usage("--layout named is for --compute ecs: only ECS registers in Cloud Map.".into()));
    }
    if matches!(options.layout, Layout::Stacks | Layout::DefaultAction) && options.compute != Compute::Asg {
        let name = if options.layout == Layout::Stacks { "stacks" } else { "default-action" };
        return Err(Problem::Usage(format!("--layout {name} is for --compute asg: there is no example of others.")));
    }
    // Clients compare the account's times with their own clocks: the calendar has to begin today.
    let epoch_millis = WallClock.now_millis();
    let sim = Sim::new(Settings { epoch_millis, seed: options.seed, speed: options.speed, ..Settings::default() });
    let (shop_options, of_groups) = laid_out(options.layout);
    let example = match options.compute {
        Compute::Asg => of_groups,
        Compute::Ecs | Compute::EcsOnEc2 => of_services(options.layout),
        Compute::Elastigroup => of_elastigroups(options.layout),
    };
    let (compute, new_image) = (fleets(options.compute), new_image(options.fail));
    // The example whose scaling is written out takes the place of what scales already.
    let equipped = options.layout == Layout::Weighted && matches!(options.compute, Compute::Ecs | Compute::EcsOnEc2);
    let shop = shop(&mut sim.world(), ShopOptions { compute, new_image, equipped, ..shop_options });
    publish_for_examples(&sim, &shop);
    let installation = Installation::in_process(&sim).map_err(|error| Problem::Here(error.to_string()))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let server = Server::start(sim.clone(), address).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(String::new, |source| format!(" ({source})"));
        Problem::Usage(format!("{error}{why}. Choose another --port; 0 takes a free one."))
    })?;
    invite(options, &server.url(), &installation, &shop, example);
    tokio::select! {
        () = tell_users(&sim) => {}
        never = installation.follow_rules(options.trigger_on_schedule) => match never {},
        stopped = tokio::signal::ctrl_c() => stopped.map_err(|error| Problem::Here(error.to_string()))?,
    }
    server.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

/// Says where it listens, and what to paste in another terminal, in whichever folder that is.
fn invite(options: &Local, url: &str, installation: &Installation, shop: &Shop, example: &str) {
    let crossfade = pasted::command();
    let file = |extension: &str| {
        let name = format!("{example}.{extension}");
        pasted::example(&name).unwrap_or_else(|| format!("examples/{name}"))
    };
    line(&format!("The simulated AWS listens on {url}, {} times as fast as the clock on the wall.", options.speed));
    line("crossfade is installed in it. In another terminal:\n");
    // The AWS CLI 1 and boto3 read the region from another variable than everybody else.
    line(&format!("  export AWS_ENDPOINT_URL={url} AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1"));
    line("  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local");
    if options.compute == Compute::Elastigroup {
        line(&format!("  export AWS_ENDPOINT_URL_SPOT={url}"));
    }
    line(&format!("  {crossfade} deploy {} --name first --wait\n", word(&file("yaml"))));
    if pasted::example(&format!("{example}.yaml")).is_none() {
        line(
            "The folder examples is in crossfade's sources, which are not on this machine: run this where they are.\n",
        );
    }
    // The AWS CLI takes JSON only.
    if options.layout == Layout::Weighted && options.compute == Compute::Asg {
        line("or, with the AWS CLI:\n");
        line(&format!(
            "  aws stepfunctions start-execution --state-machine-arn {} --name first --input {}\n",
            installation.deploy_arn,
            word(&format!("file://{}", file("json")))
        ));
    }
    line("In the browser, with what becomes of the users' requests, and with faults:\n");
    line(&format!("  {crossfade} dashboard --actions\n"));
    line(&format!("It deploys {} behind {}. Ctrl-C ends it.", shop.new_ami, shop.route()));
}
