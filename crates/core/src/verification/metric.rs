//! Judging a metric: by limits, and by comparison of the candidate with the stable fleet.

use crate::document::{Check, Compare, Metric, Quantity, Unit, Verification, Worse};

use super::Answer;
use super::measure::{Measured, measure};
use super::ranks::{Difference, mann_whitney, median, shift};
use super::ratio::difference;
use super::series::{Found, Sides};
use super::times::Times;
use super::words::{count, drawn, value};

/// From how many minutes on sides are compared: with fewer no difference could be as sure as is asked.
pub const COMPARED: usize = 5;
/// How sure it has to be before the end that the candidate is worse: who looks often is deceived often.
const EARLY: f64 = 0.99;
/// Of how many of its minutes at least something has to be known, in percent.
const KNOWN: usize = 80;
/// The smallest share of a comparison that has to come from several minutes: errors come in bursts.
const MINUTES_WITH_ERRORS: usize = 2;

/// What a look has to go by.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// What the document says.
    pub verification: &'a Verification,
    /// The sides.
    pub sides: &'a Sides,
    /// Which minutes are judged.
    pub times: Times,
    /// What CloudWatch has told of them.
    pub found: &'a Found,
    /// Whether it is the last look.
    pub last: bool,
}

/// What a check of a metric says.
pub(super) fn answer(name: &str, check: &Check, metric: &Metric, look: Look<'_>) -> Answer {
    let Look { sides, times, found, .. } = look;
    let wanted = sides.candidate.wanted(metric);
    let candidate = measure(metric, &wanted, found, times.candidate, times.period_millis);
    let who = match (sides.together && metric.of_load_balancer(), metric) {
        (true, _) => "both fleets",
        (_, Metric::LoadBalancer5xx) => "the load balancer",
        _ => sides.candidate.name.as_str(),
    };
    let subject = Subject { name, metric, who, look };
    let mut answers = vec![subject.enough(&candidate)];
    for (limit, above) in [(&check.at_most, true), (&check.at_least, false)] {
        if let Some(limit) = limit {
            answers.push(subject.limited(check, &candidate, limit, above));
        }
    }
    if let Some(compare) = &check.compare {
        let stable = sides.stable.as_ref().map(|side| {
            let wanted = side.wanted(metric);
            (side.name.as_str(), measure(metric, &wanted, found, times.stable, times.period_millis))
        });
        answers.push(subject.compared(compare, &candidate, stable));
    }
    together(answers)
}

/// The worst of several answers; of none of them the rest is lost.
fn together(answers: Vec<Answer>) -> Answer {
    // Too little traffic proves nothing, whatever it looks like.
    if let Some(first @ Answer::Unsure(_)) = answers.first() {
        return first.clone();
    }
    let bad = answers.iter().find(|answer| matches!(answer, Answer::Bad(_)));
    let unsure = || answers.iter().find(|answer| matches!(answer, Answer::Unsure(_)));
    if let Some(worst) = bad.or_else(unsure) {
        return worst.clone();
    }
    let told = answers.into_iter().filter_map(|answer| match answer {
        Answer::Good(told) if !told.is_empty() => Some(told),
        _ => None,
    });
    Answer::Good(told.collect::<Vec<_>>().join("; "))
}

/// What a check is about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    name: &'a str,
    metric: &'a Metric,
    who: &'a str,
    look: Look<'a>,
}

impl Subject<'_> {
    fn minutes(&self) -> u64 {
        self.look.times.period_millis / 60_000
    }

    fn shown(&self, figure: f64) -> String {
        value(figure, self.metric.unit())
    }

    /// Whether there is enough to go by.
    fn enough(&self, candidate: &Measured) -> Answer {
        let name = self.name;
        if candidate.untold {
            return Answer::Unsure(format!("{name}: CloudWatch could not tell all of it"));
        }
        if candidate.minutes.is_empty() {
            return Answer::Unsure(format!("{name}: no minute is old enough to be judged yet"));
        }
        if let Some(few) = self.too_little(self.who, candidate) {
            return few;
        }
        Answer::Good(String::new())
    }

    fn too_little(&self, who: &str, measured: &Measured) -> Option<Answer> {
        let least = f64::from(self.look.verification.traffic.at_least);
        let requests = measured.requests.filter(|_| self.metric.of_requests())?;
        (requests < least).then(|| {
            Answer::Unsure(format!(
                "{}: {who} had {} requests in {} minutes; it takes {} (verification.traffic.atLeast)",
                self.name,
                count(requests),
                measured.minutes.len() as u64 * self.minutes(),
                count(least)
            ))
        })
    }

    /// Whether of so many minutes enough is known.
    fn known(&self, who: &str, measured: &Measured, judged: usize, least: usize) -> Option<Answer> {
        let all = measured.minutes.len();
        if judged >= least && judged * 100 >= all * KNOWN {
            return None;
        }
        let few = match measured.too_few + (measured.judged() - judged) {
            0 => String::new(),
            few => format!(
                "; {few} had too few requests for {}: use verification.period = 300{}",
                self.metric.name(),
                if self.metric.is_ratio() { "" } else { " or a lower percentile" }
            ),
        };
        let periods = if self.minutes() == 1 { "minutes" } else { "periods" };
        Some(Answer::Unsure(format!(
            "{}: of {who} {judged} of {all} {periods} are known, and it takes {} at least{few}",
            self.name,
            least.max((all * KNOWN).div_ceil(100))
        )))
    }

    /// Whether the values keep to a limit.
    fn limited(&self, check: &Check, candidate: &Measured, limit: &Quantity, above: bool) -> Answer {
        let (name, who) = (self.name, self.who);
        let Some((bound, _)) = limit.read() else {
            return Answer::Unsure(format!("{name}: {limit} is no quantity"));
        };
        let beyond = candidate.beyond(|value| if above { value > bound } else { value < bound });
        let (most, of) = (check.breaches.at_least as usize, (check.breaches.of as usize).max(1));
        let worst = beyond.windows(of.min(beyond.len().max(1))).map(|some| some.iter().filter(|it| **it).count()).max();
        let [line] = drawn([&candidate.series()]);
        let (more, allowed) = if above { ("above", "atMost") } else { ("below", "atLeast") };
        if let Some(worst) = worst.filter(|worst| *worst >= most) {
            let values = candidate.values();
            let extreme = values.iter().copied().reduce(if above { f64::max } else { f64::min });
            let extreme = extreme.map_or_else(|| "no value".to_owned(), |value| self.shown(value));
            return Answer::Bad(format!(
                "{name}: {} of {who} was {more} {} ({allowed}) in {worst} of {} minutes, at worst {extreme} {line}",
                self.metric.name(),
                self.shown(bound),
                of.min(beyond.len())
            ));
        }
        if let Some(unsure) = self.known(who, candidate, beyond.len(), of) {
            return unsure;
        }
        let middle = median(&mut candidate.values()).map_or_else(|| "no value".to_owned(), |value| self.shown(value));
        Answer::Good(format!(
            "{name}: {} of {who} {middle} {line} ({allowed} {})",
            self.metric.name(),
            self.shown(bound)
        ))
    }

    /// Whether the candidate is worse than the stable fleet.
    fn compared(&self, compare: &Compare, candidate: &Measured, stable: Option<(&str, Measured)>) -> Answer {
        let (name, who) = (self.name, self.who);
        let Some((other, stable)) = stable else {
            return Answer::Unsure(format!("{name}: there is no stable fleet to compare {who} with"));
        };
        if stable.untold {
            return Answer::Unsure(format!("{name}: CloudWatch could not tell all of {other}"));
        }
        if let Some(few) = self.too_little(other, &stable) {
            return few;
        }
        let same_time = self.look.times.candidate == self.look.times.stable;
        let (one, two) = match same_time {
            true => (candidate.alongside(&stable), stable.alongside(candidate)),
            false => (candidate.clone(), stable.latest(candidate.minutes.len().max(COMPARED))),
        };
        for (who, measured) in [(who, &one), (other, &two)] {
            if let Some(unsure) = self.known(who, measured, measured.judged(), COMPARED) {
                return unsure;
            }
        }
        let confidence = if self.look.last { f64::from(compare.confidence) / 100.0 } else { EARLY };
        let Some(seen) = self.seen(compare, &one, &two, confidence) else {
            return Answer::Unsure(format!("{name}: {} cannot be compared", self.metric.name()));
        };
        let Seen { by, margin, allowed, provable, told } = seen;
        let [mine, theirs] = drawn([&one.series(), &two.series()]);
        let before = if same_time { "" } else { " before it lost its traffic" };
        let sure = format!("{:.0} % sure", confidence * 100.0);
        let (over, figure) = if by.estimate >= 0.0 { ("worse", by.estimate) } else { ("better", -by.estimate) };
        let line = format!(
            "{name}: {} of {who} is {} {over} than that of {other}{before}: {told}; {allowed} allowed; {sure} of {} to {}; {who} {mine} \
             {other} {theirs}",
            self.metric.name(),
            self.apart(figure),
            self.apart(by.lower),
            self.apart(by.upper)
        );
        if by.lower > margin && provable {
            return Answer::Bad(line);
        }
        let good = if compare.strict { by.upper < margin } else { by.estimate <= margin };
        if good { Answer::Good(line) } else { Answer::Unsure(line) }
    }

    /// A difference with its unit.
    fn apart(&self, figure: f64) -> String {
        match self.metric.unit() {
            Unit::Percent if self.metric.is_ratio() => format!("{} points", value(figure, Unit::Number)),
            unit => value(figure, unit),
        }
    }

    fn seen(&self, compare: &Compare, one: &Measured, two: &Measured, confidence: f64) -> Option<Seen> {
        let (worse_by, unit) = compare.worse_by.read()?;
        let flipped = |found: Difference| match compare.worse {
            Worse::Higher => found,
            Worse::Lower => Difference { estimate: -found.estimate, lower: -found.upper, upper: -found.lower },
        };
        if self.metric.is_ratio() {
            let (mine, theirs) = (one.share(), two.share());
            let found = difference(mine, theirs, confidence)?;
            let percent = |figure: f64| figure * 100.0;
            let by = Difference {
                estimate: percent(found.estimate),
                lower: percent(found.lower),
                upper: percent(found.upper),
            };
            let told = |share: super::ratio::Share| {
                format!("{} of {} ({})", count(share.of), count(share.to), value(share.rate() * 100.0, Unit::Percent))
            };
            return Some(Seen {
                by: flipped(by),
                margin: worse_by,
                allowed: format!("{} points", value(worse_by, Unit::Number)),
                provable: compare.worse == Worse::Lower || one.minutes_with_some() >= MINUTES_WITH_ERRORS,
                told: format!("{} to {}", told(mine), told(theirs)),
            });
        }
        let (mine, theirs) = (one.values(), two.values());
        let by = flipped(shift(&mine, &theirs, confidence)?);
        let (middle, usual) = (median(&mut mine.clone())?, median(&mut theirs.clone())?);
        let relative = unit == Unit::Percent && self.metric.unit() != Unit::Percent;
        let margin = if relative { worse_by / 100.0 * usual.abs() } else { worse_by };
        let allowed =
            if relative { format!("{} ({})", self.apart(margin), compare.worse_by) } else { self.apart(margin) };
        let (u, p) = match compare.worse {
            Worse::Higher => mann_whitney(&mine, &theirs),
            Worse::Lower => mann_whitney(&theirs, &mine),
        };
        let told = format!(
            "{} to {} in {} and {} minutes (U {} of {}, p {})",
            self.shown(middle),
            self.shown(usual),
            mine.len(),
            theirs.len(),
            value(u, Unit::Number),
            mine.len() * theirs.len(),
            if p < 0.001 { format!("{p:.0e}") } else { format!("{p:.3}") }
        );
        Some(Seen { by, margin, allowed, provable: true, told })
    }
}

/// What a comparison has shown.
struct Seen {
    /// By how much the candidate is worse.
    by: Difference,
    /// By how much it may be.
    margin: f64,
    allowed: String,
    /// Whether it could be shown at all.
    provable: bool,
    told: String,
}
