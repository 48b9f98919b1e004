//! Error kinds with fixed names. The names are an interface: the state machines match them in `Retry` and `Catch`,
//! and `docs/errors/` has a page for each.

use serde::{Deserialize, Serialize};

/// What a failure means for the deployment, and so what the state machine does with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// Nothing was touched and nothing is held: the deployment ends as FailedClean at once.
    Refused,
    /// The same call may succeed in a moment: retried with backoff and full jitter.
    Transient,
    /// The deployment cannot go on: it is rolled back.
    Failed,
    /// The rollback itself cannot go on: retried for long, then FailedDirty with an alarm.
    Dirty,
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident => $class:ident,)+) => {
        /// Every way in which a step can fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[doc = $doc])+ $name,)+ }

        impl Kind {
            /// Every kind, in the order of declaration.
            pub const ALL: &[Kind] = &[$(Kind::$name,)+];

            /// The fixed name that the state machines match.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$name => stringify!($name),)+ }
            }

            /// What this kind means for the deployment.
            pub fn class(self) -> Class {
                match self { $(Kind::$name => Class::$class,)+ }
            }
        }
    };
}

kinds! {
    /// The deployment document is wrong; the message lists every problem.
    InvalidDocument => Refused,
    /// Another deployment holds the infrastructure definition; the message names it.
    LockHeld => Refused,
    /// Somebody has stopped the line; the message says who and why.
    Frozen => Refused,
    /// The document is fine but the account is not as it needs to be; nothing was changed.
    PreflightFailed => Refused,
    /// AWS asks to slow down.
    Throttled => Transient,
    /// AWS had an internal error, or no answer came.
    ServiceUnavailable => Transient,
    /// The state table changed under this step; it has to be read again.
    StaleRevision => Transient,
    /// The stage's condition did not hold before its deadline; the message says what was missing.
    SteadyStateTimeout => Failed,
    /// AWS could not launch the instances; the message repeats its reason.
    LaunchFailed => Failed,
    /// Traffic would have moved to capacity that is not there.
    CapacityGuard => Failed,
    /// What was written did not take effect.
    NotEffective => Failed,
    /// Verification judged the candidate bad, or could not judge it where the document wants to know.
    VerificationFailed => Failed,
    /// The candidate serves and nothing of it is healthy any more, while the fleets that it replaces could take all.
    CandidateUnhealthy => Failed,
    /// A hook said no, or did not say yes in time.
    HookFailed => Failed,
    /// Somebody said no.
    ApprovalRejected => Failed,
    /// Nobody decided in time, and the default decision is to reject.
    ApprovalExpired => Failed,
    /// Somebody stopped the deployment.
    HaltRequested => Failed,
    /// Somebody else changed what the deployment is working on.
    Drifted => Failed,
    /// A quota of the account is exhausted.
    QuotaExceeded => Failed,
    /// The function's role lacks a permission; the message names the action.
    AccessDenied => Failed,
    /// AWS refused a request for a reason that a repetition will not change.
    RequestRefused => Failed,
    /// This execution no longer owns the infrastructure definition: another one took over.
    FenceLost => Failed,
    /// The state table has no such deployment, or not the record that this step needs.
    RecordMissing => Failed,
    /// The rollback cannot restore what the snapshot says; the message names what is left.
    RollbackFailed => Dirty,
}

impl Kind {
    /// Whether time may heal it. It does not where somebody's hand is in the way, or another owner.
    pub fn may_pass(self) -> bool {
        !matches!(self, Kind::RollbackFailed | Kind::Drifted | Kind::FenceLost | Kind::RecordMissing)
    }

    /// The kind of this name; nothing when the error is none of ours.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// What AWS refuses for good of what a fleet can do without: it is left out, and why is said. A missing permission is our
/// installation's fault, and stays a failure like everything else.
pub fn unless_refused(outcome: Result<()>) -> Result<Option<String>> {
    match outcome {
        Err(failure) if matches!(failure.kind, Kind::RequestRefused | Kind::QuotaExceeded) => Ok(Some(failure.message)),
        outcome => outcome.map(|()| None),
    }
}

/// A failure: its kind for the machine, its message for a person.
///
/// The message names the resource, what was expected, what was seen, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub kind: Kind,
    /// What happened, in words.
    pub message: String,
}

/// The result of everything that can fail here.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// What it is made of: the problems of one that has several, otherwise what happened.
    pub fn problems(&self) -> Vec<&str> {
        match self.message.split_once(ITEM) {
            Some((_, problems)) => problems.split(ITEM).collect(),
            None => vec![&self.message],
        }
    }
}

/// What stands before each of several problems in a message. A failure passes through Step Functions as its kind and its message alone.
const ITEM: &str = "\n- ";

impl Kind {
    /// A failure of this kind, for use as `Kind::Drifted.because(…)`.
    pub fn because(self, message: impl Into<String>) -> Failure {
        Failure::new(self, message)
    }

    /// A failure of this kind for all of these problems; none where there are none.
    pub fn because_of(self, problems: &[String]) -> Option<Failure> {
        match problems {
            [] => None,
            [one] => Some(self.because(one)),
            many => {
                let heading = format!("{} things stand in the way:", many.len());
                Some(self.because(format!("{heading}{ITEM}{}", many.join(ITEM))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_problems_are_one_message_that_can_be_taken_apart_again() {
        let problems = |many: &[&str]| many.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(Kind::PreflightFailed.because_of(&[]), None);
        for many in [&["a is missing"][..], &["a is missing", "b is full. Make room:\n  aws …", "c - d"]] {
            let failure = Kind::PreflightFailed.because_of(&problems(many)).expect("there is something");
            assert_eq!(failure.problems(), many);
        }
    }
}
