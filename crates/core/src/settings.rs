//! What a new fleet takes from its template, setting by setting, and in which of them two fleets differ.
//!
//! What it owns: how settings are named for people, and what of them nobody may see. A value that may be a secret is kept as a
//! fingerprint from the moment that it is read. It must never know an API: adapters say which fields there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::fingerprint;

/// The settings of a fleet: each part of it (the fleet itself goes by no name), and each setting by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Settings(BTreeMap<String, BTreeMap<String, Setting>>);

/// The value of a setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// As it is.
    Shown(String),
    /// A number computed from what may be a secret.
    Hidden(String),
}

impl Setting {
    /// What may be a secret: of it nothing but whether it is the same can be told.
    pub fn hidden(secret: &str) -> Self {
        Self::Hidden(format!("{:08x}", fingerprint(secret) & 0xffff_ffff))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shown(text) => f.write_str(text),
            Self::Hidden(fingerprint) => write!(f, "fingerprint {fingerprint}"),
        }
    }
}

/// How fields are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// In words: `healthCheckGracePeriod` is the health check grace period.
    Words,
    /// As they stand in JSON, each below the one before: `strategy.drainingTimeout`.
    Paths,
}

/// What has nothing but a name is there.
const THERE: &str = "there";
/// The fields by which the items of a list are told apart.
const NAMES: [&str; 10] = [
    "name",
    "key",
    "tagKey",
    "lifecycleHookName",
    "policyName",
    "scheduledActionName",
    "alarmName",
    "deviceName",
    "instanceType",
    "metric",
];
/// The fields that hold the rest of what has a name, where nothing else does.
const VALUES: [&str; 3] = ["value", "tagValue", "valueFrom"];
/// The fields, and all below them, that may hold a secret: nobody sees more of them than whether they are the same.
const SECRETS: [&str; 9] = [
    "userData",
    "shutdownScript",
    "environment",
    "command",
    "entryPoint",
    "options",
    "dockerLabels",
    "notificationMetadata",
    "thirdPartiesIntegration",
];
/// The units of fields, by how these end.
const UNITS: [(&str, &str); 8] = [
    ("gracePeriod", "s"),
    ("cooldown", "s"),
    ("warmup", "s"),
    ("lifetime", "s"),
    ("heartbeatTimeout", "s"),
    ("stopTimeout", "s"),
    ("seconds", "s"),
    ("volumeSize", "GiB"),
];
/// The fields whose names sound as if they held one, and do not.
const HARMLESS: [&str; 2] = ["httpTokens", "secrets"];

impl Settings {
    /// Adds the fields of an object to a part. What is nothing, or an empty list, is as if it were not there.
    pub fn add(&mut self, part: &str, value: &Value, spelling: Spelling) {
        self.walk(part, "", value, spelling, false);
    }

    /// Sets one of them.
    pub fn set(&mut self, part: &str, name: &str, setting: Setting) {
        self.0.entry(part.to_owned()).or_default().insert(name.to_owned(), setting);
    }

    /// Adds a part for each item of a list, called so and by its name.
    pub fn parts(&mut self, called: &str, items: &[Value], spelling: Spelling) {
        for (nth, item) in items.iter().enumerate() {
            let (name, rest) = identified(item).unwrap_or_else(|| ((nth + 1).to_string(), item.clone()));
            let part = format!("{called} {name}");
            // Nothing but a name is there all the same.
            self.0.entry(part.clone()).or_default();
            self.add(&part, &rest, spelling);
        }
    }

    /// Has what `other` has in the parts whose names begin so, and nothing else: what is not compared must not differ.
    pub fn take_parts(&mut self, other: &Self, called: &str) {
        self.0.retain(|part, _| !part.starts_with(called));
        let theirs = other.0.iter().filter(|(part, _)| part.starts_with(called));
        self.0.extend(theirs.map(|(part, settings)| (part.clone(), settings.clone())));
    }

    fn walk(&mut self, part: &str, path: &str, value: &Value, spelling: Spelling, secret: bool) {
        let below = |name: &str| match (path, spelling) {
            ("", Spelling::Words) => words(name),
            ("", Spelling::Paths) => name.to_owned(),
            (path, Spelling::Words) => format!("{path} {}", words(name)),
            (path, Spelling::Paths) => format!("{path}.{name}"),
        };
        match value {
            Value::Null => {}
            Value::Object(fields) => {
                for (name, field) in fields {
                    let measured =
                        unit(name).filter(|_| spelling == Spelling::Words && (field.is_number() || field.is_string()));
                    let measured = measured.map(|unit| Value::String(format!("{} {unit}", plain(field))));
                    let field = measured.as_ref().unwrap_or(field);
                    self.walk(part, &below(name), field, spelling, secret || may_be_secret(name));
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (nth, item) in items.iter().enumerate() {
                    let (name, rest) = identified(item).unwrap_or_else(|| ((nth + 1).to_string(), item.clone()));
                    let path = match spelling {
                        Spelling::Words => format!("{path} {name}"),
                        Spelling::Paths => format!("{path}[{name}]"),
                    };
                    match rest.as_object() {
                        Some(fields) if fields.is_empty() => self.set(part, &path, Setting::Shown(THERE.into())),
                        _ => self.walk(part, &path, &rest, spelling, secret),
                    }
                }
            }
            Value::Array(items) => {
                let texts: Vec<String> = items.iter().map(plain).collect();
                self.leaf(part, path, &texts.join(", "), secret);
            }
            other => self.leaf(part, path, &plain(other), secret),
        }
    }

    fn leaf(&mut self, part: &str, path: &str, text: &str, secret: bool) {
        if !text.is_empty() {
            let setting = if secret { Setting::hidden(text) } else { Setting::Shown(text.to_owned()) };
            self.set(part, path, setting);
        }
    }

    /// In what `after` differs, in the order of the parts and of their settings. Of a part that only one of them has it is said once.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let parts: BTreeSet<&String> = self.0.keys().chain(after.0.keys()).collect();
        for part in parts {
            let nothing = BTreeMap::new();
            let whole = |before: bool| Difference {
                of: Some(part.clone()).filter(|part| !part.is_empty()),
                setting: None,
                before: before.then(|| THERE.to_owned()),
                after: (!before).then(|| THERE.to_owned()),
                hidden: false,
            };
            let (was, is) = match (self.0.get(part), after.0.get(part)) {
                (Some(_), None) if !part.is_empty() => {
                    found.push(whole(true));
                    continue;
                }
                (None, Some(_)) if !part.is_empty() => {
                    found.push(whole(false));
                    continue;
                }
                (was, is) => (was.unwrap_or(&nothing), is.unwrap_or(&nothing)),
            };
            let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
            for name in names.into_iter().filter(|name| was.get(*name) != is.get(*name)) {
                let (before, after) = (was.get(name), is.get(name));
                found.push(Difference {
                    of: Some(part.clone()).filter(|part| !part.is_empty()),
                    setting: Some(name.clone()),
                    before: before.map(ToString::to_string),
                    after: after.map(ToString::to_string),
                    hidden: [before, after].iter().any(|it| matches!(it, Some(Setting::Hidden(_)))),
                });
            }
        }
        found
    }
}

/// One difference between what serves and what a new fleet takes from its base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The part that it is of, such as `container web`; nothing for the fleet itself.
    pub of: Option<String>,
    /// The setting; nothing where the whole part is there or not.
    pub setting: Option<String>,
    /// What serves has this; nothing where it lacks it. Of what may be a secret it is a fingerprint.
    pub before: Option<String>,
    /// The new fleet has this; nothing where it lacks it.
    pub after: Option<String>,
    /// Whether the values are fingerprints: they may be secrets.
    pub hidden: bool,
}

impl Difference {
    /// The sign that it has in a difference of two texts.
    pub fn sign(&self) -> char {
        match (&self.before, &self.after) {
            (None, _) => '+',
            (_, None) => '-',
            (Some(_), Some(_)) => '~',
        }
    }

    /// What differs.
    pub fn what(&self) -> String {
        let parts = [self.of.as_deref(), self.setting.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// How: `60 → 120`; nothing where what is there says it all.
    pub fn how(&self) -> String {
        match (&self.before, &self.after) {
            _ if self.setting.is_none() => String::new(),
            (Some(_), Some(_)) if self.hidden && !self.named_secret() => "another value".into(),
            (_, _) if self.hidden && !self.named_secret() => String::new(),
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (None, Some(only)) | (Some(only), None) if only == THERE => String::new(),
            (None, Some(only)) | (Some(only), None) => only.clone(),
            (None, None) => String::new(),
        }
    }

    /// Whether it is one text that is told by its fingerprint, rather than one of many values.
    fn named_secret(&self) -> bool {
        self.setting.as_deref().is_some_and(|setting| setting.to_lowercase().replace(' ', "").ends_with("userdata"))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, how) = (self.what(), self.how());
        match how.as_str() {
            "" => write!(f, "{} {what}", self.sign()),
            how => write!(f, "{} {what} {how}", self.sign()),
        }
    }
}

/// The name of an item of a list, and what is left of it: the value itself, where there is nothing else.
fn identified(item: &Value) -> Option<(String, Value)> {
    let fields = item.as_object()?;
    let is = |name: &String| NAMES.iter().any(|it| it.eq_ignore_ascii_case(name));
    let key = fields.keys().find(|name| is(name)).cloned()?;
    let name = plain(&fields[&key]);
    let mut rest = fields.clone();
    rest.remove(&key);
    let only = match rest.iter().collect::<Vec<_>>().as_slice() {
        [(field, value)] if VALUES.iter().any(|it| it.eq_ignore_ascii_case(field)) => Some((*value).clone()),
        _ => None,
    };
    Some((name, only.unwrap_or(Value::Object(rest))))
}

fn may_be_secret(field: &str) -> bool {
    let is = |known: &&str| known.eq_ignore_ascii_case(field);
    let sounds = ["secret", "password", "token", "credential"];
    let lower = field.to_ascii_lowercase();
    !HARMLESS.iter().any(&is) && (SECRETS.iter().any(is) || sounds.iter().any(|it| lower.contains(it)))
}

/// The unit of a field, where its name has one.
fn unit(field: &str) -> Option<&'static str> {
    let field = field.to_ascii_lowercase();
    UNITS.iter().find(|(end, _)| field.ends_with(&end.to_ascii_lowercase())).map(|(_, unit)| *unit)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A field's name in words. What is all upper case stays so.
fn words(field: &str) -> String {
    let letters: Vec<char> = field.chars().collect();
    let mut words: Vec<String> = vec![String::new()];
    for (at, letter) in letters.iter().enumerate() {
        let after = at.checked_sub(1).and_then(|at| letters.get(at));
        let begins = letter.is_uppercase()
            && (after.is_some_and(|it| it.is_lowercase() || it.is_ascii_digit())
                || (after.is_some_and(|it| it.is_uppercase())
                    && letters.get(at + 1).is_some_and(|next| next.is_lowercase())));
        if begins {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(*letter);
        }
    }
    let lowered = words.into_iter().map(|word| {
        let shouted = word.chars().count() > 1 && !word.chars().any(char::is_lowercase);
        if shouted { word } else { word.to_lowercase() }
    });
    lowered.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(value: &Value) -> Settings {
        let mut settings = Settings::default();
        settings.add("", value, Spelling::Words);
        settings
    }

    fn told(before: &Value, after: &Value) -> Vec<String> {
        settings(before).differences(&settings(after)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_setting_is_compared_by_its_name_wherever_it_stands() {
        let before = json!({
            "healthCheckGracePeriod": 60, "VPCZoneIdentifier": "subnet-1", "metadataOptions": { "httpTokens": "optional" },
            "terminationPolicies": ["OldestInstance"], "gone": true, "nothing": null, "none": [],
            "tags": [{ "key": "team", "value": "shop" }, { "key": "old", "value": "1" }],
        });
        let after = json!({
            "healthCheckGracePeriod": 120, "VPCZoneIdentifier": "subnet-1", "metadataOptions": { "httpTokens": "required" },
            "terminationPolicies": ["OldestInstance", "Default"], "came": 1, "nothing": "",
            "tags": [{ "key": "team", "value": "checkout" }],
        });
        assert_eq!(
            told(&before, &after),
            [
                "+ came 1",
                "- gone true",
                "~ health check grace period 60 s → 120 s",
                "~ metadata options http tokens optional → required",
                "- tags old 1",
                "~ tags team shop → checkout",
                "~ termination policies OldestInstance → OldestInstance, Default",
            ]
        );
        assert_eq!(told(&before, &before), Vec::<String>::new());
        assert_eq!(words("VPCZoneIdentifier"), "VPC zone identifier");
    }

    #[test]
    fn what_may_be_a_secret_is_named_and_never_shown() {
        let with = |value: &str| {
            json!({
                "environment": [{ "name": "PASSWORD", "value": value }], "userData": value, "command": ["run", value],
                "logConfiguration": { "options": { "splunk-token": value } }, "apiToken": value,
                "registry": { "password": value },
            })
        };
        let (before, after) = (with("hunter2"), with("hunter3"));
        let all = told(&before, &after);
        assert_eq!(all.len(), 6, "{all:?}");
        assert!(all.contains(&"~ environment PASSWORD another value".to_owned()), "{all:?}");
        assert!(all.iter().any(|it| it.starts_with("~ user data fingerprint ")), "{all:?}");
        let written = serde_json::to_string(&(settings(&before), settings(&before).differences(&settings(&after))));
        let written = written.expect("it has no other keys than text");
        assert!(!written.contains("hunter") && !all.concat().contains("hunter"), "{written} {all:?}");
    }

    #[test]
    fn a_part_that_only_one_has_is_told_once() {
        let hooks = |names: &[&str]| {
            let hooks: Vec<Value> =
                names.iter().map(|it| json!({ "LifecycleHookName": it, "HeartbeatTimeout": 60 })).collect();
            let mut settings = Settings::default();
            settings.parts("hook", &hooks, Spelling::Words);
            settings
        };
        let told = |before: &[&str], after: &[&str]| -> Vec<String> {
            hooks(before).differences(&hooks(after)).iter().map(ToString::to_string).collect()
        };
        assert_eq!(told(&["boot"], &["boot", "drain"]), ["+ hook drain"]);
        assert_eq!(told(&["boot", "drain"], &["boot"]), ["- hook drain"]);
        let paths = |timeout: u32| {
            let mut settings = Settings::default();
            settings.add("", &json!({ "strategy": { "drainingTimeout": timeout } }), Spelling::Paths);
            settings
        };
        assert_eq!(paths(60).differences(&paths(90))[0].to_string(), "~ strategy.drainingTimeout 60 → 90");
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let settings = settings(&json!({ "cpu": 256, "userData": "x" }));
        let written = serde_json::to_value(&settings).expect("it has no other keys than text");
        assert_eq!(serde_json::from_value::<Settings>(written).expect("it was written"), settings);
    }
}
