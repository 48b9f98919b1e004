//! The account's answers: the time that they tell, since questions have deadlines in that time, whatever this machine's clock says; and
//! how many there were. Whatever a command judges or writes down, it does by that time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use crossfade_steps::{Clock, WallClock};
use futures_util::future::BoxFuture;

/// Answers tell whole seconds, and take a moment: so much is no difference.
const SAME: Duration = Duration::from_secs(5);

/// The time of the account that was asked last.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountTime(Arc<Mutex<Option<(Instant, u64)>>>, Arc<AtomicU64>);

impl AccountTime {
    /// Now, in milliseconds since 1970: by this machine's clock, unless the account's differs from that.
    pub(crate) fn now_millis(&self) -> u64 {
        let wall = WallClock.now_millis();
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            Some((at, then)) => closer(wall, then + at.elapsed().as_millis() as u64),
            None => wall,
        }
    }

    /// How many answers there were.
    pub(crate) fn answers(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    /// The same client, whose answers tell the time from now on.
    pub(crate) fn told_by(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Telling { client, time: self.clone() })
    }

    fn told(&self, date: &str) {
        let date = DateTime::from_str(date, Format::HttpDate).ok().and_then(|date| date.to_millis().ok());
        if let Some(millis) = date.and_then(|millis| u64::try_from(millis).ok()) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), millis));
        }
    }
}

impl Clock for AccountTime {
    fn now_millis(&self) -> u64 {
        Self::now_millis(self)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        WallClock.sleep(span)
    }
}

/// The wall's time where both agree: it is the finer one.
fn closer(wall: u64, account: u64) -> u64 {
    if wall.abs_diff(account) <= SAME.as_millis() as u64 { wall } else { account }
}

#[derive(Debug)]
struct Telling {
    client: SharedHttpClient,
    time: AccountTime,
}

impl HttpClient for Telling {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.client.http_connector(settings, parts);
        SharedHttpConnector::new(Listening { connector, time: self.time.clone() })
    }
}

#[derive(Debug)]
struct Listening {
    connector: SharedHttpConnector,
    time: AccountTime,
}

impl HttpConnector for Listening {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (answer, time) = (self.connector.call(request), self.time.clone());
        HttpConnectorFuture::new(async move {
            let answer = answer.await?;
            time.1.fetch_add(1, Ordering::Relaxed);
            if let Some(date) = answer.headers().get("date") {
                time.told(date);
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_s_time_counts_where_it_is_another_one() {
        assert_eq!(closer(100_000, 97_000), 100_000);
        assert_eq!(closer(100_000, 100_000_000), 100_000_000);
        assert_eq!(closer(100_000_000, 100_000), 100_000);
        let time = AccountTime::default();
        time.told("Mon, 05 Jan 2026 10:00:00 GMT");
        let told = 1_767_607_200_000;
        assert!((told..told + 3_600_000).contains(&time.now_millis()));
        time.told("yesterday");
        assert!((told..told + 3_600_000).contains(&time.now_millis()), "nonsense tells nothing");
    }
}
