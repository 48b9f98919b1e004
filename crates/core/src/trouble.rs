//! Whether an execution that runs gets on, told by its history: a rollback that keeps trying looks like one that works.

/// For how long a step may fail before people are told that the rollback is stuck.
pub const STUCK_MILLIS: u64 = 15 * 60 * 1000;

/// What an event of an execution's history says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A state of this name was entered.
    Entered(String),
    /// A step failed.
    Failed {
        /// The error's name.
        error: String,
        /// The message.
        cause: String,
    },
    /// Something was done: a step has succeeded, or somebody has been asked.
    GotOn,
    /// Nothing of these.
    Nothing,
}

/// A step that has failed again and again since then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The state.
    pub state: String,
    /// When it failed first, in milliseconds since 1970.
    pub since_millis: u64,
    /// The last error's name.
    pub error: String,
    /// The last message.
    pub cause: String,
}

/// What an execution is in trouble with, by its events, the newest first, each with its time.
pub fn of(newest_first: impl IntoIterator<Item = (u64, Sign)>) -> Option<Trouble> {
    let mut trouble: Option<Trouble> = None;
    for (at, sign) in newest_first {
        match sign {
            Sign::Failed { error, cause } => match &mut trouble {
                Some(trouble) => trouble.since_millis = at,
                None => trouble = Some(Trouble { state: String::new(), since_millis: at, error, cause }),
            },
            Sign::Entered(state) => return trouble.map(|trouble| Trouble { state, ..trouble }),
            Sign::GotOn => return trouble,
            Sign::Nothing => {}
        }
    }
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(error: &str) -> Sign {
        Sign::Failed { error: error.into(), cause: format!("because of {error}") }
    }

    fn entered() -> Sign {
        Sign::Entered("Upscale".into())
    }

    #[test]
    fn what_fails_again_and_again_is_in_trouble_since_it_failed_first() {
        let events =
            [(90, Sign::Nothing), (80, failed("last")), (70, Sign::Nothing), (60, failed("first")), (50, entered())];
        let trouble = of(events).expect("it fails");
        assert_eq!((trouble.since_millis, trouble.state.as_str(), trouble.error.as_str()), (60, "Upscale", "last"));
        assert_eq!(trouble.cause, "because of last");
    }

    #[test]
    fn what_gets_on_is_in_none() {
        let asked = [(90, Sign::GotOn), (80, failed("once")), (50, entered())];
        let works = [(90, Sign::Nothing), (80, entered()), (70, Sign::GotOn), (60, failed("before")), (50, entered())];
        assert_eq!((of(asked), of(works), of([])), (None, None, None));
    }
}
