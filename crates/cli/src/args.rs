//! The arguments.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use clap_complete::engine::ArgValueCandidates as Offers;
use crossfade_core::freeze::Window;
use crossfade_core::infrastructure::Infrastructure;
use crossfade_core::kinds::dns::name_of;
use crossfade_core::{names, text};
use crossfade_rehearse::{HowMany, Token};

use crate::complete;

/// Replaces whole fleets on AWS without losing a request.
#[derive(Parser, Debug)]
#[command(
    name = "crossfade",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  crossfade demo                       See a deployment on a simulated AWS, no account needed\n  crossfade validate shop.yaml         Check a deployment document\n  crossfade plan shop.yaml             See what it would do now\n  crossfade deploy shop.yaml --wait    Deploy, and follow it\n  crossfade status                     See how it stands, and what it asks\n  crossfade approve shop-42 --stage 5  Approve what it asks"
)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) stack: Stack,
}

/// The command. Where nothing of AWS's is meant, its help does not speak of where crossfade is installed.
pub(crate) fn command() -> clap::Command {
    let here = ["completions", "demo", "import", "local", "schema", "validate"];
    let aws = ["stack", "profile", "region"];
    Options::command().mut_subcommands(|command| {
        let hidden = if here.contains(&command.get_name()) { &aws[..] } else { &[] };
        hidden.iter().fold(command, |command, id| command.arg(clap::Arg::new(*id).long(*id).hide(true).global(true)))
    })
}

/// Whether the command is to print JSON.
pub(crate) fn in_json(matches: &ArgMatches) -> bool {
    let last = std::iter::successors(Some(matches), |matches| matches.subcommand().map(|(_, its)| its)).last();
    let raw = last.and_then(|matches| matches.try_get_raw("output").ok().flatten());
    raw.is_some_and(|mut raw| raw.any(|how| how == "json"))
}

/// The same of arguments that cannot be read as a whole.
pub(crate) fn asks_for_json(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.into_iter().take_while(|argument| argument != "--").collect();
    let in_two = |two: &[OsString]| (two[0] == "--output" || two[0] == "-o") && two[1] == "json";
    let in_one = ["--output=json", "-ojson", "-o=json"];
    arguments.windows(2).any(in_two) || arguments.iter().any(|argument| in_one.iter().any(|it| argument == it))
}

/// Where crossfade is installed.
#[derive(Args, Debug)]
pub(crate) struct Stack {
    /// The name of the installed stack
    #[arg(long, global = true, env = "CROSSFADE_STACK", default_value = "crossfade", help_heading = "AWS")]
    pub(crate) stack: String,
    /// The AWS profile [default: AWS_PROFILE]
    #[arg(long, global = true, help_heading = "AWS", add = Offers::new(complete::profiles))]
    pub(crate) profile: Option<String>,
    /// The AWS region [default: AWS_REGION or the profile's]
    #[arg(long, global = true, help_heading = "AWS")]
    pub(crate) region: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Play a deployment on a simulated AWS, with the shipped state machines and steps
    Demo(Demo),
    /// Serve the simulated AWS on loopback, for the AWS CLI, boto3 and this command
    Local(Local),
    /// Write a deployment document for what is there: a group or service, and the rule that leads to it
    Init(Init),
    /// Check a deployment document; nothing is started
    Validate(Validate),
    /// Print the JSON Schema of the deployment document, or of what a command prints with --output json
    Schema(Schema),
    /// Show what a deployment would change now, and what it would delete; nothing is started
    Plan(Plan),
    /// Play a deployment in a simulated copy of the account, once as it should go and again with what can go wrong; nothing is started
    Rehearse(Rehearse),
    /// Say what the checks of a document would have said of two fleets in some time that is over
    Verify(VerifyPast),
    /// Start a deployment
    Deploy(Deploy),
    /// List the deployments that run, wait or are stuck, and the last ones that ended
    List(List),
    /// Show how a deployment stands: stages, traffic, health, what it asks, log
    Status(Status),
    /// Follow a deployment to its end; it goes on when you leave
    Watch(Watch),
    /// Print what an instance has printed on its console, or the containers of a task into their logs
    Console(Console),
    /// Show all of it as a page in the browser; with --actions its buttons decide, stop and go back
    Dashboard(Dashboard),
    /// Approve what a deployment asks
    Approve(Decide),
    /// Reject what a deployment asks; it is rolled back
    Reject(Decide),
    /// Let a deployment stop before its next stage, and wait for a word to go on
    Pause(Printed<Pause>),
    /// Let a deployment that is paused go on
    Resume(Printed<Resume>),
    /// End a pause of a deployment's document before its time
    Promote(Printed<Promote>),
    /// Stop a running deployment; it is rolled back
    Abort(Abort),
    /// Undo a deployment that died or is stuck, or go back from one that has succeeded
    Rollback(Rollback),
    /// Start a deployment that has ended once more, with the same document
    Retry(Retry),
    /// Keep what a deployment that is stuck has left, and let the next one begin
    Accept(Printed<Accept>),
    /// Stop the line: let nothing new be deployed to an environment, or anywhere
    Freeze(Printed<Freeze>),
    /// Let the line go on
    Unfreeze(Printed<Unfreeze>),
    /// What triggers would do
    Trigger {
        /// What to do
        #[command(subcommand)]
        command: Trigger,
    },
    /// List the revisions of an infrastructure definition, and which of them are kept
    Revisions(Revisions),
    /// Let another infrastructure definition steer rules, listeners and target groups from now on
    Handover(Printed<Handover>),
    /// Make a group that is tagged as a revision an earlier fleet of an infrastructure definition
    Adopt(Printed<Adopt>),
    /// Print what takes the place of something of another tool's; nothing is made
    Import(Import),
    /// Print what every command's help says, as Markdown
    #[command(hide = true)]
    Reference,
    /// Print what lets a shell complete commands, options, ids and stages at TAB
    Completions(Completions),
}

#[derive(Subcommand, Debug)]
pub(crate) enum Trigger {
    /// Say what an event would start, with what the account has now; nothing is started
    Test(TriggerTest),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade trigger test event.json\n\nThe event is what EventBridge passes on: `source`, `detail-type`, `account`, `detail`.\nThe triggers are those that are stored in the account, and images are looked at\nthere. Exits with 2 when a trigger or the document that it starts is wrong."
)]
pub(crate) struct TriggerTest {
    /// A file with the event, as JSON; - for standard input
    pub(crate) event: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// JSON lines, the last one a summary
    Json,
}

/// What goes wrong in the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fail {
    /// The new image never passes its health checks
    Unhealthy,
    /// AWS has no capacity to launch instances
    Launch,
    /// The new image takes hours to boot
    Slow,
    /// The new image passes its health checks and answers 6 % of the requests with errors: verification takes it back
    Errors,
    /// The new image passes its health checks and takes half as long again to answer: verification takes it back
    Latency,
    /// Nothing, but it is verified as with errors and latency
    None,
}

/// How the traffic of the simulated shop is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Layout {
    /// One rule that forwards to two target groups, for blueGreenShift
    #[default]
    Weighted,
    /// One target group that fleets are attached to, for basic and canary
    Attached,
    /// A production and a test listener, for blueGreenSwap
    Staged,
    /// Weighted, by the default action of the listener instead of a rule
    DefaultAction,
    /// Weighted, behind two load balancers
    TwoLoadBalancers,
    /// One listener of a Network Load Balancer that forwards to two target groups
    Network,
    /// A name in DNS that leads to two Cloud Map services, for blueGreenShift of services of Amazon ECS
    Named,
    /// A name in DNS that leads to two load balancers, for blueGreenShift
    Stacks,
}

/// What shares out the traffic of the demo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Routing {
    /// Load balancers
    #[default]
    Elb,
    /// Weighted records of a name in DNS, for the strategy shift: services of Amazon ECS in Cloud Map, other fleets behind two load
    /// balancers
    Dns,
}

/// The kind of the simulated load balancers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Balancer {
    /// Application Load Balancers: they share out requests
    #[default]
    Alb,
    /// Network Load Balancers: they share out connections
    Nlb,
}

/// What the simulated fleets are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compute {
    /// Auto Scaling groups
    #[default]
    Asg,
    /// Services of Amazon ECS on Fargate
    Ecs,
    /// Services of Amazon ECS on EC2 instances
    EcsOnEc2,
    /// Elastigroups of Spot
    Elastigroup,
}

/// The strategy that the demo shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strategy {
    /// All new instances beside the old ones, then the old ones go
    Basic,
    /// The new fleet grows in phases, and the old one shrinks as much
    Canary,
    /// Blue/green: the traffic moves by weights, step by step
    #[default]
    Shift,
    /// Blue/green: all traffic at once, by attachment to target groups; ECS services and Elastigroups cannot change theirs, and exchange
    /// listeners
    Swap,
    /// Blue/green: all traffic at once, by two listeners that change places
    ListenerSwap,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade demo                    Asks you to approve\n  echo n | crossfade demo           Hears a line for each question\n  crossfade demo --yes              Approves by itself\n  crossfade demo --strategy canary  Another strategy\n  crossfade demo --compute ecs      Services of Amazon ECS; elastigroup: those of Spot\n  crossfade demo --balancer nlb     Behind a Network Load Balancer\n  crossfade demo --routing dns      By weighted records of a name\n  crossfade demo --compute ecs --routing dns  The same of Cloud Map services\n  crossfade demo --reject           Says no: everything goes back\n  crossfade demo --fail unhealthy   The new version never becomes healthy\n  crossfade demo --fail errors      Health checks find it good, and users would not\n  crossfade demo --yes --output json | tail -n 1\n\nWithout --yes and --reject it asks at a terminal; no answer (ctrl-D) means no. Where standard input is no\nterminal, answers are read from standard input, a line with y or n for each question, and once that has ended\nit approves, and says so. At a terminal that would not show the question (--output json, a pipe) it approves, too."
)]
pub(crate) struct Demo {
    /// How the new version takes over
    #[arg(long, value_enum, default_value_t)]
    pub(crate) strategy: Strategy,
    /// What the fleets are
    #[arg(long, value_enum, default_value_t)]
    pub(crate) compute: Compute,
    /// The kind of load balancer
    #[arg(long, value_enum, default_value_t)]
    pub(crate) balancer: Balancer,
    /// What shares out the traffic
    #[arg(long, value_enum, default_value_t)]
    pub(crate) routing: Routing,
    /// Approve whatever is asked
    #[arg(long, conflicts_with = "reject")]
    pub(crate) yes: bool,
    /// Reject whatever is asked
    #[arg(long)]
    pub(crate) reject: bool,
    /// What goes wrong
    #[arg(long)]
    pub(crate) fail: Option<Fail>,
    /// The seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// Print the deployment's log, too
    #[arg(long)]
    pub(crate) log: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade local\n  export AWS_ENDPOINT_URL=http://127.0.0.1:4580 AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1\n  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local\n  aws stepfunctions list-state-machines\n  crossfade deploy examples/blue-green-shift.yaml\n\nOther strategies need another layout, and services another example:\n  crossfade local --layout staged\n  crossfade local --compute ecs\n  crossfade local --compute ecs --layout named\n  crossfade local --compute elastigroup"
)]
pub(crate) struct Local {
    /// The port on loopback; 0 chooses a free one
    #[arg(long, default_value_t = 4580)]
    pub(crate) port: u16,
    /// How many times faster than the clock on the wall time passes
    #[arg(long, default_value_t = 10.0, value_parser = speed)]
    pub(crate) speed: f64,
    /// What the shop's fleets are
    #[arg(long, value_enum, default_value_t)]
    pub(crate) compute: Compute,
    /// How the shop's traffic is laid out
    #[arg(long, value_enum, default_value_t)]
    pub(crate) layout: Layout,
    /// What is wrong with the new image
    #[arg(long)]
    pub(crate) fail: Option<Fail>,
    /// How often the triggers that wait for a schedule are told, in the account's time: the stack's parameter TriggerOnSchedule
    #[arg(long, value_name = "rate(N minutes)", value_parser = schedule)]
    pub(crate) trigger_on_schedule: Option<Duration>,
    /// The seed of everything random
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// One of the schedules of EventBridge.
fn schedule(text: &str) -> Result<Duration, String> {
    let inside = text.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let (number, unit) = inside.and_then(|inside| inside.split_once(' ')).unwrap_or_default();
    let seconds = match unit {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3_600,
        "day" | "days" => 86_400,
        _ => 0,
    };
    match number.parse::<u32>() {
        Ok(number @ 1..) if seconds > 0 => Ok(Duration::from_secs(u64::from(number) * seconds)),
        _ => {
            Err("expected rate(N minutes), rate(N hours) or rate(N days); the simulated account knows no cron(…)"
                .into())
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("expected a number from 0.1 to 1000".into()),
    }
}

/// A document, and what is given with it.
#[derive(Args, Debug)]
pub(crate) struct Source {
    /// The deployment document, YAML or JSON; `-` for standard input
    pub(crate) document: PathBuf,
    /// A value for a variable of the document; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub(crate) what: Imported,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Imported {
    /// The way off Spot: a base Auto Scaling group with its launch template, in CloudFormation, and what is lost
    Elastigroup(ImportElastigroup),
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade import elastigroup shop.json > base.yaml\n  aws cloudformation deploy --stack-name shop-base --template-file base.yaml\n\nThe template goes to standard output, what is lost to standard error. Nothing is made, with --dry-run or\nwithout: the template is yours to read, change and deploy."
)]
pub(crate) struct ImportElastigroup {
    /// The Elastigroup's JSON or YAML, as Spot's console shows it; `-` for standard input
    pub(crate) file: PathBuf,
    /// The name of the base group and the launch template [default: the Elastigroup's, with -base]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Print the template; nothing is ever made, so this says what happens anyway
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade init --group shop-base --rule ARN > shop.yaml\n  crossfade init --service shop/shop-base --rule ARN --file shop.yaml\n  crossfade init --group workers-base --strategy canary --image ami-0a11ce00000000007\n\nIt only reads the account, and writes over no file. The document goes to standard output or into --file; what\nthere is to know beside it, and what `crossfade plan` finds, to standard error."
)]
pub(crate) struct Init {
    /// The Auto Scaling group that is the template
    #[arg(long, value_name = "NAME", conflicts_with_all = ["service", "elastigroup"])]
    pub(crate) group: Option<String>,
    /// The service of ECS that is the template
    #[arg(long, value_name = "CLUSTER/SERVICE", conflicts_with = "elastigroup")]
    pub(crate) service: Option<String>,
    /// The Elastigroup that is the template
    #[arg(long, value_name = "ACCOUNT/ID")]
    pub(crate) elastigroup: Option<String>,
    /// The rule, or for its default action the listener, that leads users to it; several are steered together
    #[arg(long, value_name = "ARN")]
    pub(crate) rule: Vec<String>,
    /// The AMI or container image that is deployed [default: what runs]
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// In which stages [default: shift where the rule forwards to two target groups, otherwise basic]
    #[arg(long, value_enum)]
    pub(crate) strategy: Option<Way>,
    /// What the service is called [default: as the template, without -base]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What the environment is called
    #[arg(long, default_value = "production")]
    pub(crate) environment: String,
    /// The file to write, which must not be there yet
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// A strategy to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// All new members up, then the old ones go
    Basic,
    /// The new ones take the place of the old ones step by step
    Canary,
    /// All new members up without traffic, then the traffic in steps
    Shift,
    /// All new members up without traffic, then all traffic at once
    Swap,
}

#[derive(Args, Debug)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) source: Source,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanOutput {
    /// For people
    #[default]
    Text,
    /// One line of JSON
    Json,
    /// For a comment on a pull request
    Markdown,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade plan shop.yaml\n  crossfade plan shop.yaml --save shop.plan && crossfade deploy --plan shop.plan\n  crossfade plan shop.yaml --output markdown\n\nExit codes: 0 it can be deployed, 2 something stands in the way, 4 AWS could not be reached or\nrefused. With --detailed-exitcode 0 means that the image serves already, and 5 that it does not."
)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) source: Source,
    /// Write the plan to this file, for `deploy --plan`
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Exit with 5 unless the image serves already
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: PlanOutput,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade rehearse shop.yaml\n  crossfade rehearse shop.yaml --faults each           Every kind of fault at every place; takes minutes\n  crossfade rehearse shop.yaml --state shop.account    Keep what was read of the account\n  crossfade rehearse shop.yaml --from shop.account     Rehearse with that; no account is needed\n  crossfade rehearse shop.yaml --replay reply-lost.82  Play one run again, and print its log\n\nIt only reads the account. Exit codes: 0 nothing was found but warnings, 1 something was,\n2 the document is wrong or something stands in its way, 4 AWS could not be reached or refused."
)]
pub(crate) struct Rehearse {
    #[command(flatten)]
    pub(crate) source: Source,
    /// How many runs have a fault: none, each kind at each place, or so many at random
    #[arg(long, default_value = "40", value_name = "none|each|N", value_parser = how_many)]
    pub(crate) faults: HowMany,
    /// The seed of everything random
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,
    /// How long whoever is asked takes to approve, such as 90s or 10m
    #[arg(long, default_value = "10m", value_name = "TIME", value_parser = duration)]
    pub(crate) approve_after: Duration,
    /// How many requests arrive each second
    #[arg(long, default_value_t = REQUESTS_PER_SECOND, value_name = "N", value_parser = rate)]
    pub(crate) requests_per_second: f64,
    /// Write what was read of the account to this file: names and settings, no secrets
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub(crate) state: Option<PathBuf>,
    /// Rehearse with what was read before, and read no account
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Play only this run of a rehearsal, and print its log
    #[arg(long, value_name = "RUN")]
    pub(crate) replay: Option<Token>,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// How long whoever is asked takes to approve, unless somebody says otherwise: as it stands above.
pub(crate) const APPROVE_AFTER: Duration = Duration::from_secs(600);
/// How many requests arrive each second, unless somebody says otherwise.
pub(crate) const REQUESTS_PER_SECOND: f64 = 20.0;

fn how_many(text: &str) -> Result<HowMany, String> {
    match text {
        "none" => Ok(HowMany::None),
        "each" => Ok(HowMany::Each),
        number => number.parse().map(HowMany::Some).map_err(|_| "expected none, each or a number".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("expected a number from 0.1 to 10000".into()),
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade verify shop.yaml --candidate shop__7 --stable shop__6 --from 2026-11-29T09:00Z --to 2026-11-29T10:00Z\n\nExit codes: 0 all checks are good, 1 one is bad or nobody knows, 2 there is nothing to judge,\n4 AWS could not be reached or refused."
)]
pub(crate) struct VerifyPast {
    #[command(flatten)]
    pub(crate) source: Source,
    /// The fleet that is judged
    #[arg(long, value_name = "FLEET")]
    pub(crate) candidate: String,
    /// The fleet that it is compared with
    #[arg(long, value_name = "FLEET")]
    pub(crate) stable: Option<String>,
    /// From when, such as 2026-11-29T09:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) from: u64,
    /// Until when
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) to: u64,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// A moment, in milliseconds since 1970.
fn moment(text: &str) -> Result<u64, String> {
    let moment: jiff::Timestamp = text.parse().map_err(|_| "expected a time such as 2026-11-29T09:00:00Z")?;
    u64::try_from(moment.as_millisecond()).map_err(|_| "expected a time after 1970".into())
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade deploy shop.yaml             Shows the plan, and asks at a terminal\n  crossfade deploy shop.yaml --yes --wait\n  crossfade deploy shop.yaml --yes --wait --until approval --timeout 30m\n  crossfade deploy --plan shop.plan      What `plan --save` has shown, or nothing\n\nExit codes: 0 it is started (with --wait: it has succeeded), 1 it failed and everything is as it was,\n2 something stands in the way and nothing was started, 3 something is left, 4 AWS could not be reached or refused,\n124 the time of --timeout is over, and it goes on."
)]
pub(crate) struct Deploy {
    /// The deployment document, YAML or JSON; `-` for standard input
    #[arg(required_unless_present = "plan")]
    pub(crate) document: Option<PathBuf>,
    /// A value for a variable of the document; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
    /// Deploy what `plan --save` has written to this file, unless the account has changed since
    #[arg(long, value_name = "FILE", conflicts_with_all = ["document", "set", "no_plan"])]
    pub(crate) plan: Option<PathBuf>,
    /// The deployment's id [default: service, environment and time]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    /// Why it is deployed although its environment is frozen
    #[arg(long, value_name = "WHY", conflicts_with = "plan")]
    pub(crate) during_freeze: Option<String>,
    #[command(flatten)]
    pub(crate) start: Start,
}

/// How a deployment is started.
#[derive(Args, Debug)]
pub(crate) struct Start {
    /// Start it without asking at a terminal
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    /// Start it without looking at the account before; the deployment looks for itself
    #[arg(long)]
    pub(crate) no_plan: bool,
    #[command(flatten)]
    pub(crate) follow: Wait,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// How long a deployment is followed.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Until when it is followed
    #[arg(long, value_enum, default_value_t)]
    pub(crate) until: Until,
    /// For how long it is followed at most, such as 90s, 30m or 2h
    #[arg(long, value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// Whether what has begun is followed, and how long.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(mut_arg("until", |until| until.requires("wait")), mut_arg("timeout", |timeout| timeout.requires("wait")))]
pub(crate) struct Wait {
    /// Follow it to its end, as `watch` does
    #[arg(long, short)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) limits: Limits,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade list\n  crossfade list --running\n  crossfade list --infrastructure shop/production --limit 50"
)]
pub(crate) struct List {
    /// Only those that are not over: they run, wait for a decision, or are stuck
    #[arg(long)]
    pub(crate) running: bool,
    /// Only those of SERVICE, SERVICE/ENVIRONMENT or SERVICE/ENVIRONMENT/BASE
    #[arg(long, value_name = "INFRASTRUCTURE", add = Offers::new(complete::places))]
    pub(crate) infrastructure: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = limit)]
    pub(crate) limit: usize,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

fn limit(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(limit) if (1..=500).contains(&limit) => Ok(limit),
        _ => Err("expected a number from 1 to 500".into()),
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade status                  The one that runs; if none does, the last one\n  crossfade status shop-42 --log\n  crossfade status shop-42 --output json\n\nExit codes: 0 it runs or has succeeded, 1 it failed and everything is as it was,\n2 there is no such deployment, or several run, 3 it is stuck (FailedDirty),\n4 AWS could not be reached or refused."
)]
pub(crate) struct Status {
    /// The deployment's id [default: the one that is not over; if none is, the last one]
    #[arg(add = Offers::new(complete::deployments))]
    pub(crate) deployment: Option<String>,
    /// Show the whole log
    #[arg(long)]
    pub(crate) log: bool,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

/// What a schema describes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// The deployment document
    #[default]
    Document,
    /// What `status --output json` prints
    Status,
    /// What `list --output json` prints
    List,
    /// Each line that `watch --output json` prints
    Watch,
    /// What `plan --output json` prints
    Plan,
    /// What `validate --output json` prints of what is valid
    Validate,
    /// What `verify --output json` prints
    Verify,
    /// What `deploy --output json` and `retry --output json` print first
    Deploy,
    /// What `approve --output json` and `reject --output json` print
    Approve,
    /// What `abort --output json` prints
    Abort,
    /// What `rollback --output json` prints first
    Rollback,
    /// What `revisions --output json` prints
    Revisions,
    /// What `trigger test --output json` prints
    TriggerTest,
    /// What `import elastigroup --output json` prints
    Import,
    /// What `pause`, `resume`, `promote`, `accept`, `freeze`, `unfreeze`, `handover` and `adopt` print with --output json
    Done,
    /// What every command prints with --output json when it cannot do what it is asked
    Error,
    /// What `rehearse --output json` prints
    Rehearse,
    /// What every change puts on EventBridge
    Events,
}

/// A command that does something, and prints that it is done.
#[derive(Args, Debug)]
pub(crate) struct Printed<T: Args> {
    #[command(flatten)]
    pub(crate) what: T,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Schema {
    /// Of what
    #[arg(value_enum, default_value_t)]
    pub(crate) of: SchemaOf,
}

/// Until when a deployment is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// Until it asks for a decision, or is over
    Approval,
    /// Until it is over
    #[default]
    End,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade watch                   The one that runs; if none does, the last one\n  crossfade watch shop-42 --until approval --timeout 30m\n  crossfade watch shop-42 --output json | jq -c 'select(.event == \"ended\")'\n\nOn a terminal of 60 x 16 or more it draws a screen; elsewhere it prints a line\nfor each event. Its keys ([a]pprove, [r]eject, a[b]ort) ask before they do\nanything. Ctrl-C and q leave (exit code 130), and the deployment goes on.\nOtherwise it exits like `crossfade status`; 124 when --timeout is over."
)]
pub(crate) struct Watch {
    /// The deployment's id [default: the one that is not over; if none is, the last one]
    #[arg(add = Offers::new(complete::deployments))]
    pub(crate) deployment: Option<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    /// Print the lines of the log, too
    #[arg(long)]
    pub(crate) log: bool,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade dashboard             Only looks\n  crossfade dashboard --actions   Its buttons do what the commands do\n\nThe page is served on this machine alone (127.0.0.1), and only to the browser\nthat opens the link. It asks AWS only while somebody looks at it."
)]
pub(crate) struct Dashboard {
    /// The port on loopback; 0 chooses a free one
    #[arg(long, default_value_t = 4600)]
    pub(crate) port: u16,
    /// Let its buttons act: approve, reject, abort, roll back, accept, freeze
    #[arg(long)]
    pub(crate) actions: bool,
    /// Who presses them, for the record
    #[arg(long, env = "USER", default_value = "")]
    pub(crate) by: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number with s, m, h or d, such as 30m".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// The id of a deployment.
fn name(text: &str) -> Result<String, String> {
    names::check(text).map(|()| text.to_owned())
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  source <(crossfade completions bash)                                     In ~/.bashrc\n  source <(crossfade completions zsh)                                      In ~/.zshrc, after compinit\n  crossfade completions fish > ~/.config/fish/completions/crossfade.fish   Once\n\nAt TAB the shell asks the command, and the command the account, with the\ncredentials that are there, for two seconds at most: for deployments, the stage\nthat asks, revisions and environments. Where nobody answers nothing is offered."
)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Who does something that is written down, and why.
#[derive(Args, Clone, Debug)]
pub(crate) struct Said {
    /// Who does it, for the record
    #[arg(long, env = "USER", default_value = "")]
    pub(crate) by: String,
    /// Why, for the record
    #[arg(long, short = 'm', default_value = "")]
    pub(crate) comment: String,
}

impl Said {
    /// The same of whom AWS takes for this ARN: whatever they call themselves, that stands beside it.
    pub(crate) fn seen_as(&self, arn: Option<&str>) -> Self {
        let by = match (self.by.trim(), arn) {
            (by, None) => by.to_owned(),
            ("", Some(arn)) => arn.to_owned(),
            (by, Some(arn)) => format!("{} ({arn})", text::one_line(by, text::WHO)),
        };
        Self { by, comment: self.comment.clone() }
    }

    /// Who, and why, as far as they say, each as one line and no longer than what keeps it.
    pub(crate) fn written(&self) -> [Option<String>; 2] {
        let one_line = |said: &str, most: usize| Some(text::one_line(said, most)).filter(|said| !said.is_empty());
        [one_line(&self.by, 2 * text::WHO), one_line(&self.comment, text::COMMENT)]
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade approve shop-42 --stage 5 --comment \"error rate as before\"\n  crossfade reject shop-42 --stage 5\n\nWithout --stage it shows what is asked and asks you, at a terminal; elsewhere\nit is needed when the plan asks more than once."
)]
pub(crate) struct Decide {
    /// The deployment's id
    #[arg(add = Offers::new(complete::open))]
    pub(crate) deployment: String,
    /// Which question is answered: the number of its stage, as `status` and the notification say
    #[arg(long, value_name = "NUMBER", add = Offers::new(complete::stages))]
    pub(crate) stage: Option<usize>,
    #[command(flatten)]
    pub(crate) said: Said,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  crossfade console i-0123456789abcdef0\n  crossfade console 0123456789abcdef0123456789abcdef --deployment shop-42 | less\n\nThe ids of the members stand in `crossfade status --output json` and on the dashboard. What\nwas printed goes to standard output, what there is to know of it to standard error. It\nmay hold secrets: whoever may look at deployments may not see it without permissions of its\nown (ec2:GetConsoleOutput, logs:GetLogEvents)."
)]
pub(crate) struct Console {
    /// The id of an instance, or the id or the ARN of a task
    pub(crate) member: String,
    /// The deployment whose cluster has the task [default: the one that runs, or the last one]
    #[arg(long, value_name = "ID", add = Offers::new(complete::deployments))]
    pub(crate) deployment: Option<String>,
}

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  crossfade pause shop-42 --comment \"latency looks odd\"\n  crossfade pause shop-42 --for 2h\n\nThe stage that runs comes to its end, then the deployment waits for `crossfade\nresume`. Without a word in time everything is rolled back. What is watched is\nlooked at meanwhile, and rolls it back when it turns bad."
)]
pub(crate) struct Pause {
    /// The deployment's id
    #[arg(add = Offers::new(complete::open))]
    pub(crate) deployment: String,
    /// For how long at most, as in 90m, 2h or 3d; then everything is rolled back
    #[arg(long = "for", value_name = "DURATION", default_value = Pause::USUAL, value_parser = pause_of)]
    pub(crate) lasts: Duration,
    #[command(flatten)]
    pub(crate) said: Said,
}

impl Pause {
    /// For how long a deployment waits that somebody pauses without saying for how long.
    const USUAL: &'static str = "24h";

    /// The same as a duration.
    pub(crate) fn usual() -> Duration {
        pause_of(Self::USUAL).unwrap_or_default()
    }
}

/// A pause is as long as an approval may be.
fn pause_of(text: &str) -> Result<Duration, String> {
    let lasts = duration(text)?;
    let most = Duration::from_secs(30 * 24 * 3600);
    if (Duration::from_secs(60)..=most).contains(&lasts) { Ok(lasts) } else { Err("expected 1m to 30d".into()) }
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  crossfade resume shop-42 --comment \"it was the load test\"")]
pub(crate) struct Resume {
    /// The deployment's id
    #[arg(add = Offers::new(complete::open))]
    pub(crate) deployment: String,
    #[command(flatten)]
    pub(crate) said: Said,
}

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  crossfade promote shop-42           End the pause that it is in\n  crossfade promote shop-42 --full    And those that are to come\n\nOnly pauses of the document end sooner (`pauseSeconds`, `bakeMinutes`, `pause`):\napprovals, verification, hooks and what waits for traffic to follow stay. It takes\neffect within two minutes."
)]
pub(crate) struct Promote {
    /// The deployment's id
    #[arg(add = Offers::new(complete::open))]
    pub(crate) deployment: String,
    /// End the pauses that are to come, too
    #[arg(long)]
    pub(crate) full: bool,
    #[command(flatten)]
    pub(crate) said: Said,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade abort shop-42 --comment \"latency doubled\" --wait\n\nThe execution is stopped, and everything goes back to what it was. With --wait\nthe exit code is that of the deployment: 1, once everything is as it was; 124\nwhen the time of --timeout is over before."
)]
pub(crate) struct Abort {
    /// The deployment's id
    #[arg(add = Offers::new(complete::open))]
    pub(crate) deployment: String,
    #[command(flatten)]
    pub(crate) said: Said,
    #[command(flatten)]
    pub(crate) follow: Wait,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  crossfade rollback shop-42                Back to the revision that served before shop-42\n  crossfade rollback shop-42 --to 5 --wait  Back to revision 5, and follow it\n  crossfade rollback shop-42 --now --wait   The same without approvals and pauses\n  crossfade rollback shop-42 --reset-weights --wait   FAILED DIRTY: over somebody's weights\n  crossfade revisions shop/production/shop-base\n\nA deployment that died, or whose rollback could not go on, is undone.\nFor one that has succeeded a new deployment starts, in which a kept revision\ntakes over again by the same stages."
)]
pub(crate) struct Rollback {
    /// The deployment's id
    #[arg(add = Offers::new(complete::deployments))]
    pub(crate) deployment: String,
    /// The revision to go back to [default: the one that served before]
    #[arg(long, value_name = "REVISION", help_heading = "For a deployment that has succeeded", add = Offers::new(complete::kept))]
    pub(crate) to: Option<u32>,
    /// The new deployment's id [default: ID-back-to-REVISION]
    #[arg(long, value_parser = name, help_heading = "For a deployment that has succeeded")]
    pub(crate) name: Option<String>,
    /// In an emergency: ask nobody, pause nowhere, and move all traffic in one step, as soon as all is healthy
    #[arg(long, help_heading = "For a deployment that has succeeded")]
    pub(crate) now: bool,
    /// Also set back the weights that somebody else has set by hand, once what served before can take the traffic
    #[arg(long, conflicts_with_all = ["to", "name", "now"], help_heading = "For a deployment that is stuck (FAILED DIRTY)")]
    pub(crate) reset_weights: bool,
    #[command(flatten)]
    pub(crate) said: Said,
    #[command(flatten)]
    pub(crate) follow: Wait,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade retry shop-42 --wait\n\nThe new deployment gets the document that shop-42 was started with. References in\nit are looked up again. It exits like `crossfade deploy`."
)]
pub(crate) struct Retry {
    /// The id of the deployment that has ended
    #[arg(add = Offers::new(complete::deployments))]
    pub(crate) deployment: String,
    /// The new deployment's id [default: ID-retry-1, or the next one]
    #[arg(long, value_parser = name)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) start: Start,
}

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  crossfade accept shop-42 --comment \"it serves well; the old fleet is at 0\"\n\nFor a deployment that ended FAILED DIRTY. Nothing in the account is changed: bring\nit into the state that you want before. The next deployment takes what is there\nfor what serves. Nobody rolls this one back any more."
)]
pub(crate) struct Accept {
    /// The deployment's id
    #[arg(add = Offers::new(complete::open))]
    pub(crate) deployment: String,
    #[command(flatten)]
    pub(crate) said: Said,
}

/// What is frozen.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct What {
    /// The environment, as documents name it
    #[arg(add = Offers::new(complete::environments))]
    pub(crate) environment: Option<String>,
    /// Every environment of this stack
    #[arg(long)]
    pub(crate) all: bool,
}

/// In which hours.
#[derive(Args, Clone, Debug)]
pub(crate) struct Hours {
    /// Only in these hours, once a week or every day: "Fri 18:00-Mon 06:00", "22:00-06:00"
    #[arg(long, value_name = "HOURS")]
    pub(crate) window: Option<String>,
    /// The time zone of the hours
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) zone: String,
}

impl Hours {
    /// The window, if there is one.
    pub(crate) fn window(&self) -> Result<Option<Window>, String> {
        self.window.as_deref().map(|hours| Window::new(hours, &self.zone)).transpose()
    }
}

#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  crossfade freeze production --comment \"incident 42\"\n  crossfade freeze --all --for 3d --comment holidays\n  crossfade freeze production --window \"Fri 18:00-Mon 06:00\" --zone Europe/Berlin\n\nNew deployments are refused with Frozen, who and why. What runs goes on, and\n`crossfade rollback` of what has succeeded still goes back. An emergency gets\nthrough with `crossfade deploy FILE --during-freeze WHY`."
)]
pub(crate) struct Freeze {
    #[command(flatten)]
    pub(crate) what: What,
    /// For how long, as in 90m or 3d [default: until `crossfade unfreeze`]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) lasts: Option<Duration>,
    #[command(flatten)]
    pub(crate) hours: Hours,
    #[command(flatten)]
    pub(crate) said: Said,
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  crossfade unfreeze production\n  crossfade unfreeze --all")]
pub(crate) struct Unfreeze {
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) hours: Hours,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade revisions shop/production/shop-base\n  crossfade revisions shop/production           Where it has one base\n  crossfade revisions                           Where there is one definition"
)]
pub(crate) struct Revisions {
    /// SERVICE/ENVIRONMENT/BASE; without the base where all bases are one series; or its beginning, if no other begins so
    #[arg(add = Offers::new(complete::places))]
    pub(crate) infrastructure: Option<String>,
    /// Also those whose deployments failed, and of which nothing is left
    #[arg(long)]
    pub(crate) all: bool,
    /// How to print
    #[arg(long, short, value_enum, default_value_t)]
    pub(crate) output: Output,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade handover --from shop/production/old-base --to shop/production/new-base RULE TARGETGROUP TARGETGROUP\n\nA rule, a listener or a target group belongs to the infrastructure definition\nthat first steered it. The deployment of another one is refused, with this\ncommand. Nothing in the account is changed: what serves goes on."
)]
pub(crate) struct Handover {
    /// Whose they are now: SERVICE/ENVIRONMENT/BASE
    #[arg(long, value_name = "INFRASTRUCTURE")]
    pub(crate) from: Infrastructure,
    /// Whose they are to be
    #[arg(long, value_name = "INFRASTRUCTURE")]
    pub(crate) to: Infrastructure,
    /// The ARNs of the rules, listeners, target groups and Cloud Map services, and names as `dns:ZONE/NAME`
    #[arg(required = true, value_name = "ARN", value_parser = steered)]
    pub(crate) arns: Vec<String>,
    #[command(flatten)]
    pub(crate) said: Said,
}

fn steered(text: &str) -> Result<String, String> {
    let arn =
        [":listener-rule/", ":listener/", ":targetgroup/", ":servicediscovery:"].iter().any(|kind| text.contains(kind));
    match arn || name_of(text).is_some() {
        true => Ok(text.to_owned()),
        false => Err("expected the ARN of a rule, a listener, a target group or a Cloud Map service, or a name as `dns:ZONE/NAME`".into()),
    }
}

#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  crossfade adopt shop/production/shop-base legacy-shop\n\nThe group has to bear the tags crossfade:infrastructure = SERVICE/ENVIRONMENT/BASE\nand crossfade:revision = a number. The next deployment resizes it, and in the end\none deletes it, like every earlier fleet."
)]
pub(crate) struct Adopt {
    /// SERVICE/ENVIRONMENT/BASE; without the base where all bases are one series
    pub(crate) infrastructure: Infrastructure,
    /// The name of the Auto Scaling group
    pub(crate) group: String,
    #[command(flatten)]
    pub(crate) said: Said,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_are_read_or_refused_with_their_form() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(duration("3d"), Ok(Duration::from_secs(3 * 86400)));
        assert_eq!(Pause::usual(), Duration::from_secs(86400));
        assert_eq!(pause_of("30d"), Ok(Duration::from_secs(30 * 86400)));
        assert_eq!([pause_of("31d"), pause_of("30s")], [(); 2].map(|()| Err("expected 1m to 30d".to_owned())));
        for wrong in ["", "m", "30", "1.5h", "-1m", "30µ", "99999999999s"] {
            assert!(duration(wrong).is_err_and(|why| why.contains("30m")), "{wrong}");
        }
        let json = |arguments: &[&str]| {
            let words = arguments.iter().map(|argument| OsString::from(*argument));
            (in_json(&command().get_matches_from(words.clone())), asks_for_json(words))
        };
        assert_eq!(json(&["crossfade", "status", "--output", "json"]), (true, true));
        assert_eq!(json(&["crossfade", "plan", "-ojson", "a.yaml"]), (true, true));
        assert_eq!(json(&["crossfade", "import", "elastigroup", "--output=json", "a.json"]), (true, true));
        assert!(json(&["crossfade", "deploy", "-wo", "json", "a.yaml"]).0);
        assert_eq!(json(&["crossfade", "plan", "--output", "markdown", "json"]), (false, false));
        assert_eq!(json(&["crossfade", "status", "--", "--output=json"]), (false, false));
        assert_eq!(name("shop-42"), Ok("shop-42".into()));
        assert!(name("a b").is_err_and(|why| why.contains("1 to 80 characters")));
    }
}
