//! `crossfade init`: reads what is there and writes a document for it.
//!
//! It must never write over a file, or change anything in the account. What it writes is a document like any other: checked as
//! `validate` checks it, and looked at as `plan` looks, before it is handed out.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use crossfade_aws::{Runs, keys};
use crossfade_core::document::Document;
use crossfade_core::document::references::Answers;
use crossfade_core::kinds::Platform;
use crossfade_core::observed::Fleet;
use crossfade_core::split::Split;
use crossfade_core::text::{self, printable};
use crossfade_steps::ServingRecord;
use serde_json::json;

use crate::args::{Init, Output, Stack, Way};
use crate::documents;
use crate::installed::{Installed, on, record};
use crate::say::{Problem, aside, terminal, verbatim};

pub(crate) fn run(stack: &Stack, options: &Init) -> Result<ExitCode, Problem> {
    let (platform, base) = base(options)?;
    on(stack, async |installed| {
        installed.introduce(Output::Text).await;
        let found = look(installed, options, platform, base).await?;
        let text = found.text();
        // What nobody could deploy is not handed out.
        let document = checked(&text)?;
        for note in found.notes() {
            aside(&note);
        }
        match crossfade_steps::preview(&json!(document), &installed.context).await {
            Ok(preview) => {
                aside(&format!("`crossfade plan` finds {} stages, and nothing in the way.", preview.plan.stages.len()))
            }
            Err(failure) => aside(&format!("`crossfade plan` finds something in the way: {failure}")),
        }
        match &options.file {
            None => verbatim(text.trim_end()),
            Some(file) => {
                let written = File::create_new(file).and_then(|mut new| new.write_all(text.as_bytes()));
                written.map_err(|error| match error.kind() {
                    ErrorKind::AlreadyExists => Problem::Usage(format!(
                        "{} is there already, and is not written over. Give another --file, or remove it.",
                        file.display()
                    )),
                    _ => Problem::Usage(format!("{} cannot be written: {error}.", file.display())),
                })?;
                aside(&format!("Written to {0}: read it, then `crossfade plan {0}`", file.display()));
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The platform, and the base on it.
fn base(options: &Init) -> Result<(Platform, String), Problem> {
    let both = |what: &str, text: &str, shape: &str| {
        let pair = text.split_once('/').filter(|(one, other)| !one.is_empty() && !other.is_empty());
        pair.map(|(one, other)| (one.to_owned(), other.to_owned()))
            .ok_or_else(|| Problem::Usage(format!("--{what} {text}: expected {shape}.")))
    };
    match (&options.group, &options.service, &options.elastigroup) {
        (Some(group), None, None) => Ok((Platform::AutoScalingGroups, group.clone())),
        (None, Some(service), None) => {
            let (cluster, service) = both("service", service, "CLUSTER/SERVICE")?;
            Ok((Platform::EcsServices { cluster }, service))
        }
        (None, None, Some(group)) => {
            let (account, group) = both("elastigroup", group, "ACCOUNT/ID, as in act-0123abcd/sig-0123abcd")?;
            Ok((Platform::Elastigroups { account }, group))
        }
        _ => Err(Problem::Usage(
            "Say what is deployed to: --group NAME, --service CLUSTER/SERVICE or --elastigroup ACCOUNT/ID.".into(),
        )),
    }
}

/// What somebody at the terminal answers.
fn asked(question: &str) -> Result<String, Problem> {
    let _ = write!(std::io::stderr(), "{} ", printable(question));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Problem::Here(error.to_string()))?;
    match answer.trim() {
        "" => Err(Problem::Usage("Nothing was said, and nothing is written.".into())),
        answer => Ok(answer.to_owned()),
    }
}

/// A document that can be deployed, as far as that shows without looking.
fn checked(text: &str) -> Result<Document, Problem> {
    let value = crossfade_core::document::read_text(text).map_err(crossfade_core::Failure::from)?;
    Ok(documents::again(&value)?.draft.resolve(&Answers::new())?.0)
}

/// The image that is deployed first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Image {
    /// As the document names it.
    name: String,
    /// What it is, beside that.
    is: String,
    /// The container that runs it, where the document has to say so, and why.
    container: Option<(String, String)>,
    /// What is worth knowing of it.
    notes: Vec<String>,
}

impl Image {
    /// One that somebody has named.
    fn given(name: String) -> Self {
        let is = "what is deployed, unless --set says otherwise".into();
        Self { name, is, container: None, notes: Vec::new() }
    }

    /// What a fleet runs: of several the one that most members run, or the first container.
    fn run(fleet: &str, runs: &[Runs]) -> Option<Self> {
        let (first, others) = runs.split_first()?;
        let what = match first.members {
            0 => format!("what members of {fleet} would be made from"),
            _ => format!("what {fleet} runs"),
        };
        let called = first.called.as_ref().map_or_else(String::new, |called| format!(" ({called})"));
        let mut notes = Vec::new();
        let each = |runs: &Runs| match &runs.container {
            Some(container) => format!("{} in the container {container}", runs.image),
            None => format!("{} in {} members", runs.image, runs.members),
        };
        let more: Vec<String> = others.iter().map(each).collect();
        if !more.is_empty() {
            notes.push(format!(
                "{fleet} runs {}, and beside it {}. The document has the first.",
                each(first),
                text::few(&more)
            ));
        }
        let mut name = first.image.clone();
        // Docker takes an image without a tag for the latest one; a document says it.
        if !name.starts_with("ami-")
            && !name.contains('@')
            && !name.rsplit('/').next().unwrap_or_default().contains(':')
        {
            notes.push(format!("The image {name} has no tag, which means latest. What that is may change while members run: give a tag of its own."));
            name.push_str(":latest");
        }
        let names: Vec<&str> = others.iter().filter_map(|it| it.container.as_deref()).collect();
        let container =
            first.container.clone().map(|container| (container, format!("the others are {}", names.join(", "))));
        Some(Self { name, is: format!("{what}{called}; --set image=… deploys another one"), container, notes })
    }
}

/// How traffic reaches what is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Routes {
    /// By the weights of rules or listeners.
    Weighted(Vec<String>),
    /// By these target groups.
    Shared(Vec<String>),
    /// By none.
    None,
}

/// What was found, and is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    service: String,
    environment: String,
    image: Image,
    platform: Platform,
    base: String,
    routes: Routes,
    way: Way,
    /// Whether something runs whose size can be taken.
    runs: bool,
    /// Whether the base itself has members, which serve.
    serves: bool,
}

async fn look(installed: &Installed, options: &Init, platform: Platform, base: String) -> Result<Found, Problem> {
    let fleets = installed.on_platform(&platform);
    let fleet = fleets.get(&base).await?.ok_or_else(|| {
        let what = match &platform {
            Platform::AutoScalingGroups => format!("Auto Scaling group {base}"),
            Platform::EcsServices { cluster } => format!("service {base} in the cluster {cluster}"),
            Platform::Elastigroups { account } => format!("Elastigroup {base} in the account {account}"),
        };
        Problem::NotFound(format!("There is no {what} in {}.", installed.region))
    })?;
    let mut splits = Vec::new();
    for rule in &options.rule {
        splits.push((rule.clone(), installed.switches.read(rule).await?));
    }
    let (routes, way) = routes(&splits, &fleet, options.strategy)?;
    let service = options.name.clone().unwrap_or_else(|| service_of(&fleet));
    let any = match &platform {
        Platform::EcsServices { .. } => "image:tag",
        Platform::AutoScalingGroups | Platform::Elastigroups { .. } => "ami-00000000",
    };
    let mut found = Found {
        service,
        environment: options.environment.clone(),
        image: Image::given(options.image.clone().unwrap_or_else(|| any.into())),
        platform,
        serves: !fleet.members.is_empty(),
        runs: fleet.size.desired > 0,
        base,
        routes,
        way,
    };
    let infrastructure = checked(&found.text())?.infrastructure().to_string();
    let revisions = if found.serves { Vec::new() } else { fleets.of(&infrastructure).await? };
    found.runs |= revisions.iter().any(Fleet::live);
    if options.image.is_none() {
        let serving = serving(installed, &infrastructure, &revisions).await?.unwrap_or(&fleet);
        found.image = match Image::run(&serving.name, &fleets.runs(serving).await?) {
            Some(image) => image,
            None if terminal() => Image::given(asked(match found.platform {
                Platform::EcsServices { .. } => "Which image is deployed, REPOSITORY:TAG?",
                Platform::AutoScalingGroups | Platform::Elastigroups { .. } => "Which AMI is deployed?",
            })?),
            None => {
                return Err(Problem::Usage(format!(
                    "What {} runs cannot be read. Give --image: the AMI, or the container image, that is deployed.",
                    serving.name
                )));
            }
        };
    }
    Ok(found)
}

/// The revision that serves: the one that is recorded so, otherwise the last one with the most members.
async fn serving<'a>(
    installed: &Installed,
    infrastructure: &str,
    revisions: &'a [Fleet],
) -> Result<Option<&'a Fleet>, Problem> {
    let found = installed.table.get(&keys::infrastructure(infrastructure), keys::SERVING).await?;
    let recorded: Option<ServingRecord> = found.map(|(value, _)| record(value)).transpose()?;
    let with_members = || revisions.iter().filter(|fleet| !fleet.members.is_empty());
    let named = recorded.and_then(|recorded| with_members().find(|fleet| fleet.name == recorded.fleet));
    Ok(named.or_else(|| with_members().max_by_key(|fleet| (fleet.members.len(), fleet.revision))))
}

/// How traffic goes, and the strategy that fits, or the one that is wanted.
fn routes(splits: &[(String, Split)], fleet: &Fleet, wanted: Option<Way>) -> Result<(Routes, Way), Problem> {
    let mut shared: Vec<String> = Vec::new();
    let mut weighted = Vec::new();
    for (rule, split) in splits {
        let with: Vec<&str> =
            split.routes.iter().filter(|route| route.weight > 0).map(|route| route.target_group.as_str()).collect();
        match (split.routes.len(), with.as_slice()) {
            (1 | 2, [one]) => {
                shared.push((*one).to_owned());
                weighted.extend((split.routes.len() == 2).then(|| rule.clone()));
            }
            (2, _) => {
                return Err(Problem::Usage(format!(
                    "{rule} splits traffic between two target groups now. Give one of them all of it, then it is known which serves."
                )));
            }
            (sides, _) => {
                return Err(Problem::Usage(format!(
                    "{rule} forwards to {sides} target groups. Name a rule or listener that forwards to one, or to two of which one has \
                     all the traffic."
                )));
            }
        }
    }
    let all_weighted = !splits.is_empty() && weighted.len() == splits.len();
    if shared.is_empty() {
        shared.clone_from(&fleet.target_groups);
    }
    let way = wanted.unwrap_or(if all_weighted { Way::Shift } else { Way::Basic });
    match way {
        Way::Shift | Way::Swap if all_weighted => Ok((Routes::Weighted(weighted), way)),
        Way::Shift | Way::Swap => Err(Problem::Usage(format!(
            "--strategy {} needs a rule or listener that forwards to two target groups, one of which has all the traffic. Name it with --rule.",
            way.word()
        ))),
        Way::Basic | Way::Canary if shared.is_empty() => Ok((Routes::None, way)),
        Way::Basic | Way::Canary => Ok((Routes::Shared(shared), way)),
    }
}

/// What a base's service is called: as the base, without what says that it is one.
fn service_of(fleet: &Fleet) -> String {
    let label = match &fleet.own {
        crossfade_core::kinds::Own::Elastigroup(own) if !own.label.is_empty() => own.label.as_str(),
        _ => fleet.name.as_str(),
    };
    let label = label.strip_suffix("-base").unwrap_or(label);
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = label.chars().map(fits).take(63).collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    if name.is_empty() { "service".to_owned() } else { name.to_owned() }
}

/// A text as it is written in YAML, with nothing in it that the document would look up elsewhere.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._/:@".contains(c))
        && !text.ends_with(':')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { json!(text.replace("${", "$${")).to_string() }
}

/// A text as it is written behind a `#`.
fn remark(text: &str) -> String {
    text::one_line(text, text::WHO)
}

impl Found {
    /// The document, with what there is to know beside it.
    fn text(&self) -> String {
        let Self { service, environment, image, base, .. } = self;
        let container = image.container.as_ref().map_or_else(String::new, |(name, why)| {
            format!("    container: {}    # whose image is replaced; {}\n", scalar(name), remark(why))
        });
        let (service, environment) = (scalar(service), scalar(environment));
        let capacity = match self.runs {
            true => "    capacity: sameAsRunning    # as many as run when a deployment starts\n",
            false => {
                "    capacity:                  # nothing runs yet: say how many there are to be\n      fixed: {min: 1, desired: 2, max: 4}\n"
            }
        };
        let (artifact, compute) = match &self.platform {
            Platform::AutoScalingGroups => (
                "ami",
                format!("  autoScalingGroup:\n    base: {}    # the template: read, never changed\n", scalar(base)),
            ),
            Platform::EcsServices { cluster } => (
                "image",
                format!(
                    "  ecsService:\n    cluster: {}\n    base: {}    # the template: read, never changed\n{container}",
                    scalar(cluster),
                    scalar(base)
                ),
            ),
            Platform::Elastigroups { account } => (
                "ami",
                format!(
                    "  elastigroup:\n    account: {}\n    base: {}    # the template: read, never changed\n",
                    scalar(account),
                    scalar(base)
                ),
            ),
        };
        let list = |arns: &[String]| arns.iter().map(|arn| format!("      - {}\n", scalar(arn))).collect::<String>();
        let routing = match &self.routes {
            Routes::Weighted(rules) => format!("routing:\n  weighted:\n{}", list(rules).replace("      - ", "    - ")),
            Routes::Shared(groups) => format!("routing:\n  targetGroups:\n    production:\n{}", list(groups)),
            Routes::None => "routing: none    # no load balancer: the members fetch their work themselves\n".to_owned(),
        };
        format!(
            "# yaml-language-server: $schema=deployment-document.schema.json\n\
             #\n\
             # A deployment document of crossfade, written by `crossfade init`. Editors check it by the schema: `crossfade schema > \
             deployment-document.schema.json`.\n\
             # Look at what it would do with `crossfade plan FILE`; deploy it with `crossfade deploy FILE --set image=…`.\n\
             service: {service}\n\
             environment: {environment}\n\n\
             variables:\n  image: {}    # {}\n\n\
             artifact:\n  {artifact}: ${{image}}\n\n\
             compute:\n{compute}    name: {service}    # revision 7 is {service}__7\n{capacity}\n\
             {routing}\n\
             {}",
            scalar(&image.name),
            remark(&image.is),
            self.way.text()
        )
    }

    /// What somebody should know who deploys it.
    fn notes(&self) -> Vec<String> {
        let mut notes = self.image.notes.clone();
        if self.serves {
            notes.push(format!(
                "{0} has members. A base is a template, which is never resized or deleted: to replace these, make a copy of {0} at \
                 size 0 the base, and adopt {0} as its first revision (`crossfade adopt --help`).",
                self.base
            ));
        }
        notes
    }
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Canary => "canary",
            Self::Shift => "shift",
            Self::Swap => "swap",
        }
    }

    /// The strategy, as it is written.
    fn text(self) -> &'static str {
        match self {
            Self::Basic => {
                "strategy:\n  basic:    # all new members up beside the old ones, then the old ones go\n    approveBeforeDownsize: true\n"
            }
            Self::Canary => {
                "strategy:\n  canary:    # the new ones take the place of the old ones step by step\n    phases:\n      - percent: 25\n      \
                 - percent: 50\n      - percent: 100\n    approveAfterPhases: [1]\n"
            }
            Self::Shift => {
                "strategy:\n  blueGreenShift:    # all new members up without traffic, then the traffic in steps\n    percents: [10, 50, 100]\n    \
                 approveAfterPercents: [10]    # somebody has to agree at 10 %\n"
            }
            Self::Swap => {
                "strategy:\n  blueGreenSwap:    # all new members up without traffic, then all traffic at once\n    approveBeforeSwap: true\n"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(platform: Platform, routes: Routes, way: Way, runs: bool) -> Found {
        let image = match platform {
            Platform::EcsServices { .. } => "registry.example/shop:7",
            _ => "ami-0a11ce00000000007",
        };
        let (service, environment) = ("shop".to_owned(), "production".to_owned());
        let base = if matches!(platform, Platform::Elastigroups { .. }) { "sig-0123abcd" } else { "shop-base" };
        let (image, base) = (Image::given(image.to_owned()), base.to_owned());
        Found { service, environment, image, platform, base, routes, way, runs, serves: false }
    }

    const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/baf424e6c74b68c5/193838026e3ac0d8/4dc05e242e780a26";
    const POOL: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-a/dd5d7937d3f835b3";

    #[test]
    fn whatever_is_found_is_a_document() {
        let platforms = [
            Platform::AutoScalingGroups,
            Platform::EcsServices { cluster: "shop".into() },
            Platform::Elastigroups { account: "act-0123abcd".into() },
        ];
        let ways = [
            (Routes::Weighted(vec![RULE.into()]), Way::Shift),
            (Routes::Weighted(vec![RULE.into()]), Way::Swap),
            (Routes::Shared(vec![POOL.into()]), Way::Basic),
            (Routes::Shared(vec![POOL.into()]), Way::Canary),
            (Routes::None, Way::Basic),
        ];
        for platform in platforms {
            for (routes, way) in ways.clone() {
                for runs in [true, false] {
                    let text = found(platform.clone(), routes.clone(), way, runs).text();
                    let document = checked(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
                    assert_eq!(document.service, "shop", "{text}");
                }
            }
        }
    }

    fn runs(image: &str, members: usize, container: Option<&str>) -> Runs {
        Runs { image: image.into(), called: Some("shop-7".into()), members, container: container.map(str::to_owned) }
    }

    #[test]
    fn the_image_that_runs_is_written_with_what_it_is() {
        let run = |all: &[Runs]| Image::run("shop__6", all).expect("something runs");
        let one = run(&[runs("ami-0a11ce00000000006", 4, None)]);
        assert_eq!(one.is, "what shop__6 runs (shop-7); --set image=… deploys another one");
        assert_eq!((one.notes.len(), one.container), (0, None));
        assert!(
            run(&[runs("ami-0a11ce00000000006", 0, None)]).is.starts_with("what members of shop__6 would be made from")
        );
        let mixed = run(&[runs("ami-0a11ce00000000006", 3, None), runs("ami-0a11ce00000000005", 1, None)]);
        assert_eq!(mixed.name, "ami-0a11ce00000000006");
        assert!(mixed.notes[0].contains("beside it ami-0a11ce00000000005 in 1 members"), "{:?}", mixed.notes);
        assert_eq!(Image::run("shop__6", &[]), None);
    }

    #[test]
    fn a_container_is_named_where_there_are_several_and_an_image_gets_a_tag() {
        let all = [runs("registry.example:5000/shop", 2, Some("web")), runs("proxy:1", 2, Some("proxy"))];
        let image = Image::run("shop-base", &all).expect("something runs");
        assert_eq!(image.name, "registry.example:5000/shop:latest");
        let platform = Platform::EcsServices { cluster: "shop".into() };
        let text = Found { image, ..found(platform, Routes::None, Way::Basic, true) }.text();
        let document = checked(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        assert_eq!(json!(document).pointer("/compute/ecsService/container"), Some(&json!("web")), "{text}");
        assert!(text.contains("the others are proxy"), "{text}");
        let digest = format!("shop@sha256:{}", "0".repeat(64));
        assert_eq!(Image::run("x", &[runs(&digest, 1, None)]).map(|it| it.name), Some(digest));
    }

    #[test]
    fn odd_names_stay_what_they_are() {
        for name in ["yes", "1.0", "a: b", "${image}", "ä\"b", "- x", "#", "a b"] {
            let mut odd = found(Platform::AutoScalingGroups, Routes::None, Way::Basic, true);
            odd.base = name.to_owned();
            match checked(&odd.text()) {
                Ok(document) => {
                    assert_eq!(json!(document).pointer("/compute/autoScalingGroup/base"), Some(&json!(name)))
                }
                // No group can be called so.
                Err(problem) => assert!(problem.to_string().contains("base"), "{name}: {problem}"),
            }
        }
    }

    #[test]
    fn rules_say_which_strategy_fits() {
        let fleet = || -> Fleet {
            serde_json::from_value(json!({
                "name": "shop-base", "infrastructure": null, "revision": null, "deployment": null,
                "size": {"min": 0, "desired": 0, "max": 0}, "targetGroups": [], "members": [], "blueprint": null, "deleting": false,
                "own": {"autoScalingGroup": {}},
            }))
            .expect("a fleet")
        };
        let split = |weights: &[u32]| {
            let routes = weights.iter().enumerate();
            let routes =
                routes.map(|(i, weight)| crossfade_core::split::Route::to(format!("tg-{i}"), *weight)).collect();
            (RULE.to_owned(), Split { routes, sticky_seconds: None, altered: None })
        };
        let fits = |weights: &[&[u32]], wanted| {
            let splits: Vec<_> = weights.iter().map(|weights| split(weights)).collect();
            routes(&splits, &fleet(), wanted).map_err(|problem| problem.to_string())
        };
        assert_eq!(fits(&[&[100, 0]], None), Ok((Routes::Weighted(vec![RULE.into()]), Way::Shift)));
        assert_eq!(fits(&[&[0, 100]], Some(Way::Canary)), Ok((Routes::Shared(vec!["tg-1".into()]), Way::Canary)));
        assert_eq!(fits(&[&[1]], None), Ok((Routes::Shared(vec!["tg-0".into()]), Way::Basic)));
        assert_eq!(fits(&[], None), Ok((Routes::None, Way::Basic)));
        assert!(fits(&[&[50, 50]], None).is_err_and(|why| why.contains("splits traffic")));
        assert!(fits(&[&[1, 1, 0]], None).is_err_and(|why| why.contains("3 target groups")));
        assert!(fits(&[&[1]], Some(Way::Shift)).is_err_and(|why| why.contains("--rule")));
    }
}
