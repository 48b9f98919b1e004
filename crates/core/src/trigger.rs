//! Triggers: stored deployment documents, and the events that start them (G1).
//!
//! What it owns: what a stored trigger says, which events and which images it waits for, and the name of the deployment that an
//! event starts. The name is a function of the trigger and of what happened, so that the same event twice starts one.
//!
//! What it must never do: fall back. An event that it does not know, and an image that nobody asked for, start nothing.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::references::set;
use crate::document::{self, references::Draft};
use crate::pattern::matches;
use crate::text::printable;
use crate::{Failure, Kind, Result};

/// What an event gives to a document, and to which of its variables.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// A machine image, to `ami`.
    MachineImage(&'a str),
    /// A container image, to `image`.
    ContainerImage(&'a str),
    /// The value of a parameter, to whichever of both the document has, if it has one.
    Value(&'a str),
}
/// The longest name of a trigger, so that what happened has room in the name of the execution.
const LONGEST_NAME: usize = 40;

/// A stored trigger: what starts a deployment, and of what.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object with `when` and `document`")]
pub struct Trigger {
    /// What starts it.
    pub when: When,
    /// What else of the event, or of its image, is given to which variables of the document.
    #[serde(default)]
    pub give: BTreeMap<String, GivenBy>,
    /// The deployment document itself, or the URL of the object in S3 that holds it.
    pub document: Value,
}

/// Where the value of a variable comes from when an event starts a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GivenBy {
    /// The tag of this name, of the image that the event is about.
    Tag(String),
    /// The field at this place of the event, such as `detail.repository-name`.
    Field(String),
}

impl GivenBy {
    /// Its value, or what is missing.
    fn value(&self, event: &Value, image: Option<&Image>) -> std::result::Result<String, String> {
        match self {
            Self::Tag(name) => match image {
                Some(image) => {
                    image.tags.get(name).cloned().ok_or_else(|| format!("the image {} has no tag {name}", image.id))
                }
                None => Err(format!("the event is about no machine image, which alone has tags such as {name}")),
            },
            Self::Field(path) => {
                let found = path.split('.').try_fold(event, |value, name| match value {
                    Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                    other => other.get(name),
                });
                match found {
                    Some(Value::String(text)) => Ok(text.clone()),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
                    Some(_) => Err(format!("the event's field {path} is no single value")),
                    None => Err(format!("the event has no field {path}")),
                }
            }
        }
    }
}

/// What starts a deployment; any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// EC2 says that an image has become available.
    pub new_image: Option<Images>,
    /// Image Builder says so, which it does once the image has passed its tests.
    pub built_image: Option<Images>,
    /// Somebody has pushed a container image to ECR.
    pub pushed_image: Option<Pushes>,
    /// The parameter of this name has got another value.
    pub parameter: Option<String>,
    /// The stack's schedule has come round.
    #[serde(default)]
    pub schedule: bool,
}

/// Which images count. All of it has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Its name, in which `*` is any text and `?` any character.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), example = &"shop-*")]
    pub name: Option<String>,
    /// Its tags, or some of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The account that owns it; the own one, or that of the event, unless something else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{12}$"), extend("x-expected" = "the number of an account, 12 digits"))]
    pub owner: Option<String>,
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.iter().map(|name| format!("name {name}"));
        let tags = self.tags.iter().map(|(key, value)| format!("tag {key} = {value}"));
        let owner = self.owner.iter().map(|owner| format!("owner {owner}"));
        write!(f, "{}", name.chain(tags).chain(owner).collect::<Vec<_>>().join(", "))
    }
}

/// Which pushes of container images count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pushes {
    /// The repository's name, in which `*` is any text and `?` any character.
    pub repository: String,
    /// The tag, likewise; every tag, unless something else is said.
    pub tag: Option<String>,
}

/// A container image that was pushed to ECR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The registry: `ACCOUNT.dkr.ecr.REGION.amazonaws.com`.
    pub registry: String,
    /// The repository's name.
    pub repository: String,
    /// The tag; an image may be pushed without.
    pub tag: Option<String>,
    /// The digest, `sha256:…`: what the tag means now, whatever it means later.
    pub digest: String,
}

impl Push {
    /// The image, pinned by its digest.
    pub fn image(&self) -> String {
        format!("{}/{}@{}", self.registry, self.repository, self.digest)
    }

    fn read(event: &Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let pushed = text("/detail/action-type") == Some("PUSH") && text("/detail/result") == Some("SUCCESS");
        let (account, region) = (text("/account")?, text("/region")?);
        let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        pushed.then_some(Self {
            registry: format!("{account}.dkr.ecr.{region}.{suffix}"),
            repository: text("/detail/repository-name")?.to_owned(),
            tag: text("/detail/image-tag").map(str::to_owned),
            digest: text("/detail/image-digest")?.to_owned(),
        })
    }
}

impl Pushes {
    /// Why a push does not count, in a few words; nothing when it does.
    pub fn why_not(&self, push: &Push) -> Option<String> {
        if !matches(&self.repository, &push.repository) {
            return Some(format!("its repository is {}, not {}", push.repository, self.repository));
        }
        let tag = push.tag.as_deref().unwrap_or_default();
        let pattern = self.tag.as_deref().filter(|pattern| !matches(pattern, tag))?;
        Some(format!("its tag is {}, not {pattern}", push.tag.as_deref().unwrap_or("missing")))
    }
}

/// An image, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The account that owns it.
    pub owner: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Something that happened, and may start deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// This image is available.
    NewImage(String),
    /// Image Builder has built and tested this image, by the ARN of the build.
    BuiltImage(String),
    /// This container image was pushed.
    PushedImage(Push),
    /// The parameter of this name has got a value.
    Parameter(String),
    /// It is this time.
    Schedule(String),
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewImage(ami) => write!(formatter, "The image {ami} is available"),
            Self::BuiltImage(build) => write!(formatter, "Image Builder has built {build}"),
            Self::PushedImage(push) => write!(formatter, "The image {} was pushed", push.image()),
            Self::Parameter(name) => write!(formatter, "The parameter {name} has another value"),
            Self::Schedule(time) => write!(formatter, "It is {time}"),
        }
    }
}

impl Event {
    /// Reads an event of EventBridge. Nothing, for one that starts nothing, such as an image that has failed.
    pub fn read(event: &Value) -> Option<Self> {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let owned = |pointer: &str| text(pointer).map(str::to_owned);
        match text("/detail-type")? {
            "EC2 AMI State Change" if text("/detail/State") == Some("available") => {
                owned("/detail/ImageId").map(Self::NewImage)
            }
            "EC2 Image Builder Image State Change" if text("/detail/state/status") == Some("AVAILABLE") => {
                owned("/resources/0").map(Self::BuiltImage)
            }
            "ECR Image Action" => Push::read(event).map(Self::PushedImage),
            "Parameter Store Change" if matches!(text("/detail/operation"), Some("Create" | "Update")) => {
                owned("/detail/name").map(Self::Parameter)
            }
            "Scheduled Event" => owned("/time").map(Self::Schedule),
            _ => None,
        }
    }
}

impl Trigger {
    /// Reads a stored trigger, in YAML or JSON.
    ///
    /// # Errors
    /// `InvalidDocument`, with what is wrong.
    pub fn read(name: &str, text: &str) -> Result<Self> {
        let wrong = |problem: String| {
            Err(Kind::InvalidDocument.because(format!("The trigger {name} is wrong, and starts nothing: {problem}.")))
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(allowed) {
            return wrong(format!("its name has to be 1 to {LONGEST_NAME} letters, digits, - and _"));
        }
        let value = match document::read_text(text) {
            Ok(value) => value,
            Err(problems) => {
                let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
                return wrong(said.join(" ").trim_end_matches('.').to_owned());
            }
        };
        let trigger: Self = match serde_json::from_value(value) {
            Ok(trigger) => trigger,
            Err(error) => return wrong(printable(&error.to_string()).into_owned()),
        };
        let When { new_image, built_image, pushed_image, parameter, schedule } = &trigger.when;
        let images = new_image.is_some() || built_image.is_some() || pushed_image.is_some();
        if !images && parameter.is_none() && !schedule {
            return wrong("`when` names nothing: newImage, builtImage, pushedImage, parameter or schedule".into());
        }
        if new_image.iter().chain(built_image).any(|images| images.name.is_none() && images.tags.is_empty()) {
            return wrong("it would deploy every image of the account; say which by `name` or `tags`".into());
        }
        match &trigger.document {
            Value::Object(_) => Ok(trigger),
            Value::String(url) if url.strip_prefix("s3://").is_some_and(|path| path.contains('/')) => Ok(trigger),
            _ => wrong("`document` is neither a deployment document nor the URL of one, s3://BUCKET/KEY".into()),
        }
    }
}

impl Trigger {
    /// The values that it gives to variables, beside the image.
    ///
    /// # Errors
    /// `InvalidDocument` with everything that is missing.
    pub fn gives(&self, event: &Value, image: Option<&Image>) -> Result<Vec<(String, String)>> {
        let (mut values, mut missing) = (Vec::new(), Vec::new());
        for (variable, from) in &self.give {
            match from.value(event, image) {
                Ok(value) => values.push((variable.clone(), value)),
                Err(why) => missing.push(format!("give.{variable}: {why}")),
            }
        }
        match missing.as_slice() {
            [] => Ok(values),
            some => Err(Kind::InvalidDocument.because(format!("Nothing is started: {}.", some.join("; ")))),
        }
    }
}

impl Images {
    /// Why an image does not count, in a few words; nothing when it does.
    pub fn why_not(&self, image: &Image, account: &str) -> Option<String> {
        let owner = self.owner.as_deref().unwrap_or(account);
        if image.owner != owner {
            return Some(format!("its owner is {}, not {owner}", image.owner));
        }
        if let Some(pattern) = self.name.as_deref().filter(|pattern| !matches(pattern, &image.name)) {
            return Some(format!("its name is {}, not {pattern}", image.name));
        }
        let (key, value) = self.tags.iter().find(|(key, value)| image.tags.get(*key) != Some(value))?;
        Some(format!("its tag {key} is not {value}"))
    }
}

/// The name of the deployment that this trigger starts for an image: the same image, the same name.
pub fn name_for_image(trigger: &str, ami: &str) -> String {
    format!("{trigger}-{ami}")
}

/// The name for a container image: the same digest, the same name, whatever it is tagged. It has some of the digest, since the name of
/// an execution has no room for all of it.
pub fn name_for_push(trigger: &str, push: &Push) -> String {
    let digest: String = push.digest.chars().skip_while(|c| *c != ':').skip(1).take(24).collect();
    format!("{trigger}-{digest}")
}

/// The name for a value of a parameter. A version alone would not do: a parameter that is deleted and made again counts from 1.
pub fn name_for_version(trigger: &str, version: u64, modified_seconds: u64) -> String {
    format!("{trigger}-{version}-{modified_seconds}")
}

/// The name for a time, as EventBridge writes it.
pub fn name_for_time(trigger: &str, time: &str) -> String {
    let digits: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{trigger}-{digits}")
}

/// The stored document with the event's image and the other values that a trigger gives in it, checked as far as that can be done without the account.
///
/// A document that does not use an image which has just come is refused: it would deploy another one.
///
/// # Errors
/// `InvalidDocument` with every problem.
pub fn fill_in(mut document: Value, given: Option<Given<'_>>, others: &[(String, String)]) -> Result<Value> {
    let declares = |name: &&str| document.pointer("/variables").is_some_and(|variables| variables.get(*name).is_some());
    let given = given.and_then(|given| match given {
        Given::MachineImage(image) => Some(("ami", image)),
        Given::ContainerImage(image) => Some(("image", image)),
        Given::Value(value) => ["ami", "image"].into_iter().find(declares).map(|name| (name, value)),
    });
    if let Some((variable, value)) = given {
        set(&mut document, &[(variable.to_owned(), value.to_owned())]).map_err(|problems| {
            let failure = Failure::from(problems);
            Kind::InvalidDocument
                .because(format!("{failure}\nA trigger gives its image to the document's variable `{variable}`."))
        })?;
    }
    set(&mut document, others).map_err(|problems| {
        let failure = Failure::from(problems);
        Kind::InvalidDocument.because(format!("{failure}\nThe trigger gives them by `give`."))
    })?;
    Draft::read(&document)?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_say_what_happened_and_fit() {
        let longest = "x".repeat(LONGEST_NAME);
        for name in [
            name_for_image(&longest, "ami-0123456789abcdef0"),
            name_for_version(&longest, 1_000_000, 9_999_999_999),
            name_for_time(&longest, "2026-11-21T03:00:00Z"),
        ] {
            assert!(name.len() <= 80, "{name}");
        }
        assert_eq!(name_for_time("shop", "2026-11-21T03:00:00Z"), "shop-20261121T030000Z");
    }

    #[test]
    fn only_what_has_come_to_a_good_end_is_an_event() {
        let image = |state: &str| json!({"detail-type": "EC2 AMI State Change", "detail": {"ImageId": "ami-1", "State": state}});
        assert_eq!(Event::read(&image("available")), Some(Event::NewImage("ami-1".into())));
        let deleted =
            json!({"detail-type": "Parameter Store Change", "detail": {"name": "/ami", "operation": "Delete"}});
        let unknown = json!({"detail-type": "EC2 Instance State-change Notification", "time": "2026-11-21T03:00:00Z"});
        let failed = json!({
            "detail-type": "EC2 Image Builder Image State Change", "resources": ["arn"], "detail": {"state": {"status": "FAILED"}},
        });
        for nothing in [image("failed"), image("deregistered"), deleted, unknown, failed, json!({}), json!([])] {
            assert_eq!(Event::read(&nothing), None, "{nothing}");
        }
    }

    #[test]
    fn g1_a_push_is_an_image_by_its_digest_and_counts_by_repository_and_tag() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let event = |action: &str, result: &str| {
            json!({
                "detail-type": "ECR Image Action", "account": "123456789012", "region": "eu-west-1",
                "detail": {
                    "action-type": action, "result": result, "repository-name": "team/shop", "image-tag": "1.2",
                    "image-digest": digest,
                },
            })
        };
        let Some(Event::PushedImage(push)) = Event::read(&event("PUSH", "SUCCESS")) else { panic!("it is an event") };
        assert_eq!(push.image(), format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/shop@{digest}"));
        assert_eq!(name_for_push("shop", &push), format!("shop-{}", "ab".repeat(12)));
        for (action, result) in [("DELETE", "SUCCESS"), ("PUSH", "FAILURE")] {
            assert_eq!(Event::read(&event(action, result)), None);
        }
        let why_not = |repository: &str, tag: Option<&str>| {
            Pushes { repository: repository.into(), tag: tag.map(str::to_owned) }.why_not(&push)
        };
        assert_eq!(why_not("team/*", None), None);
        assert_eq!(why_not("team/shop", Some("1.*")), None);
        assert_eq!(why_not("shop", None).as_deref(), Some("its repository is team/shop, not shop"));
        assert_eq!(why_not("team/shop", Some("2.*")).as_deref(), Some("its tag is 1.2, not 2.*"));
    }

    #[test]
    fn a_trigger_that_is_wrong_says_what() {
        let read = |name: &str, text: &str| Trigger::read(name, text).expect_err("it is wrong").message;
        let document = "document: {service: shop}";
        for (name, text, said) in [
            ("shop/1", "{}", "letters, digits, - and _"),
            ("shop", "when: [", "has a `[` that is never closed"),
            ("shop", "when: {newImages: {}}", "unknown field `newImages`"),
            ("shop", &format!("when: {{}}\n{document}"), "names nothing"),
            ("shop", &format!("when: {{newImage: {{}}}}\n{document}"), "every image of the account"),
            ("shop", "when: {schedule: true}\ndocument: shop.yaml", "s3://BUCKET/KEY"),
        ] {
            let problem = read(name, text);
            assert!(problem.contains(said), "{said}: {problem}");
        }
    }

    #[test]
    fn an_image_counts_when_everything_holds() {
        let tags = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let images = Images { name: Some("shop-*".into()), tags: tags(&[("stage", "tested")]), owner: None };
        let image = Image {
            id: "ami-1".into(),
            name: "shop-1".into(),
            owner: "1".into(),
            tags: tags(&[("stage", "tested"), ("team", "web")]),
        };
        assert_eq!(images.why_not(&image, "1"), None);
        assert_eq!(images.why_not(&image, "2").as_deref(), Some("its owner is 1, not 2"));
        let other = Image { name: "blog-1".into(), ..image.clone() };
        assert_eq!(images.why_not(&other, "1").as_deref(), Some("its name is blog-1, not shop-*"));
        let other = Image { tags: BTreeMap::new(), ..image };
        assert_eq!(images.why_not(&other, "1").as_deref(), Some("its tag stage is not tested"));
    }
}
