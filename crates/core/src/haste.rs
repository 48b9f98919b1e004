//! How soon a rollback may follow those that died.

/// For how long the first of those that wait does, and for how long one waits at most: twenty of them last for a week.
const FIRST_WAIT_MILLIS: u64 = 10 * 60 * 1000;
const LONGEST_WAIT_MILLIS: u64 = 12 * 3600 * 1000;

/// How soon an execution may follow those that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// At once: somebody, or the deployment itself, asks for it.
    Now,
    /// Nobody asks. After the first few the next one waits ever longer, so that there is one left when whatever killed them
    /// has been repaired.
    Patient {
        /// The present, in milliseconds since 1970.
        now_millis: u64,
        /// The number of the first one whose successor waits.
        prompt: u32,
    },
}

impl Haste {
    /// Whether the next execution may start after this one, the nth, that stopped then.
    pub fn allows(self, nth: u32, stopped_millis: Option<u64>) -> bool {
        let (Haste::Patient { now_millis, prompt }, Some(stopped)) = (self, stopped_millis) else { return true };
        let Some(doubled) = nth.checked_sub(prompt) else { return true };
        now_millis >= stopped + (FIRST_WAIT_MILLIS << doubled.min(16)).min(LONGEST_WAIT_MILLIS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1000;

    #[test]
    fn after_the_first_few_each_waits_twice_as_long_and_none_longer_than_half_a_day() {
        let after = |nth: u32, waited: u64| Haste::Patient { now_millis: 1 + waited, prompt: 3 }.allows(nth, Some(1));
        assert!(after(2, 0), "the first few follow at once");
        assert!(!after(3, FIRST_WAIT_MILLIS - 1) && after(3, FIRST_WAIT_MILLIS));
        assert!(!after(5, 4 * FIRST_WAIT_MILLIS - 1) && after(5, 4 * FIRST_WAIT_MILLIS));
        assert!(!after(20, 12 * HOUR - 1) && after(20, 12 * HOUR));
        assert!(after(u32::MAX, 12 * HOUR), "and no number is too large");
    }

    #[test]
    fn whoever_asks_does_not_wait() {
        assert!(Haste::Now.allows(20, Some(u64::MAX)));
        assert!(
            Haste::Patient { now_millis: 0, prompt: 3 }.allows(20, None),
            "one that runs no more, since nobody knows when"
        );
    }
}
