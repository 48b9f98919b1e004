//! DynamoDB numbers: exact decimals of up to 38 significant digits, which no machine float can stand for.

use std::cmp::Ordering;
use std::fmt;

/// The most significant digits that a number may have (DynamoDB developer guide, naming rules and data types).
const DIGITS: u32 = 38;
/// The smallest and largest exponent in scientific notation: 1E-130 to 9.99…E+125 (same source).
const EXPONENTS: std::ops::RangeInclusive<i64> = -130..=125;

/// `coefficient × 10^exponent`, with a coefficient that does not end in zero (zero itself has exponent 0), so that
/// equal numbers are equal structs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Decimal {
    coefficient: i128,
    exponent: i32,
}

impl Decimal {
    /// Reads `-12.5e-3` and the like; the error is DynamoDB's message.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let not_a_number = || format!("The parameter cannot be converted to a numeric value: {text}");
        let (mantissa, power) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().map_err(|_| not_a_number())?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
            return Err(not_a_number());
        }

        let digits = [whole, fraction].concat();
        let trimmed = digits.trim_end_matches('0');
        let exponent = i64::from(power) - fraction.len() as i64 + (digits.len() - trimmed.len()) as i64;
        let significant = trimmed.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Self { coefficient: 0, exponent: 0 });
        }
        if significant.len() > DIGITS as usize {
            return Err("Attempting to store more than 38 significant digits in a Number".to_owned());
        }
        let magnitude: i128 = significant.parse().map_err(|_| not_a_number())?;
        Self::checked(if negative { -magnitude } else { magnitude }, exponent)
    }

    /// The sum, or DynamoDB's message when it cannot be stored exactly.
    pub(super) fn add(self, other: Self) -> Result<Self, String> {
        let inexact = || "Attempting to store more than 38 significant digits in a Number".to_owned();
        let exponent = self.exponent.min(other.exponent);
        let align = |number: Self| {
            let shift = (number.exponent - exponent).unsigned_abs();
            10_i128.checked_pow(shift).and_then(|power| number.coefficient.checked_mul(power))
        };
        if self.coefficient == 0 {
            return Ok(other);
        }
        if other.coefficient == 0 {
            return Ok(self);
        }
        let sum = align(self).zip(align(other)).and_then(|(a, b)| a.checked_add(b)).ok_or_else(inexact)?;
        Self::checked(sum, i64::from(exponent))
    }

    /// The same number with the other sign.
    pub(super) fn negated(self) -> Self {
        Self { coefficient: -self.coefficient, ..self }
    }

    /// Roughly what the number takes in the table: two digits to a byte, and one byte more.
    pub(super) fn size(self) -> usize {
        self.digits().div_ceil(2) as usize + 1
    }

    fn checked(mut coefficient: i128, mut exponent: i64) -> Result<Self, String> {
        if coefficient == 0 {
            return Ok(Self { coefficient: 0, exponent: 0 });
        }
        while coefficient % 10 == 0 {
            coefficient /= 10;
            exponent += 1;
        }
        let digits = coefficient.unsigned_abs().ilog10() + 1;
        if digits > DIGITS {
            return Err("Attempting to store more than 38 significant digits in a Number".to_owned());
        }
        let scientific = exponent + i64::from(digits) - 1;
        if scientific > *EXPONENTS.end() {
            return Err(
                "Number overflow. Attempting to store a number with magnitude larger than supported range".into()
            );
        }
        if scientific < *EXPONENTS.start() {
            return Err(
                "Number underflow. Attempting to store a number with magnitude smaller than supported range".into()
            );
        }
        Ok(Self { coefficient, exponent: exponent as i32 })
    }

    fn digits(self) -> u32 {
        self.coefficient.unsigned_abs().checked_ilog10().unwrap_or_default() + 1
    }
}

impl From<usize> for Decimal {
    fn from(number: usize) -> Self {
        Self::checked(number as i128, 0).unwrap_or(Self { coefficient: 0, exponent: 0 })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.coefficient.signum().cmp(&other.coefficient.signum());
        if signs != Ordering::Equal || self.coefficient == 0 {
            return signs;
        }
        // With equal powers of ten in front, both coefficients fit into 38 digits once they are aligned.
        let scientific = |number: &Self| i64::from(number.exponent) + i64::from(number.digits());
        let magnitudes = scientific(self).cmp(&scientific(other)).then_with(|| {
            let digits = self.digits().max(other.digits());
            let align = |number: &Self| number.coefficient.unsigned_abs() * 10_u128.pow(digits - number.digits());
            align(self).cmp(&align(other))
        });
        if self.coefficient < 0 { magnitudes.reverse() } else { magnitudes }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    /// Plain digits without needless zeros, as DynamoDB returns numbers.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.coefficient < 0 { "-" } else { "" };
        let digits = self.coefficient.unsigned_abs().to_string();
        if self.exponent >= 0 {
            return write!(formatter, "{sign}{digits}{}", "0".repeat(self.exponent as usize));
        }
        let fraction = self.exponent.unsigned_abs() as usize;
        match digits.len().checked_sub(fraction).filter(|&whole| whole > 0) {
            Some(whole) => write!(formatter, "{sign}{}.{}", &digits[..whole], &digits[whole..]),
            None => write!(formatter, "{sign}0.{}{digits}", "0".repeat(fraction - digits.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_normalised() {
        for (text, plain) in [
            ("1.50", "1.5"),
            ("-0.0", "0"),
            ("1e3", "1000"),
            ("+007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("12.5E-3", "0.0125"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(number(text).to_string(), plain, "{text}");
        }
        assert_eq!(number("1E125").to_string().len(), 126);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in
            ["", ".", "-", "1e", "abc", "1_000", "0x1", " 1", "1e1.5", "é", "999999999999999999999999999999999999999"]
        {
            assert!(Decimal::parse(text).is_err(), "{text:?}");
        }
        assert!(Decimal::parse("1e126").unwrap_err().contains("overflow"));
        assert!(Decimal::parse("1e-131").unwrap_err().contains("underflow"));
        assert!(Decimal::parse("0e999").is_ok());
    }

    #[test]
    fn numbers_compare_exactly() {
        let sorted =
            ["-1e125", "-2", "-1.9", "-1e-130", "0", "0.1", "0.10000000000000000000000000000000000001", "2", "10"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(number(a).cmp(&number(b)), i.cmp(&j), "{a} {b}");
            }
        }
        // These two are one f64.
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert_eq!(number("1.0"), number("1"));
    }

    #[test]
    fn sums_are_exact_or_refused() {
        assert_eq!(number("0.1").add(number("0.2")).unwrap(), number("0.3"));
        assert_eq!(number("9007199254740992").add(number("1")).unwrap(), number("9007199254740993"));
        assert_eq!(number("5").add(number("5").negated()).unwrap(), number("0"));
        assert!(number("1e100").add(number("1")).is_err());
        assert_eq!(number("1e100").add(number("0")).unwrap(), number("1e100"));
    }
}
