//! How often the judge is wrong, on noise that is generated from a fixed seed: a good candidate called bad, a bad one called good; and
//! how often two other rules would have been. The tables of docs/choosing-checks.md are what this measures.

use crossfade_core::verification::COMPARED;
use crossfade_core::verification::ranks::{mann_whitney, median, shift};
use crossfade_core::verification::ratio::{Share, difference};

/// How many verifications of each kind are played.
const RUNS: u32 = 300;

/// A small generator of numbers that look random (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (one, other) = (self.next().max(1e-300), self.next());
        (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    fn latencies(&mut self, minutes: usize, usual: f64, noise: f64) -> Vec<f64> {
        (0..minutes).map(|_| usual * (noise * self.normal()).exp()).collect()
    }

    fn errors(&mut self, requests: u32, rate: f64) -> f64 {
        (0..requests).filter(|_| self.next() < rate).count() as f64
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Said {
    Good,
    Unsure,
    Bad,
}

fn said(lower: f64, estimate: f64, margin: f64) -> Said {
    match () {
        () if lower > margin => Said::Bad,
        () if estimate <= margin => Said::Good,
        () => Said::Unsure,
    }
}

/// What is said in the end: bad as soon as a look is 99 % sure, and what it is at 95 % at the last one.
fn judged(minutes: usize, look: impl Fn(usize, f64) -> Said) -> Said {
    if (COMPARED..minutes).any(|so_far| look(so_far, 0.99) == Said::Bad) { Said::Bad } else { look(minutes, 0.95) }
}

fn percent(count: u32) -> String {
    let percent = f64::from(count) * 100.0 / f64::from(RUNS);
    if percent == 0.0 || percent >= 10.0 { format!("{percent:.0}") } else { format!("{percent:.1}") }
}

/// A row: noise and shift; ours after 10 and 30 minutes; the others.
fn row_of_values(noise: f64, worse: f64) -> (String, [u32; 2]) {
    let mut cells = Vec::new();
    let mut bad_of_ours = [0, 0];
    let mut others = Vec::new();
    for (place, minutes) in [10, 30].into_iter().enumerate() {
        let mut generator = Noise(42);
        let (mut bad, mut unsure, mut by_p, mut by_kayenta) = (0, 0, 0, 0);
        for _ in 0..RUNS {
            let stable = generator.latencies(minutes, 150.0, noise);
            let candidate = generator.latencies(minutes, 150.0 * (1.0 + worse), noise);
            let look = |so_far: usize, confidence: f64| {
                let (x, y) = (&candidate[..so_far], &stable[..so_far]);
                let found = shift(x, y, confidence).expect("both have values");
                said(found.lower, found.estimate, 0.1 * median(&mut y.to_vec()).expect("it has values"))
            };
            match judged(minutes, look) {
                Said::Bad => bad += 1,
                Said::Unsure => unsure += 1,
                Said::Good => {}
            }
            by_p += u32::from(mann_whitney(&candidate, &stable).1 <= 0.05);
            let kayenta = shift(&candidate, &stable, 0.99).expect("both have values");
            by_kayenta += u32::from(kayenta.lower > 0.25 * kayenta.estimate.abs());
        }
        bad_of_ours[place] = bad;
        cells.push(format!("{}/{}", percent(bad), percent(unsure)));
        others.push((percent(by_p), percent(by_kayenta)));
    }
    let row = format!(
        "| {:.0} % | {:+.0} % | {} · {} | {} · {} | {} · {} |",
        noise * 100.0,
        worse * 100.0,
        cells[0],
        cells[1],
        others[0].0,
        others[1].0,
        others[0].1,
        others[1].1
    );
    (row.replace("+0 %", "0"), bad_of_ours)
}

/// A row: requests of the candidate in a minute, and by how many points it is worse; ours after 10 and 30 minutes.
fn row_of_shares(requests: u32, worse: f64) -> (String, [u32; 2]) {
    let mut cells = Vec::new();
    let mut bad_of_ours = [0, 0];
    for (place, minutes) in [10_usize, 30].into_iter().enumerate() {
        let mut generator = Noise(7);
        let (mut bad, mut unsure) = (0, 0);
        for _ in 0..RUNS {
            let stable: Vec<f64> = (0..minutes).map(|_| generator.errors(3 * requests, 0.002)).collect();
            let candidate: Vec<f64> = (0..minutes).map(|_| generator.errors(requests, 0.002 + worse)).collect();
            let look = |so_far: usize, confidence: f64| {
                let share = |errors: &[f64], requests: u32| Share {
                    of: errors[..so_far].iter().sum(),
                    to: f64::from(requests) * so_far as f64,
                };
                let (mine, theirs) = (share(&candidate, requests), share(&stable, 3 * requests));
                let found = difference(mine, theirs, confidence).expect("both have counts");
                let provable = candidate[..so_far].iter().filter(|errors| **errors > 0.0).count() >= 2;
                match said(found.lower, found.estimate, 0.005) {
                    Said::Bad if !provable => Said::Unsure,
                    said => said,
                }
            };
            match judged(minutes, look) {
                Said::Bad => bad += 1,
                Said::Unsure => unsure += 1,
                Said::Good => {}
            }
        }
        bad_of_ours[place] = bad;
        cells.push(format!("{}/{}", percent(bad), percent(unsure)));
    }
    let row = format!("| {requests} | {:+.1} | {} · {} |", worse * 100.0, cells[0], cells[1]);
    (row.replace("+0.0", "0"), bad_of_ours)
}

/// Asserts that the guide shows what was measured.
#[track_caller]
fn shown(rows: &[String]) {
    let guide = include_str!("../../../docs/choosing-checks.md");
    let missing: Vec<&String> = rows.iter().filter(|row| !guide.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/choosing-checks.md shows something else. It should have:\n{}", rows.join("\n"));
}

#[test]
fn c2_false_alarms_and_misses_of_values_are_what_the_guide_says() {
    let mut rows = Vec::new();
    for (noise, worse, least, most) in [
        (0.08, 0.0, 0, 4),
        (0.08, 0.02, 0, 4),
        (0.08, 0.05, 0, 4),
        (0.08, 0.3, 99, 100),
        (0.25, 0.0, 0, 4),
        (0.25, 0.05, 0, 4),
        (0.25, 0.3, 20, 100),
        (0.25, 0.6, 90, 100),
    ] {
        let (row, bad) = row_of_values(noise, worse);
        for bad in bad {
            assert!((RUNS * least..=RUNS * most).contains(&(bad * 100)), "{row}");
        }
        rows.push(row);
    }
    shown(&rows);
}

#[test]
fn c2_false_alarms_and_misses_of_shares_are_what_the_guide_says() {
    let mut rows = Vec::new();
    for (requests, worse, least, most) in [
        (30, 0.0, 0, 4),
        (300, 0.0, 0, 4),
        (300, 0.002, 0, 4),
        (30, 0.06, 90, 100),
        (300, 0.02, 95, 100),
        (300, 0.06, 100, 100),
    ] {
        let (row, bad) = row_of_shares(requests, worse);
        for bad in bad {
            assert!((RUNS * least..=RUNS * most).contains(&(bad * 100)), "{row}");
        }
        rows.push(row);
    }
    shown(&rows);
}
