//! The normal distribution: how improbable a distance is, and how far an improbability lies.

use std::f64::consts::SQRT_2;

/// The probability that a standard normal value is greater than this.
pub(super) fn beyond(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// The value that a standard normal one exceeds with this probability, between 0 and 0.5.
pub(super) fn limit(probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if beyond(middle) > probability { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_exceeded_as_often_as_asked() {
        for (probability, z) in [(0.05, 1.644_853_626_951), (0.025, 1.959_963_984_540), (0.01, 2.326_347_874_041)] {
            assert!((limit(probability) - z).abs() < 1e-9, "{probability}");
            assert!((beyond(z) - probability).abs() < 1e-9, "{z}");
        }
    }
}
