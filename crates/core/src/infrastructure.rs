//! The infrastructure definition: the unit of locking, of revision numbers and of ownership.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The tag that says which infrastructure definition made a resource.
pub const TAG_INFRASTRUCTURE: &str = "crossfade:infrastructure";
/// The tag with the revision number.
pub const TAG_REVISION: &str = "crossfade:revision";
/// The tag with the id of the deployment that made a resource.
pub const TAG_DEPLOYMENT: &str = "crossfade:deployment";

/// The tag with the name of a fleet, where its platform's own names are labels that anybody may change.
pub const TAG_FLEET: &str = "crossfade:fleet";

/// The tag that tells people and other tools which fleet serves. Nothing here reads it for a decision: anybody may set it (P49).
pub const TAG_VERSION: &str = "BG_VERSION";
/// Its value on what serves.
pub const VERSION_SERVES: &str = "BLUE";
/// Its value on what served before.
pub const VERSION_SERVED: &str = "GREEN";

/// service × environment × base.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Infrastructure {
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
    /// The base that new fleets are made from; nothing where the fleets of every base are one series.
    pub base: Option<String>,
}

impl fmt::Display for Infrastructure {
    /// `shop/production/shop-base`, or `shop/production` for every base, as it stands in tags and keys. None of the parts may
    /// contain a slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.environment)?;
        self.base.as_ref().map_or(Ok(()), |base| write!(f, "/{base}"))
    }
}

impl FromStr for Infrastructure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split('/').map(str::to_owned).collect();
        match parts.as_slice() {
            [service, environment, base @ ..]
                if base.len() <= 1
                    && parts.iter().all(|part| !part.is_empty() && !part.contains(char::is_whitespace)) =>
            {
                let (service, environment, base) = (service.clone(), environment.clone(), base.first().cloned());
                Ok(Self { service, environment, base })
            }
            _ => Err("expected SERVICE/ENVIRONMENT/BASE, as in shop/production/shop-base".into()),
        }
    }
}

/// The name of a fleet: `shop__7` is revision 7 of the series `shop`.
pub fn fleet_name(series: &str, revision: u32) -> String {
    format!("{series}__{revision}")
}

/// The series that a fleet is of, by its name: `shop` of `shop__7`.
pub fn series_of(fleet: &str) -> &str {
    fleet.rsplit_once("__").map_or(fleet, |(series, _)| series)
}

/// The highest revision number: the history is ordered by six digits.
pub const REVISION_MAX: u32 = 999_999;

/// The revision that a tag's value names. Anybody may have written it.
pub fn revision_of(tag: &str) -> Option<u32> {
    tag.parse().ok().filter(|revision| *revision <= REVISION_MAX)
}

/// The next revision number, given every one that is known from tags and from the history: one more than the highest. None when
/// they are used up.
pub fn next_revision(known: impl IntoIterator<Item = u32>) -> Option<u32> {
    Some(known.into_iter().max().unwrap_or(0)).filter(|last| *last < REVISION_MAX).map(|last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_after_6_is_7_however_they_are_ordered() {
        assert_eq!(next_revision([2, 6, 5]), Some(7));
        assert_eq!(next_revision([]), Some(1));
        assert_eq!(fleet_name("shop", 7), "shop__7");
        assert_eq!((series_of("shop__production__7"), series_of("shop")), ("shop__production", "shop"));
    }

    #[test]
    fn a_definition_is_read_as_it_is_written() {
        for text in ["shop/production/shop-base", "shop/production"] {
            assert_eq!(text.parse::<Infrastructure>().map(|it| it.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "shop", "shop//base", "a/b/c/d", "shop/production/shop base"] {
            assert!(text.parse::<Infrastructure>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_tag_that_names_no_revision_in_reach_is_none_and_numbers_end() {
        assert_eq!((revision_of("7"), revision_of("999999")), (Some(7), Some(REVISION_MAX)));
        for tag in ["", "seven", "-1", "1000000", "4294967295", "4294967296"] {
            assert_eq!(revision_of(tag), None, "{tag}");
        }
        assert_eq!((next_revision([REVISION_MAX]), next_revision([u32::MAX])), (None, None));
    }
}
