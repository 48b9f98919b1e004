//! Whether a function may still run that was called by an execution which is over, told by its history: stopping an execution does not stop
//! what it has called, and the way back may only be computed from what all of them have left.

/// What an event of an execution's history says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign<'a> {
    /// The execution is over.
    Over,
    /// A state was entered.
    Entered(&'a str),
    /// A function was called.
    Called,
    /// A function has answered, also with an error.
    Answered,
    /// A call was given up, and the function may not have noticed.
    GivenUp,
    /// Nothing of these.
    Nothing,
}

/// The state whose function only looks, and writes under the fence alone: the way back need not wait for it. Its looks are most of the time
/// of a deployment.
const LOOKS: &str = "WaitSteady";

/// Whether one may at this moment, by the events, the newest first, each with its time, where no function has more time than so many
/// milliseconds. Where the end does not show yet, what came before may not either. Functions that only look do not count.
pub fn may_run<'a>(
    now_millis: u64,
    longest_millis: u64,
    newest_first: impl IntoIterator<Item = (u64, Sign<'a>)>,
) -> bool {
    let mut events = newest_first.into_iter();
    let Some((over_millis, Sign::Over)) = events.next() else { return true };
    if over_millis + longest_millis < now_millis {
        return false;
    }
    // Whether the last call has ended; and what may run, unless the state that has called it turns out to be one that only looks.
    let (mut settled, mut runs) = (false, false);
    for (at, sign) in events {
        if settled && !runs && at + longest_millis < over_millis {
            return false;
        }
        match sign {
            Sign::Called => runs |= !settled,
            Sign::Answered => settled = true,
            Sign::GivenUp => {
                runs |= at + longest_millis >= over_millis;
                settled = true;
            }
            Sign::Entered(LOOKS) => (settled, runs) = (true, false),
            Sign::Entered(_) if runs => return true,
            Sign::Entered(_) => settled = true,
            Sign::Over | Sign::Nothing => {}
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::Sign::{Answered, Called, Entered, GivenUp, Nothing, Over};
    use super::*;

    const LONGEST_MILLIS: u64 = 100_000;

    #[test]
    fn who_waits_for_a_person_or_for_a_while_has_nothing_under_way() {
        let waits = [(900_000, Over), (500_000, Nothing), (490_000, Answered), (489_000, Called), (1, Nothing)];
        assert!(!may_run(900_000, LONGEST_MILLIS, waits));
        assert!(!may_run(900, LONGEST_MILLIS, [(900, Over), (1, Nothing)]), "it has not called anybody yet");
    }

    #[test]
    fn who_has_called_a_function_has() {
        let called = [(900, Over), (850, Nothing), (800, Called), (700, Answered)];
        assert!(may_run(901, LONGEST_MILLIS, called));
        assert!(!may_run(900 + LONGEST_MILLIS + 1, LONGEST_MILLIS, called), "by then it is over, too");
    }

    #[test]
    fn a_call_that_was_given_up_may_last_for_as_long_as_functions_do() {
        let given_up = |at| [(900_000, Over), (899_000, Answered), (898_000, Called), (at, GivenUp), (at - 1, Called)];
        assert!(may_run(900_000, LONGEST_MILLIS, given_up(850_000)));
        assert!(!may_run(900_000, LONGEST_MILLIS, given_up(700_000)));
    }

    #[test]
    fn who_only_looks_does_not_count_and_whoever_was_called_before_does() {
        let looks = [(900, Over), (850, Nothing), (800, Called), (799, Entered("WaitSteady")), (798, Entered("Route"))];
        assert!(!may_run(901, LONGEST_MILLIS, looks));
        let again =
            [(900, Over), (890, Called), (880, GivenUp), (800, Called), (799, Entered("WaitSteady")), (798, Answered)];
        assert!(!may_run(901, LONGEST_MILLIS, again));
        let acts =
            |state| [(900, Over), (800, Called), (799, Entered(state)), (798, Answered), (797, Entered("WaitSteady"))];
        assert!(may_run(901, LONGEST_MILLIS, acts("Upscale")));
        assert!(!may_run(901, LONGEST_MILLIS, acts("WaitSteady")));
        let lost = [
            (900, Over),
            (800, Called),
            (799, Entered("WaitSteady")),
            (700, GivenUp),
            (600, Called),
            (599, Entered("Upscale")),
        ];
        assert!(may_run(901, LONGEST_MILLIS, lost), "what was given up before runs still");
    }

    #[test]
    fn a_history_that_does_not_show_its_end_says_nothing() {
        assert!(may_run(900, LONGEST_MILLIS, []));
        assert!(may_run(900, LONGEST_MILLIS, [(900, Answered), (800, Called)]));
    }
}
