//! The infrastructure definition: the unit of locking, of revision numbers and of ownership.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The tag that says which infrastructure definition made a resource.
pub const TAG_INFRASTRUCTURE: &str = "crossfade:infrastructure";
/// The tag with the revision number.
pub const TAG_REVISION: &str = "crossfade:revision";
/// The tag with the id of the deployment that made a resource.
pub const TAG_DEPLOYMENT: &str = "crossfade:deployment";

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

/// The name of a fleet: `shop__7` is revision 7 of the series `shop`.
pub fn fleet_name(series: &str, revision: u32) -> String {
    format!("{series}__{revision}")
}

/// The next revision number, given every one that is known from tags and from the history: one more than the highest.
pub fn next_revision(known: impl IntoIterator<Item = u32>) -> u32 {
    known.into_iter().max().unwrap_or(0) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_after_6_is_7_however_they_are_ordered() {
        assert_eq!(next_revision([2, 6, 5]), 7);
        assert_eq!(next_revision([]), 1);
        assert_eq!(fleet_name("shop", 7), "shop__7");
    }
}
