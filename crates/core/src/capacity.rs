//! Capacity arithmetic: how many instances a percentage is, and how many a share of the traffic needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The size of a fleet, in instances.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Size {
    /// The fewest instances that scaling may leave. Left out, 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 5000))]
    pub min: u32,
    /// The instances wanted now.
    #[schemars(range(min = 0, max = 5000))]
    pub desired: u32,
    /// The most instances that scaling may reach.
    #[schemars(range(min = 0, max = 5000))]
    pub max: u32,
}

impl Size {
    /// No instances, and no room for any.
    pub const ZERO: Size = Size { min: 0, desired: 0, max: 0 };

    /// Exactly `instances`, with no room to scale either way.
    pub fn pinned(instances: u32) -> Self {
        Self { min: instances, desired: instances, max: instances }
    }

    /// The same with at least so many instances wanted. Nothing when that is more than there may be.
    pub fn wanting(self, instances: u32) -> Option<Self> {
        (instances <= self.max).then_some(Self { desired: self.desired.max(instances), ..self })
    }

    /// What fleets of these sizes are together.
    pub fn together(sizes: impl IntoIterator<Item = Self>) -> Self {
        sizes.into_iter().fold(Self::ZERO, |all, size| Self {
            min: all.min.saturating_add(size.min),
            desired: all.desired.saturating_add(size.desired),
            max: all.max.saturating_add(size.max),
        })
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (min {}, max {})", self.desired, self.min, self.max)
    }
}

/// How much of the asked capacity a stage brings up. Where it comes from elsewhere, it is a text: `25%`, or `3` for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-amount" = true))]
pub enum Amount {
    /// A percentage of the size that the fleet ends with, rounded up so that a positive percentage is never 0 instances.
    Percent(#[schemars(range(min = 1, max = 100))] u32),
    /// A number of instances. Of an `upscale` it may be more than the desired size, up to the maximum: the fleet then ends with so
    /// many.
    Count(#[schemars(range(min = 1, max = 5000))] u32),
}

impl Amount {
    /// The number, where it is one.
    pub fn count(self) -> Option<u32> {
        match self {
            Amount::Percent(_) => None,
            Amount::Count(count) => Some(count),
        }
    }

    /// The number of instances, of `desired` that a fleet ends with. A count beyond that has been refused, or is that size
    /// ([`Size::wanting`]).
    pub fn of(self, desired: u32) -> u32 {
        match self {
            Amount::Percent(percent) => share(percent, desired),
            Amount::Count(count) => count.min(desired),
        }
    }

    /// The size to set: exactly what was asked once everything is up, otherwise pinned, so that nothing can
    /// scale a half-grown fleet.
    pub fn size_of(self, asked: Size) -> Size {
        let instances = self.of(asked.desired);
        if instances >= asked.desired { asked } else { Size::pinned(instances) }
    }
}

/// The instances that `percent` of the traffic needs when `full` instances carry all of it, rounded up.
pub fn share(percent: u32, full: u32) -> u32 {
    let instances = (u64::from(percent) * u64::from(full)).div_ceil(100);
    u32::try_from(instances).unwrap_or(u32::MAX).min(full)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn b10_percent_and_count_of_4() {
        assert_eq!(Amount::Percent(25).of(4), 1);
        assert_eq!(Amount::Percent(50).of(4), 2);
        assert_eq!(Amount::Percent(100).of(4), 4);
        assert_eq!(Amount::Count(3).of(4), 3);
        assert_eq!(Amount::Count(9).of(4), 4);
    }

    #[test]
    fn b10_a_count_between_desired_and_max_is_wanted_and_one_above_is_none() {
        let fixed = Size { min: 0, desired: 4, max: 8 };
        assert_eq!(fixed.wanting(3), Some(fixed));
        assert_eq!(fixed.wanting(8), Some(Size { min: 0, desired: 8, max: 8 }));
        assert_eq!(fixed.wanting(9), None);
    }

    #[test]
    fn a_half_grown_fleet_is_pinned_and_a_full_one_gets_what_was_asked() {
        let asked = Size { min: 2, desired: 4, max: 8 };
        assert_eq!(Amount::Percent(50).size_of(asked), Size::pinned(2));
        assert_eq!(Amount::Percent(100).size_of(asked), asked);
    }

    proptest! {
        #[test]
        fn a_positive_percentage_is_never_0_and_never_more_than_all(percent in 1u32..=100, full in 1u32..=5000) {
            let instances = share(percent, full);
            prop_assert!((1..=full).contains(&instances));
            prop_assert!(u64::from(instances) * 100 >= u64::from(percent) * u64::from(full));
        }
    }
}
