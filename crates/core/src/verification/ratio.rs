//! Ratios compared: by how much the share of one side is greater, and how sure that is.
//!
//! Each share has Wilson's interval, and their difference Newcombe's. Both hold for few counts and for none at all: 0 of 100 is not
//! the same as 0 of 100,000.

use super::normal::limit;
use super::ranks::Difference;

/// So many of so many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// How many, such as requests that failed.
    pub of: f64,
    /// Of how many.
    pub to: f64,
}

impl Share {
    /// The share; 0 of nothing is 0.
    pub fn rate(self) -> f64 {
        if self.to > 0.0 { (self.of / self.to).clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Wilson's interval, to so many standard deviations.
    fn interval(self, z: f64) -> (f64, f64) {
        let (p, n, z2) = (self.rate(), self.to, z * z);
        let middle = p + z2 / (2.0 * n);
        let reach = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        let whole = 1.0 + z2 / n;
        (((middle - reach) / whole).max(0.0), ((middle + reach) / whole).min(1.0))
    }
}

/// By how much the first share is greater. Each limit alone holds with this confidence, between 0.5 and 1. Nothing can be said of
/// nothing.
pub fn difference(above: Share, below: Share, confidence: f64) -> Option<Difference> {
    if above.to <= 0.0 || below.to <= 0.0 {
        return None;
    }
    let z = limit(1.0 - confidence);
    let (p1, p2) = (above.rate(), below.rate());
    let ((l1, u1), (l2, u2)) = (above.interval(z), below.interval(z));
    let estimate = p1 - p2;
    Some(Difference {
        estimate,
        lower: estimate - ((p1 - l1).powi(2) + (u2 - p2).powi(2)).sqrt(),
        upper: estimate + ((u1 - p1).powi(2) + (p2 - l2).powi(2)).sqrt(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(of: u32, to: u32) -> Share {
        Share { of: of.into(), to: to.into() }
    }

    #[test]
    fn the_limits_are_those_of_newcombe_s_table() {
        // Table II of his paper of 1998, method 10, recomputed.
        for ((a, m), (b, n), lower, upper) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((6, 7), (2, 7), 0.0582, 0.8062),
            ((5, 56), (0, 29), -0.0381, 0.1926),
            ((0, 10), (0, 20), -0.1611, 0.2775),
            ((0, 10), (0, 10), -0.2775, 0.2775),
            ((10, 10), (0, 20), 0.6791, 1.0),
        ] {
            let found = difference(share(a, m), share(b, n), 0.975).expect("both have counts");
            assert!(
                (found.lower - lower).abs() < 6e-5 && (found.upper - upper).abs() < 6e-5,
                "{a}/{m} {b}/{n}: {found:?}"
            );
        }
    }

    #[test]
    fn few_errors_prove_little_and_no_errors_prove_no_more() {
        // kayenta#426: sparse errors, which Kayenta passes.
        let found = difference(share(4, 600), share(0, 600), 0.95).expect("both have counts");
        assert!((found.lower - 0.00087).abs() < 6e-6 && (found.upper - 0.01477).abs() < 6e-6, "{found:?}");
        let found = difference(share(12, 1200), share(20, 10_800), 0.95).expect("both have counts");
        assert!((found.lower - 0.00432).abs() < 6e-6 && (found.upper - 0.01412).abs() < 6e-6, "{found:?}");
        let of = |requests| difference(share(0, requests), share(0, 100_000), 0.95).expect("both have counts").upper;
        assert!(of(100) > 0.02 && of(100_000) < 0.0001);
        assert_eq!(difference(share(0, 0), share(0, 10), 0.95), None);
    }
}
