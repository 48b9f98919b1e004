//! Figures for people: with their units, and drawn.

use crate::document::Unit;
use crate::text::thousands;

/// Eight heights.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The most minutes that are drawn.
const DRAWN: usize = 30;

/// A value with its unit.
pub(super) fn value(value: f64, unit: Unit) -> String {
    let unit = match unit {
        Unit::Number => "",
        Unit::Percent => " %",
        Unit::Millis => " ms",
    };
    format!("{}{unit}", number(value))
}

/// Three digits that count, without needless ones.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 99.95 => 0,
        middle if middle >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.to_owned() }
}

/// A count, its thousands apart.
pub(super) fn count(count: f64) -> String {
    thousands(&format!("{count:.0}"))
}

/// Series drawn beside each other, to one scale; `·` where a minute is missing. Of many the last ones.
pub(super) fn drawn<const N: usize>(series: [&[Option<f64>]; N]) -> [String; N] {
    let known = || series.iter().flat_map(|values| values.iter().flatten()).copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: f64| {
        let height = if high > low { (value - low) / (high - low) * 7.0 } else { 0.0 };
        BARS[(height.round() as usize).min(7)]
    };
    series.map(|values| {
        let last = &values[values.len().saturating_sub(DRAWN)..];
        last.iter().map(|value| value.map_or('·', bar)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_as_long_as_they_have_to_be() {
        let of = |figure, unit| value(figure, unit);
        assert_eq!(of(0.0857, Unit::Percent), "0.09 %");
        assert_eq!(of(190.4, Unit::Millis), "190 ms");
        assert_eq!(of(15.1, Unit::Millis), "15.1 ms");
        assert_eq!((of(30.0, Unit::Number), of(-0.001, Unit::Number)), ("30".into(), "0".into()));
        assert_eq!(
            (count(6_412.0), count(57_240_123.0), count(12.0)),
            ("6,412".into(), "57,240,123".into(), "12".into())
        );
    }

    #[test]
    fn series_are_drawn_to_one_scale_and_gaps_are_gaps() {
        let [one, other] = drawn([&[Some(1.0), None, Some(8.0)], &[Some(4.5), Some(1.0)]]);
        assert_eq!((one.as_str(), other.as_str()), ("▁·█", "▅▁"));
        assert_eq!(drawn([&[Some(3.0), Some(3.0)]]), ["▁▁"]);
    }
}
