//! AWS's limits are the account's, and a throttled call is slow, not failed: it is made again for as long as whoever calls has time.
//!
//! What it owns: how long that is, how far apart the attempts are, and the count of them, which whoever looks again and again gets to
//! know. Whoever changes something asks at short intervals, and whoever only looks at longer ones: so what protects users comes first
//! in a bucket that all share. What else fails is tried again as the configuration says.
//!
//! What it must never do: make a function run out of its time. Most have 60 seconds, and what they do besides needs some.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_smithy_runtime::client::retries::classifiers::run_classifiers_on_ctx;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::retries::classifiers::{RetryAction, RetryReason};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::{ErrorKind, RetryConfig};

use crate::call::CallError;
use crate::refusal::is_throttle;

/// What somebody calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// To change something, or to get a deployment back: at short intervals, for as long as possible.
    Changing,
    /// To look whether something has happened yet. Looking again later costs nothing but time.
    Looking,
    /// To look at everything before anything begins: dozens of calls, all of which would be made again by whoever gave up. The function
    /// that does so has 300 seconds.
    Planning,
}

impl Haste {
    /// For how long throttled calls are made again, from the first of them on.
    const fn for_long(self) -> Duration {
        match self {
            Self::Changing => Duration::from_secs(40),
            Self::Looking => Duration::from_secs(20),
            Self::Planning => Duration::from_secs(240),
        }
    }

    /// How far apart, at first and at most. Of each as much as chance says.
    const fn backoff(self) -> (Duration, Duration) {
        match self {
            Self::Changing => (Duration::from_millis(500), Duration::from_secs(3)),
            Self::Looking | Self::Planning => (Duration::from_secs(1), Duration::from_secs(8)),
        }
    }
}

tokio::task_local! {
    static NOW: Arc<Patience>;
}

#[derive(Debug)]
struct Patience {
    haste: Haste,
    /// When the first call was throttled.
    since: OnceLock<SystemTime>,
    throttled: AtomicU32,
}

impl Patience {
    fn new(haste: Haste) -> Arc<Self> {
        Arc::new(Self { haste, since: OnceLock::new(), throttled: AtomicU32::new(0) })
    }
}

/// Does something with this patience, which all its calls share, and answers how many of their attempts were throttled, too.
///
/// Calls outside of such have each their own, as of something that changes.
pub async fn during<T>(haste: Haste, work: impl Future<Output = T>) -> (T, u32) {
    let patience = Patience::new(haste);
    let done = NOW.scope(patience.clone(), work).await;
    (done, patience.throttled.load(Ordering::Relaxed))
}

/// What every client is given.
#[derive(Debug)]
pub(crate) struct Patient;

/// What one call has come to.
#[derive(Clone, Debug)]
struct Tried {
    patience: Arc<Patience>,
    /// As the configuration has it.
    usual: RetryConfig,
    /// How many attempts more it gets than that.
    more: u32,
}

impl Storable for Tried {
    type Storer = StoreReplace<Self>;
}

#[dyn_dispatch_hint]
impl Intercept for Patient {
    fn name(&self) -> &'static str {
        "Patient"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        runtime: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let throttled = throttled(context, runtime);
        let before = config.load::<Tried>().cloned();
        if !throttled && before.is_none() {
            return Ok(());
        }
        let (Some(usual), Some(time)) = (config.load::<RetryConfig>().cloned(), runtime.time_source()) else {
            return Ok(());
        };
        // Whoever wants no second attempt gets none.
        if usual.max_attempts() <= 1 {
            return Ok(());
        }
        let mut tried = before.unwrap_or_else(|| {
            let patience = NOW.try_with(Arc::clone).unwrap_or_else(|_| Patience::new(Haste::Changing));
            Tried { patience, usual, more: 0 }
        });
        let mut retries = tried.usual.clone();
        if throttled {
            let Patience { haste, since, throttled } = &*tried.patience;
            throttled.fetch_add(1, Ordering::Relaxed);
            let now = time.now();
            let since = *since.get_or_init(|| now);
            tried.more += u32::from(now.duration_since(since).is_ok_and(|passed| passed < haste.for_long()));
            let (first, most) = haste.backoff();
            retries = retries.with_initial_backoff(first).with_max_backoff(most);
        }
        let attempts = tried.usual.max_attempts() + tried.more;
        config.interceptor_state().store_put(retries.with_max_attempts(attempts)).store_put(tried);
        Ok(())
    }
}

/// Whether this attempt was told to slow down.
fn throttled(context: &FinalizerInterceptorContextRef<'_>, runtime: &RuntimeComponents) -> bool {
    let Some(Err(error)) = context.output_or_error() else { return false };
    // The SDK takes quotas for throttles. Where the code is at hand, it says what it is.
    let own = error.as_operation_error().and_then(|error| error.downcast_ref::<CallError>());
    if let Some(code) = own.and_then(|error| error.code()) {
        return is_throttle(code);
    }
    let action = run_classifiers_on_ctx(runtime.retry_classifiers(), context.inner());
    let RetryAction::RetryIndicated(RetryReason::RetryableError { kind, .. }) = action else { return false };
    kind == ErrorKind::ThrottlingError
}
