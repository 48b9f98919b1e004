//! The judge's mathematics against an implementation that nobody here wrote (`statrs`), and what has to hold whatever the numbers.

use crossfade_core::verification::ranks::{mann_whitney, shift};
use crossfade_core::verification::ratio::{Share, difference};
use proptest::prelude::*;
use statrs::stats_tests::Alternative;
use statrs::stats_tests::mannwhitneyu::{MannWhitneyUMethod, mannwhitneyu};

/// Values as metrics have them: some of them equal.
fn values() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec((0_u32..400).prop_map(|value| f64::from(value) / 4.0), 3..40)
}

proptest! {
    #[test]
    fn u_and_p_are_those_of_statrs(x in values(), y in values()) {
        let (u, p) = mann_whitney(&x, &y);
        let method = MannWhitneyUMethod::AsymptoticInclContinuityCorrection;
        let (theirs, theirs_p) = mannwhitneyu(&x, &y, method, Alternative::Greater).expect("it can be compared");
        prop_assert!((u - theirs).abs() < 1e-9, "{u} and {theirs}");
        prop_assert!(theirs_p.is_nan() || (p - theirs_p).abs() < 1e-6, "{p} and {theirs_p}");
    }

    #[test]
    fn limits_enclose_the_shift_and_follow_the_values(x in values(), y in values(), moved in 0_u32..1000) {
        let found = shift(&x, &y, 0.95).expect("both have values");
        prop_assert!(found.lower <= found.estimate && found.estimate <= found.upper, "{found:?}");
        let surer = shift(&x, &y, 0.99).expect("both have values");
        prop_assert!(surer.lower <= found.lower && surer.upper >= found.upper, "{surer:?} {found:?}");
        let moved = f64::from(moved);
        let higher: Vec<f64> = x.iter().map(|value| value + moved).collect();
        let there = shift(&higher, &y, 0.95).expect("both have values");
        prop_assert!((there.lower - found.lower - moved).abs() < 1e-6 && (there.upper - found.upper - moved).abs() < 1e-6);
        let swapped = shift(&y, &x, 0.95).expect("both have values");
        prop_assert!((swapped.lower + found.upper).abs() < 1e-9 && (swapped.estimate + found.estimate).abs() < 1e-9);
    }

    #[test]
    fn limits_enclose_the_difference_of_shares(k in 0_u32..50, m in 50_u32..5_000, l in 0_u32..50, n in 50_u32..5_000) {
        let share = |of: u32, to: u32| Share { of: of.into(), to: to.into() };
        let found = difference(share(k, m), share(l, n), 0.95).expect("both have counts");
        prop_assert!(found.lower <= found.estimate && found.estimate <= found.upper, "{found:?}");
        prop_assert!((-1.0..=1.0).contains(&found.lower) && (-1.0..=1.0).contains(&found.upper), "{found:?}");
        let more = difference(share(k * 10, m * 10), share(l * 10, n * 10), 0.95).expect("both have counts");
        prop_assert!(more.lower >= found.lower - 1e-12 && more.upper <= found.upper + 1e-12, "more requests tell more");
        let swapped = difference(share(l, n), share(k, m), 0.95).expect("both have counts");
        prop_assert!((swapped.lower + found.upper).abs() < 1e-12);
    }
}
