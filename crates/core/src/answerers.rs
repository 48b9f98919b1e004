//! Whose answers to a question count, where the document says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pattern;

/// How many answers to one question may not count: whoever gives more of them wants something else than to decide.
pub const VOID_MAX: u32 = 20;

/// Whose answers to a question count. Theirs alone, once AWS has said who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answerers {
    /// Their ARNs, in which `*` and `?` stand for anything; everybody's who proves who they are, where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Whether whoever has started the deployment is none of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_by_starter: bool,
}

impl Answerers {
    /// Why the answer of whoever AWS knows by this ARN does not count, in a deployment that was started by that one; nothing when it
    /// does.
    pub fn refuse(&self, arn: &str, starter: Option<&str>) -> Option<String> {
        if self.not_by_starter && starter.is_some_and(|starter| same_person(arn, starter)) {
            return Some("whoever starts a deployment does not approve it".into());
        }
        let listed = self.approvers.is_empty() || self.approvers.iter().any(|one| pattern::matches(one, arn));
        (!listed).then(|| format!("only answers of {} count", self.approvers.join(", ")))
    }

    /// Whose answers count, for a person.
    pub fn in_words(&self) -> String {
        let who = match self.approvers.as_slice() {
            [] => "somebody who proves who they are".to_owned(),
            some => some.join(" or "),
        };
        let not = if self.not_by_starter { ", and not whoever started it" } else { "" };
        format!("{who}{not}")
    }
}

/// Whether two ARNs are the same person's: the same user, or sessions of the same name, in whatever roles. Organisations name sessions
/// after people, and one person may have several roles.
fn same_person(one: &str, other: &str) -> bool {
    let name = |arn: &str| arn.rsplit(['/', ':']).next().unwrap_or_default().to_lowercase();
    one == other || name(one) == name(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "arn:aws:sts::123456789012:assumed-role/ReleaseManagers/alice@example.com";

    fn answerers(approvers: &[&str], not_by_starter: bool) -> Answerers {
        Answerers { approvers: approvers.iter().map(|one| (*one).to_owned()).collect(), not_by_starter }
    }

    #[test]
    fn approvers_are_named_by_arn_with_wildcards() {
        let release = "arn:aws:sts::123456789012:assumed-role/Release*/*";
        for (approvers, counts) in [
            (&[release][..], true),
            (&[ALICE], true),
            (&["arn:aws:iam::123456789012:user/bob", release], true),
            (&[], true),
            (&["arn:aws:iam::123456789012:user/bob"], false),
            (&["arn:aws:sts::210987654321:assumed-role/Release*/*"], false),
            (&["arn:aws:sts::123456789012:assumed-role/Release/*"], false),
        ] {
            assert_eq!(answerers(approvers, false).refuse(ALICE, Some(ALICE)).is_none(), counts, "{approvers:?}");
        }
        let why = answerers(&[release], false).refuse("arn:aws:iam::123456789012:user/bob", None).expect("he is not");
        assert!(why.contains(release), "{why}");
    }

    #[test]
    fn whoever_starts_is_the_same_person_in_another_role() {
        let two = answerers(&[], true);
        for (starter, counts) in [
            (Some(ALICE), false),
            (Some("arn:aws:sts::123456789012:assumed-role/Deployers/Alice@example.com"), false),
            (Some("arn:aws:iam::123456789012:user/alice@example.com"), false),
            (Some("arn:aws:sts::123456789012:assumed-role/ReleaseManagers/bob@example.com"), true),
            (None, true),
        ] {
            assert_eq!(two.refuse(ALICE, starter).is_none(), counts, "{starter:?}");
        }
    }

    #[test]
    fn it_is_said_whose_answers_count() {
        assert_eq!(answerers(&["a", "b"], true).in_words(), "a or b, and not whoever started it");
        assert_eq!(answerers(&[], true).in_words(), "somebody who proves who they are, and not whoever started it");
        assert_eq!(answerers(&["a"], false).in_words(), "a");
    }
}
