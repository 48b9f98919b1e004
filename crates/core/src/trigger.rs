//! Triggers: stored deployment documents, and the events that start them (G1).
//!
//! What it owns: what a stored trigger says, which events and which images it waits for, and the name of the deployment that an
//! event starts. The name is a function of the trigger and of what happened, so that the same event twice starts one.
//!
//! What it must never do: fall back. An event that it does not know, and an image that nobody asked for, start nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::document::references::set;
use crate::document::{self, references::Draft};
use crate::text::printable;
use crate::{Failure, Kind, Result};

/// The variable of a document that the event's image is given to.
pub const VARIABLE: &str = "ami";
/// The longest name of a trigger, so that what happened has room in the name of the execution.
const LONGEST_NAME: usize = 40;

/// A stored trigger: what starts a deployment, and of what.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "an object with `when` and `document`")]
pub struct Trigger {
    /// What starts it.
    pub when: When,
    /// The deployment document itself, or the URL of the object in S3 that holds it.
    pub document: Value,
}

/// What starts a deployment; any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct When {
    /// EC2 says that an image has become available.
    pub new_image: Option<Images>,
    /// Image Builder says so, which it does once the image has passed its tests.
    pub built_image: Option<Images>,
    /// The parameter of this name has got another value.
    pub parameter: Option<String>,
    /// The stack's schedule has come round.
    #[serde(default)]
    pub schedule: bool,
}

/// Which images count. All of it has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Its name, in which `*` is any text and `?` any character.
    pub name: Option<String>,
    /// Its tags, or some of them.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The account that owns it; that of the event, unless something else is said.
    pub owner: Option<String>,
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
        let When { new_image, built_image, parameter, schedule } = &trigger.when;
        if new_image.is_none() && built_image.is_none() && parameter.is_none() && !schedule {
            return wrong("`when` names nothing: newImage, builtImage, parameter or schedule".into());
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

/// Whether a text is like this pattern, in which `*` is any text and `?` any character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and up to where it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The name of the deployment that this trigger starts for an image: the same image, the same name.
pub fn name_for_image(trigger: &str, ami: &str) -> String {
    format!("{trigger}-{ami}")
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

/// The stored document with the event's image in it, checked as far as that can be done without the account.
///
/// `image` goes to the variable `ami`. With `must`, a document that does not use it is refused, since it would deploy another image
/// than the one that has just come.
///
/// # Errors
/// `InvalidDocument` with every problem.
pub fn fill_in(mut document: Value, image: Option<&str>, must: bool) -> Result<Value> {
    let declared = document.pointer("/variables").is_some_and(|variables| variables.get(VARIABLE).is_some());
    if let Some(image) = image.filter(|_| must || declared) {
        set(&mut document, &[(VARIABLE.to_owned(), image.to_owned())]).map_err(|problems| {
            let failure = Failure::from(problems);
            Kind::InvalidDocument
                .because(format!("{failure}\nA trigger gives its image to the document's variable `ami`."))
        })?;
    }
    Draft::read(&document)?;
    Ok(document)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, text, is) in [
            ("shop-*", "shop-42", true),
            ("shop-*", "shop", false),
            ("*", "", true),
            ("shop-?", "shop-42", false),
            ("*-shop-*", "eu-shop-shop-1", true),
            ("shop", "shopping", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("shop.1", "shop-1", false),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }

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
    fn a_trigger_that_is_wrong_says_what() {
        let read = |name: &str, text: &str| Trigger::read(name, text).expect_err("it is wrong").message;
        let document = "document: {service: shop}";
        for (name, text, said) in [
            ("shop/1", "{}", "letters, digits, - and _"),
            ("shop", "when: [", "neither YAML nor JSON"),
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
