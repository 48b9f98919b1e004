//! What can go wrong, one thing at a time: the vocabulary of rehearsals and of the matrix.
//!
//! A kind says where it strikes and what it may cost. It must never know how a deployment works: an expectation that only some
//! strategies meet is a fault of those strategies.

use std::time::Duration;

use crossfade_sim::{Effect, Service};

use super::points::CallPoint;

/// Where in a run a fault strikes: at the nth of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An API call that a function makes.
    Call,
    /// An invocation of a function.
    Invocation,
    /// A state that an execution enters.
    State,
    /// From the beginning to the end.
    Throughout,
}

/// What the deployment may make of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nothing: it ends as it would have without.
    Nothing,
    /// The deployment: it may be rolled back.
    Deployment,
    /// Its clean end: AWS refuses for good, so something may be left, and is named. Once AWS allows it again, it ends clean.
    CleanEnd,
}

macro_rules! kinds {
    ($($(#[$doc:meta])+ $kind:ident: $name:literal, $place:ident, $cost:ident;)+) => {
        /// One kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])+ $kind),+ }

        impl Kind {
            /// All of them.
            pub const ALL: &[Kind] = &[$(Kind::$kind),+];

            /// What a person calls it.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),+ }
            }

            /// Where it strikes.
            pub fn place(self) -> Place {
                match self { $(Kind::$kind => Place::$place),+ }
            }

            /// What it may cost.
            pub fn cost(self) -> Cost {
                match self { $(Kind::$kind => Cost::$cost),+ }
            }
        }
    };
}

kinds! {
    /// The call is throttled once.
    Throttled: "throttled", Call, Nothing;
    /// The service throttles every call of the functions for a minute.
    ThrottledForLong: "throttled for a minute", Call, Nothing;
    /// AWS fails before the call takes effect.
    InternalError: "error 500", Call, Nothing;
    /// The call takes effect, and the connection breaks before the reply.
    ReplyLost: "reply lost", Call, Nothing;
    /// The connection breaks before the call arrives.
    RequestLost: "request lost", Call, Nothing;
    /// The call takes effect, and no reply ever comes.
    Silence: "no reply", Call, Nothing;
    /// The call is denied once.
    AccessDenied: "denied once", Call, Deployment;
    /// From this call on, its operation is denied.
    DeniedForGood: "denied for good", Call, CleanEnd;
    /// The call would exceed a quota.
    QuotaExceeded: "quota exceeded", Call, Deployment;
    /// The answer is what was true before the last change (P68).
    StaleRead: "stale read", Call, Deployment;
    /// The function dies after the call took effect.
    Crashed: "crash after the call", Call, Nothing;
    /// The function dies for good after the call took effect, and reads show changes half a second late (P68).
    DiesReads500: "dies, reads 0.5 s late", Call, Deployment;
    /// The same, 1.5 seconds late.
    DiesReads1500: "dies, reads 1.5 s late", Call, Deployment;
    /// The same, 3 seconds late.
    DiesReads3000: "dies, reads 3 s late", Call, Deployment;
    /// The same, 10 seconds late.
    DiesReads10000: "dies, reads 10 s late", Call, Deployment;
    /// The function dies after the call took effect, is tried again, and reads show changes 8 seconds late.
    CrashedReads8000: "crash, reads 8 s late", Call, Deployment;
    /// The function panics before the call arrives.
    Panicked: "panic at the call", Call, Deployment;
    /// The function and every execution die after the call, and nobody hears of it.
    Killed: "all killed after the call", Call, Deployment;
    /// AWS takes an instance of the fleet that serves.
    StableInstanceDies: "stable instance dies", Call, Deployment;
    /// AWS takes an instance of the candidate.
    CandidateInstanceDies: "candidate instance dies", Call, Deployment;
    /// AWS takes all of the candidate, and has no capacity for more.
    CandidateDies: "the candidate dies", Call, Deployment;
    /// From this call on, AWS has no capacity for new instances of the candidate.
    NoCapacity: "no more capacity", Call, Deployment;

    /// Lambda has too much to do.
    TooManyRequests: "Lambda.TooManyRequestsException", Invocation, Nothing;
    /// Lambda fails.
    ServiceException: "Lambda.ServiceException", Invocation, Nothing;
    /// Lambda fails in another way.
    LambdaException: "Lambda.AWSLambdaException", Invocation, Nothing;
    /// Step Functions does not reach Lambda.
    ClientException: "Lambda.SdkClientException", Invocation, Nothing;
    /// Lambda does not answer Step Functions, though the function did its work.
    ClientTimeout: "Lambda.ClientExecutionTimeoutException", Invocation, Nothing;
    /// The function does its work, and its answer gets lost (P57).
    Unanswered: "answer lost", Invocation, Nothing;
    /// The function does its work and then hangs until its time is over.
    TimedOut: "time-out after the work", Invocation, Nothing;
    /// The function is invoked again after it has answered; the second answer counts.
    Twice: "invoked twice", Invocation, Nothing;
    /// The function is invoked twice at once; the answer of the second counts.
    TwiceAtOnce: "invoked twice at once", Invocation, Deployment;

    /// Somebody stops the execution; the event comes, twice.
    Stopped: "execution stopped", State, Deployment;
    /// Somebody stops the execution; the event is lost.
    StoppedUnnoticed: "execution stopped, event lost", State, Deployment;
    /// The execution runs out of time; the event comes.
    OutOfTime: "execution timed out", State, Deployment;

    /// Somebody else starts the same deployment.
    Rival: "another deployment", State, Deployment;
    /// Somebody locks an instance of an Elastigroup, so that for a while no smaller capacity takes it out.
    InstanceLocked: "an instance locked", State, Deployment;

    /// Lambda takes no invocation, for minutes or hours.
    LambdaOut: "Lambda out", State, Deployment;
    /// Step Functions answers no call, for minutes or hours; executions go on.
    StepFunctionsOut: "Step Functions out", State, Deployment;
    /// DynamoDB is out.
    DynamoDbOut: "DynamoDB out", State, Deployment;
    /// Elastic Load Balancing is out; load balancers go on.
    BalancingOut: "Elastic Load Balancing out", State, Deployment;
    /// Auto Scaling answers no call; groups go on.
    AutoScalingOut: "Auto Scaling out", State, Deployment;
    /// EC2 answers no call; instances go on.
    Ec2Out: "EC2 out", State, Deployment;
    /// CloudWatch answers no call.
    CloudWatchOut: "CloudWatch out", State, Deployment;
    /// ECS answers no call; services go on.
    EcsOut: "ECS out", State, Deployment;
    /// Application Auto Scaling answers no call; what scales goes on scaling.
    ScalingOut: "Application Auto Scaling out", State, Deployment;
    /// Spot answers no call; its groups go on.
    SpotOut: "Spot out", State, Deployment;
    /// EventBridge is out, and the execution dies: no event tells of it, and the sweep is not called.
    EventBridgeOut: "EventBridge out, execution stopped", State, Deployment;

    /// Every function is invoked twice.
    EachTwice: "every step twice", Throughout, Nothing;
    /// Rules and listeners are read as they were five seconds ago (P68).
    StaleRules: "rules read late", Throughout, Nothing;
    /// Everything is read as it was five seconds ago.
    LateReads: "everything read late", Throughout, Nothing;
    /// The functions' clocks differ by up to four seconds.
    ClockSkew: "clocks differ", Throughout, Nothing;
    /// Every other function's clock is twenty minutes late.
    ClocksOff: "clocks 20 min off", Throughout, Deployment;
}

/// What Lambda calls it when a function has ended without an answer, whatever it had done by then.
pub const DEATHS: [&str; 15] = [
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Sandbox.Timeout",
    "Sandbox.Failure",
    "Runtime.ExitError",
    "Runtime.OutOfMemory",
    "Runtime.InitError",
    "Runtime.InvokeTimeout",
    "Runtime.TruncatedResponse",
    "Runtime.Unknown",
    "Extension.Crash",
    "Extension.ExitError",
    "Extension.InitError",
    "Extension.LaunchError",
    "Function.Unknown",
];

/// What is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Lambda.
    Lambda,
    /// EventBridge.
    EventBridge,
    /// A service that functions call.
    Service(Service),
}

/// For how long a service is out, in turns.
const OUTAGES: [Duration; 3] = [Duration::from_secs(120), Duration::from_secs(1_800), Duration::from_secs(5 * 3_600)];

impl Kind {
    /// Whether the deployment dies with it and somebody else has to find it.
    pub fn halts(self) -> bool {
        matches!(self, Kind::Killed | Kind::Stopped | Kind::StoppedUnnoticed | Kind::OutOfTime | Kind::EventBridgeOut)
    }

    /// Which of how many kinds it is that come to the same where they strike, at a call by whether it changes anything.
    pub fn alike(self, changes: bool) -> Option<(usize, usize)> {
        let families: &[&[Kind]] = match self.place() {
            // Who asks has no answer yet, and asks again.
            Place::Call if !changes => &[
                &[
                    Kind::Throttled,
                    Kind::ThrottledForLong,
                    Kind::InternalError,
                    Kind::RequestLost,
                    Kind::Silence,
                    Kind::Crashed,
                ],
                &[Kind::AccessDenied, Kind::DeniedForGood],
            ],
            // Nothing has changed; or it has, and nobody was told.
            Place::Call => {
                &[&[Kind::Throttled, Kind::InternalError, Kind::RequestLost], &[Kind::ReplyLost, Kind::Silence]]
            }
            // The function was never invoked; or it has done its work.
            Place::Invocation => &[
                &[Kind::TooManyRequests, Kind::ServiceException, Kind::LambdaException, Kind::ClientException],
                &[Kind::ClientTimeout, Kind::Unanswered],
            ],
            Place::State => &[&[Kind::Stopped, Kind::StoppedUnnoticed]],
            Place::Throughout => &[],
        };
        families.iter().find_map(|family| Some((family.iter().position(|&it| it == self)?, family.len())))
    }

    /// What is out, when it is that.
    pub fn outage(self) -> Option<Outage> {
        Some(match self {
            Kind::LambdaOut => Outage::Lambda,
            Kind::EventBridgeOut => Outage::EventBridge,
            Kind::StepFunctionsOut => Outage::Service(Service::StepFunctions),
            Kind::DynamoDbOut => Outage::Service(Service::DynamoDb),
            Kind::BalancingOut => Outage::Service(Service::ElasticLoadBalancing),
            Kind::AutoScalingOut => Outage::Service(Service::AutoScaling),
            Kind::Ec2Out => Outage::Service(Service::Ec2),
            Kind::CloudWatchOut => Outage::Service(Service::CloudWatch),
            Kind::EcsOut => Outage::Service(Service::Ecs),
            Kind::ScalingOut => Outage::Service(Service::ApplicationAutoScaling),
            Kind::SpotOut => Outage::Service(Service::Spot),
            _ => return None,
        })
    }

    /// Whether nothing tells of it before the point at which it strikes.
    pub fn begins_where_it_strikes(self) -> bool {
        self.place() != Place::Throughout && self != Kind::OutOfTime && self.reads_late_millis().is_none()
    }

    /// Whether it befalls Elastigroups alone.
    pub fn of_elastigroups(self) -> bool {
        matches!(self, Kind::InstanceLocked | Kind::SpotOut)
    }

    /// For how long it is out when it strikes at the nth point.
    pub fn outage_lasts(self, nth: usize) -> Duration {
        OUTAGES[(nth + self as usize) % OUTAGES.len()]
    }

    /// How late reads show changes with it, in milliseconds.
    pub fn reads_late_millis(self) -> Option<u64> {
        match self {
            Kind::DiesReads500 => Some(500),
            Kind::DiesReads1500 => Some(1_500),
            Kind::DiesReads3000 => Some(3_000),
            Kind::LateReads => Some(5_000),
            Kind::CrashedReads8000 => Some(8_000),
            Kind::DiesReads10000 => Some(10_000),
            _ => None,
        }
    }

    /// Whether it takes capacity away by itself, so that the guard says nothing about us.
    pub fn takes_capacity(self) -> bool {
        matches!(self, Kind::StableInstanceDies | Kind::CandidateInstanceDies | Kind::CandidateDies)
    }

    /// Whether it means anything at this call.
    pub fn applies(self, call: &CallPoint) -> bool {
        let resources = [
            Service::AutoScaling,
            Service::Ec2,
            Service::ElasticLoadBalancing,
            Service::CloudWatch,
            Service::Ecs,
            Service::ApplicationAutoScaling,
        ];
        match self {
            Kind::StaleRead => call.can_be_stale,
            // What changes nothing that is read late, a crash without late reads shows as well.
            _ if self.reads_late_millis().is_some() => {
                let late = resources.contains(&call.service) || call.service == Service::Spot;
                call.effect == Effect::Mutate && late
            }
            Kind::QuotaExceeded => {
                let grows = call.operation.starts_with("Create")
                    || call.operation.starts_with("Put")
                    || call.operation.starts_with("Register")
                    || call.operation == "UpdateAutoScalingGroup";
                call.effect == Effect::Mutate && resources.contains(&call.service) && grows
            }
            // What a read would have answered, nobody knows either way: as when its request is lost.
            Kind::ReplyLost => call.effect == Effect::Mutate,
            // Between two reads nothing has changed that could be left over.
            Kind::Killed | Kind::Panicked => call.effect == Effect::Mutate || call.first_of_invocation,
            Kind::StableInstanceDies | Kind::CandidateInstanceDies | Kind::CandidateDies | Kind::NoCapacity => {
                call.first_of_invocation
            }
            _ => true,
        }
    }
}
