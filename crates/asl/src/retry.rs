//! How long a retrier waits.

/// Milliseconds before attempt number `retries + 1` of a retrier that has already retried `retries` times.
///
/// `interval × rate^retries`, capped at `max_delay`; with full jitter a uniform share of that, `random` being uniform
/// in [0, 1). Spans are in seconds.
pub fn backoff_millis(
    interval_seconds: u64,
    rate: f64,
    max_delay_seconds: Option<u64>,
    full_jitter: bool,
    retries: u64,
    random: f64,
) -> u64 {
    let exponent = i32::try_from(retries).unwrap_or(i32::MAX);
    let mut seconds = interval_seconds as f64 * rate.powi(exponent);
    if let Some(cap) = max_delay_seconds {
        seconds = seconds.min(cap as f64);
    }
    if full_jitter {
        seconds *= random;
    }
    // A float that does not fit saturates, so even an absurd rate stays a number.
    (seconds * 1000.0).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let delays = (0..5).map(|n| backoff_millis(2, 2.0, Some(15), false, n, 0.9)).collect::<Vec<_>>();
        assert_eq!(delays, [2000, 4000, 8000, 15000, 15000]);
    }

    proptest! {
        #[test]
        fn jitter_stays_between_zero_and_the_plain_delay(
            interval in 1_u64..1000, rate in 1.0_f64..10.0, cap in proptest::option::of(1_u64..10_000),
            retries in 0_u64..1000, random in 0.0_f64..1.0,
        ) {
            let plain = backoff_millis(interval, rate, cap, false, retries, random);
            let jittered = backoff_millis(interval, rate, cap, true, retries, random);
            prop_assert!(jittered <= plain);
            if let Some(cap) = cap {
                prop_assert!(plain <= cap * 1000);
            }
            prop_assert!(plain >= 1000 * interval.min(cap.unwrap_or(u64::MAX)));
        }
    }
}
