//! Values compared by their ranks: how far one series lies above another, and how sure that is.
//!
//! The shift is Hodges and Lehmann's: the median of all differences. Its limits are differences, too, chosen by the exact distribution
//! of Mann and Whitney's U: the same as R's `wilcox.test` where no values are equal, and wider where some are. Nothing is searched
//! for numerically, and nothing random is added.

use super::normal::{beyond, limit};

/// A difference, and the limits within which it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference.
    pub estimate: f64,
    /// What it exceeds, as sure as was asked.
    pub lower: f64,
    /// What it stays below, as sure as was asked.
    pub upper: f64,
}

/// Up to how many values on either side the distribution is worked out exactly.
const EXACT: usize = 60;

/// How far the first values lie above the second ones. Each limit alone holds with this confidence, between 0.5 and 1. Nothing can be
/// said without values on both sides.
pub fn shift(above: &[f64], below: &[f64], confidence: f64) -> Option<Difference> {
    let mut differences: Vec<f64> = above.iter().flat_map(|x| below.iter().map(move |y| x - y)).collect();
    let estimate = median(&mut differences)?;
    let place = quantile(1.0 - confidence, above.len(), below.len()).clamp(1, differences.len());
    let (lower, upper) = (differences[place - 1], differences[differences.len() - place]);
    Some(Difference { estimate, lower, upper })
}

/// The value in the middle; the values are sorted by then.
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// The smallest u that U is at most with this probability.
fn quantile(probability: f64, m: usize, n: usize) -> usize {
    if m > EXACT || n > EXACT {
        let (m, n) = (m as f64, n as f64);
        let place = m * n / 2.0 - limit(probability) * (m * n * (m + n + 1.0) / 12.0).sqrt();
        return place.floor().max(0.0) as usize;
    }
    let ways = ways(m, n);
    let all: f64 = ways.iter().map(|ways| *ways as f64).sum();
    let mut so_far = 0.0;
    // As R does: what is equal but for the last digits is equal.
    let reaches = |ways: &i128| {
        so_far += *ways as f64;
        so_far / all >= probability * (1.0 - 1e-12)
    };
    ways.iter().position(reaches).unwrap_or(0)
}

/// In how many orders of m and n values U is 0, 1, 2 and so on: the coefficients of Gauss's binomial.
fn ways(m: usize, n: usize) -> Vec<i128> {
    let mut ways = vec![0_i128; m * n + 1];
    ways[0] = 1;
    for i in 1..=m {
        // Times 1 - x^(n + i), by 1 - x^i.
        for u in (n + i..ways.len()).rev() {
            ways[u] -= ways[u - n - i];
        }
        for u in i..ways.len() {
            ways[u] += ways[u - i];
        }
    }
    ways
}

/// Mann and Whitney's U of the first values, and how probable so much or more is when both come from one source: by the normal
/// distribution, corrected for equal values and for continuity.
pub fn mann_whitney(above: &[f64], below: &[f64]) -> (f64, f64) {
    let (m, n) = (above.len() as f64, below.len() as f64);
    let mut all: Vec<(f64, bool)> = above.iter().map(|x| (*x, true)).chain(below.iter().map(|y| (*y, false))).collect();
    all.sort_by(|one, another| one.0.total_cmp(&another.0));
    let (mut ranks, mut ties, mut start) = (0.0, 0.0, 0);
    while start < all.len() {
        let same = all[start..].iter().take_while(|(value, _)| *value == all[start].0).count();
        // Those that are equal share their ranks.
        let rank = start as f64 + (same as f64 + 1.0) / 2.0;
        ranks += rank * all[start..start + same].iter().filter(|(_, first)| *first).count() as f64;
        ties += (same as f64).powi(3) - same as f64;
        start += same;
    }
    let u = ranks - m * (m + 1.0) / 2.0;
    let total = m + n;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)).max(1.0));
    if variance <= 0.0 {
        return (u, 1.0);
    }
    (u, beyond((u - m * n / 2.0 - 0.5) / variance.sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R's help for `wilcox.test`, after Hollander and Wolfe.
    const HW_X: [f64; 10] = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
    const HW_Y: [f64; 5] = [1.15, 0.88, 0.90, 0.74, 1.21];
    const SCIPY_X: [f64; 5] = [19.0, 22.0, 16.0, 29.0, 24.0];
    const SCIPY_Y: [f64; 4] = [20.0, 11.0, 17.0, 12.0];
    const LOG_X: [f64; 10] = [182.0, 190.0, 185.0, 201.0, 197.0, 188.0, 190.0, 205.0, 199.0, 193.0];
    const LOG_Y: [f64; 10] = [151.0, 149.0, 160.0, 155.0, 151.0, 158.0, 149.0, 162.0, 153.0, 157.0];
    const SAME: [f64; 10] = [152.0, 149.0, 161.0, 155.0, 150.0, 158.0, 149.0, 163.0, 153.0, 158.0];

    #[track_caller]
    fn is(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[track_caller]
    fn shifts(x: &[f64], y: &[f64], two_sided: f64, [estimate, lower, upper]: [f64; 3]) {
        let found = shift(x, y, (1.0 + two_sided) / 2.0).expect("both have values");
        is(found.estimate, estimate);
        is(found.lower, lower);
        is(found.upper, upper);
    }

    #[test]
    fn the_shift_and_its_limits_are_those_of_r() {
        shifts(&HW_X, &HW_Y, 0.95, [0.305, -0.15, 0.76]);
        shifts(&HW_X, &HW_Y, 0.90, [0.305, -0.08, 0.72]);
        shifts(&SCIPY_X, &SCIPY_Y, 0.95, [7.0, -1.0, 17.0]);
        // Kayenta's own suite.
        shifts(&[10.0, 20.0, 30.0, 40.0], &[1.0, 2.0, 3.0, 4.0], 0.98, [22.5, 6.0, 39.0]);
        shifts(&LOG_X[..5], &LOG_Y[..5], 0.98, [37.0, 25.0, 50.0]);
        shifts(&LOG_X, &LOG_Y, 0.90, [39.0, 33.0, 44.0]);
        shifts(&SAME, &LOG_Y, 0.90, [0.0, -4.0, 4.0]);
    }

    #[test]
    fn the_places_of_the_limits_are_those_of_r() {
        let places = [(0.025, 10, 5, 9), (0.05, 10, 5, 12), (0.05, 10, 10, 28), (0.05, 60, 60, 1486), (0.01, 5, 5, 2)];
        for (probability, m, n, place) in places {
            assert_eq!(quantile(probability, m, n), place, "{probability} {m} {n}");
        }
        // Beyond, an approximation goes on where the exact ones end.
        let (exact, near) = (quantile(0.05, 60, 60) as f64, quantile(0.05, 61, 60) as f64);
        assert!((near - exact - 30.0).abs() < 15.0, "{exact} {near}");
    }

    #[test]
    fn u_and_p_are_those_of_scipy() {
        for (x, y, u, p) in [
            (&HW_X[..], &HW_Y[..], 35.0, 0.122_311_802_569),
            (&LOG_X[..5], &LOG_Y[..5], 25.0, 0.005_962_616_796_5),
            (&LOG_X, &LOG_Y, 100.0, 8.981_125_244_95e-5),
            (&SAME, &LOG_Y, 52.0, 0.454_570_924_82),
            (&[7.0; 5], &[7.0; 5], 12.5, 1.0),
        ] {
            let found = mann_whitney(x, y);
            is(found.0, u);
            is(found.1, p);
        }
        // Two-sided in the sources.
        is(mann_whitney(&SCIPY_X, &SCIPY_Y).1 * 2.0, 0.111_346_886_533);
        is(mann_whitney(&[10.0, 20.0, 30.0, 40.0], &[1.0, 2.0, 3.0, 4.0]).1 * 2.0, 0.030_382_821_976_6);
        is(mann_whitney(&[0.0, 1.0, 2.0, 1.0, 0.0, 0.0], &[0.0; 6]).1 * 2.0, 0.073_139_799_658_9);
    }

    #[test]
    fn a_series_that_is_a_hundred_times_worse_for_most_minutes_is_not_good() {
        // spinnaker#6278 and kayenta#780: Kayenta passes it.
        let candidate = [[100.0; 7].as_slice(), &[1.0; 3]].concat();
        let stable = [1.0; 10];
        let at = |confidence| shift(&candidate, &stable, confidence).expect("both have values");
        assert_eq!(at(0.95), Difference { estimate: 99.0, lower: 0.0, upper: 99.0 });
        assert_eq!(at(0.90).lower, 99.0);
        let more = [[100.0; 8].as_slice(), &[1.0; 2]].concat();
        assert_eq!(shift(&more, &stable, 0.95).expect("both have values").lower, 99.0);
        is(mann_whitney(&candidate, &stable).0, 85.0);
    }

    #[test]
    fn without_values_on_both_sides_nothing_is_said() {
        assert_eq!(shift(&[], &[1.0], 0.95), None);
        assert_eq!(shift(&[1.0], &[], 0.95), None);
        assert_eq!(shift(&[3.0], &[1.0], 0.95), Some(Difference { estimate: 2.0, lower: 2.0, upper: 2.0 }));
    }
}
