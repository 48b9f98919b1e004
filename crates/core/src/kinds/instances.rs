//! What the document gives to the instances of a new fleet beside their image: user data and tags.
//!
//! Of kinds whose members are instances. What a kind does with it is its adapter's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::document::Problem;

/// The most bytes of user data, before it is written in base64 (EC2 user guide).
const LONGEST: usize = 16 * 1024;

/// User data of new instances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UserData {
    /// This, whatever the base has.
    Replace(#[schemars(length(max = 16384))] String),
    /// The base's, which has to be a script, and these lines after its own.
    Append(#[schemars(length(max = 16384))] String),
}

impl UserData {
    /// The whole text, given the base's.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of(&self, base: Option<&str>) -> Result<String, String> {
        let whole = match (self, base) {
            (Self::Replace(text), _) => text.clone(),
            (Self::Append(text), None | Some("")) => text.clone(),
            (Self::Append(text), Some(base)) if base.starts_with("#!") => {
                format!("{}\n{text}", base.strip_suffix('\n').unwrap_or(base))
            }
            (Self::Append(_), Some(_)) => {
                return Err(
                    "the base's user data is no script that begins with #!, and nothing can be appended to it. Use \
                            `userData: {replace: …}`"
                        .into(),
                );
            }
        };
        match whole.len() {
            bytes if bytes > LONGEST => Err(format!(
                "the user data has {bytes} bytes, and {LONGEST} are the most. Fetch the rest from elsewhere"
            )),
            _ => Ok(whole),
        }
    }

    /// What happens to the base's, in a word.
    pub fn does(&self) -> &'static str {
        match self {
            Self::Replace(_) => "replaces",
            Self::Append(_) => "is appended to",
        }
    }
}

/// What the document says of new instances.
#[derive(Clone, Copy, Debug)]
pub struct Instances<'a> {
    /// Their user data; nothing when it is the base's.
    pub user_data: Option<&'a UserData>,
    /// Their tags, beside the base's and in place of those with the same keys.
    pub tags: &'a BTreeMap<String, String>,
}

impl Instances<'_> {
    /// Of whoever says nothing.
    pub const NONE: Instances<'static> = Instances { user_data: None, tags: &BTreeMap::new() };

    /// What contradicts itself, or what belongs to somebody else.
    pub(crate) fn contradictions(&self, path: &str) -> Vec<Problem> {
        let kept =
            |key: &str| ["aws:", "crossfade:", "spotinst"].iter().any(|prefix| key.to_lowercase().starts_with(prefix));
        let wrong = self.tags.iter().filter_map(|(key, value)| {
            let problem = match () {
                () if kept(key) => "it begins with what others keep for themselves: aws:, crossfade: or spotinst",
                () if key.is_empty() || key.chars().count() > 128 => "a key has 1 to 128 characters",
                () if value.chars().count() > 256 => "a value has up to 256 characters",
                () => return None,
            };
            let fix = "Choose another one.".to_owned();
            Some(Problem { path: format!("{path}.instanceTags.{key}"), value: None, problem: problem.into(), fix })
        });
        wrong.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g9_user_data_replaces_the_bases_or_follows_it() {
        let (replace, append) = (UserData::Replace("#!/bin/sh\nb".into()), UserData::Append("b".into()));
        assert_eq!(replace.of(Some("#!/bin/sh\na\n")).as_deref(), Ok("#!/bin/sh\nb"));
        assert_eq!(append.of(Some("#!/bin/sh\na\n")).as_deref(), Ok("#!/bin/sh\na\nb"));
        assert_eq!(append.of(None).as_deref(), Ok("b"));
        assert!(append.of(Some("#cloud-config\n")).is_err_and(|why| why.contains("no script")));
        assert!(UserData::Replace("x".repeat(LONGEST + 1)).of(None).is_err_and(|why| why.contains("16385 bytes")));
    }

    #[test]
    fn g9_tags_that_others_keep_for_themselves_are_refused() {
        let tags = BTreeMap::from([("aws:x".to_owned(), "1".to_owned()), ("team".to_owned(), "web".to_owned())]);
        let problems = Instances { user_data: None, tags: &tags }.contradictions("compute.autoScalingGroup");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "compute.autoScalingGroup.instanceTags.aws:x");
    }
}
