//! The account's concurrency: how many invocations may run at the same time. A new account has ten, others a thousand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossfade_asl::BoxFuture;
use serde_json::Value;

use super::{Functions, Invocation};

/// Functions of which only so many run at once. Whoever invokes one too many is told so, and nothing has run.
pub struct Limited {
    inner: Arc<dyn Functions>,
    most: usize,
    running: Arc<AtomicUsize>,
    refused: AtomicUsize,
}

impl Limited {
    /// At most so many of these.
    pub fn new(inner: Arc<dyn Functions>, most: usize) -> Self {
        Self { inner, most, running: Arc::default(), refused: AtomicUsize::new(0) }
    }

    /// How many invocations were one too many so far.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Functions for Limited {
    fn invoke(&self, function: &str, payload: Value) -> BoxFuture<'static, Invocation> {
        if self.running.load(Ordering::Relaxed) >= self.most {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Box::pin(async { Invocation::too_many() });
        }
        let place = Place::take(&self.running);
        let invocation = self.inner.invoke(function, payload);
        Box::pin(async move {
            let _place = place;
            invocation.await
        })
    }
}

/// One of the places, given back when its invocation is over.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Self(running.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
