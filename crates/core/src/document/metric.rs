//! Metrics as a document names them: those that crossfade knows, and any of CloudWatch; and the quantities that limit them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A metric that is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// The share of requests that the target group's targets answered with 5XX, or did not take. Application Load Balancers.
    ErrorRate,
    /// The time within which half of the requests were answered.
    #[serde(rename = "latency.p50")]
    LatencyP50,
    /// The time within which 90 % of the requests were answered.
    #[serde(rename = "latency.p90")]
    LatencyP90,
    /// The time within which 99 % of the requests were answered.
    #[serde(rename = "latency.p99")]
    LatencyP99,
    /// The average time of an answer.
    #[serde(rename = "latency.average")]
    LatencyAverage,
    /// The most members at a time that failed their health checks.
    UnhealthyHosts,
    /// How busy the processors of the fleet are, on average.
    Cpu,
    /// How full the memory of a service is, on average.
    Memory,
    /// The share of requests that a load balancer answered with 5XX for want of an answer: of both fleets.
    LoadBalancer5xx,
    /// Any metric of CloudWatch.
    CloudWatch(CloudWatch),
    /// One metric of CloudWatch as a share of another one.
    Ratio(Ratio),
}

/// A metric of CloudWatch. In namespace, name and the values of dimensions `{group}`, `{service}`, `{cluster}`, `{targetGroup}`,
/// `{loadBalancer}` and `{revision}` stand for what each side has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudWatch {
    /// Its namespace.
    #[schemars(length(min = 1, max = 255))]
    pub namespace: String,
    /// Its name.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// What is made of the values of a minute.
    #[schemars(
        regex(pattern = r"^(Sum|Average|Minimum|Maximum|SampleCount|p[0-9]{1,2}(\.[0-9]{1,2})?)$"),
        extend("x-expected" = "`Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount` or a percentile such as `p90`")
    )]
    pub stat: String,
    /// Its dimensions, all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
    /// What a minute without a value means.
    #[serde(default)]
    pub missing: Missing,
}

/// One metric as a share of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ratio {
    /// What is counted.
    pub of: CloudWatch,
    /// Of how many.
    pub to: CloudWatch,
}

/// What a minute without a value means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// It is not judged. Too few that are leave the check unsure.
    #[default]
    Skip,
    /// It counts as 0, where the side had requests in it.
    Zero,
    /// It is bad.
    Bad,
}

/// A number, or one with a unit: `30`, `"0.5 %"`, `"20 ms"`, `"2 s"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// What a quantity is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nothing.
    Number,
    /// Percent.
    Percent,
    /// Milliseconds.
    Millis,
}

impl Quantity {
    /// The pattern that a text has to have.
    const PATTERN: &'static str = r"^[0-9]{1,12}(\.[0-9]{1,6})? ?(%|ms|s)?$";

    /// The number and its unit; seconds are milliseconds by then.
    pub fn read(&self) -> Option<(f64, Unit)> {
        let number = self.0.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%' || c == ' ');
        let value: f64 = number.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)?;
        match self.0[number.len()..].trim() {
            "" => Some((value, Unit::Number)),
            "%" => Some((value, Unit::Percent)),
            "ms" => Some((value, Unit::Millis)),
            "s" => Some((value * 1000.0, Unit::Millis)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = Quantity;
            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or one with a unit such as \"0.5 %\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number, or one with a unit: `30`, `\"0.5 %\"`, `\"20 ms\"`, `\"2 s\"`.",
            "type": ["string", "number"],
            "pattern": Self::PATTERN,
            "x-expected": "a number, or one with a unit such as \"0.5 %\", \"20 ms\" or \"2 s\"",
        })
    }
}

impl Display for Quantity {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Metric {
    /// As the document names it.
    pub fn name(&self) -> &str {
        match self {
            Self::ErrorRate => "errorRate",
            Self::LatencyP50 => "latency.p50",
            Self::LatencyP90 => "latency.p90",
            Self::LatencyP99 => "latency.p99",
            Self::LatencyAverage => "latency.average",
            Self::UnhealthyHosts => "unhealthyHosts",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::LoadBalancer5xx => "loadBalancer5xx",
            Self::CloudWatch(metric) => &metric.name,
            Self::Ratio(ratio) => &ratio.of.name,
        }
    }

    /// What its values are counted in.
    pub fn unit(&self) -> Unit {
        match self {
            Self::ErrorRate | Self::Cpu | Self::Memory | Self::LoadBalancer5xx | Self::Ratio(_) => Unit::Percent,
            Self::LatencyP50 | Self::LatencyP90 | Self::LatencyP99 | Self::LatencyAverage => Unit::Millis,
            Self::UnhealthyHosts | Self::CloudWatch(_) => Unit::Number,
        }
    }

    /// Whether it is a share of something that is counted, rather than a value.
    pub fn is_ratio(&self) -> bool {
        matches!(self, Self::ErrorRate | Self::LoadBalancer5xx | Self::Ratio(_))
    }

    /// Whether it comes from a load balancer's own metrics about pools or itself.
    pub fn of_load_balancer(&self) -> bool {
        self.of_requests() || *self == Self::UnhealthyHosts
    }

    /// Whether it is about requests, which only Application Load Balancers count.
    pub fn of_requests(&self) -> bool {
        matches!(
            self,
            Self::ErrorRate
                | Self::LatencyP50
                | Self::LatencyP90
                | Self::LatencyP99
                | Self::LatencyAverage
                | Self::LoadBalancer5xx
        )
    }

    /// The metrics of CloudWatch that the document spells out.
    pub fn spelt_out(&self) -> Vec<&CloudWatch> {
        match self {
            Self::CloudWatch(metric) => vec![metric],
            Self::Ratio(ratio) => vec![&ratio.of, &ratio.to],
            _ => Vec::new(),
        }
    }
}

impl CloudWatch {
    /// What stands in braces, wherever that is.
    pub fn placeholders(&self) -> Vec<&str> {
        let texts = [&self.namespace, &self.name].into_iter().chain(self.dimensions.values());
        let in_text = |text: &'_ String| -> Vec<(usize, usize)> {
            let opened = text.match_indices('{').map(|(at, _)| at);
            opened.filter_map(|at| text[at..].find('}').map(|end| (at + 1, at + end))).collect()
        };
        texts.flat_map(|text| in_text(text).into_iter().map(move |(from, to)| &text[from..to])).collect()
    }
}

/// The placeholders that are filled in for each side.
pub const PLACEHOLDERS: [&str; 6] = ["group", "service", "cluster", "targetGroup", "loadBalancer", "revision"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_a_number_and_perhaps_a_unit() {
        let read = |text: &str| Quantity(text.into()).read();
        assert_eq!(read("30"), Some((30.0, Unit::Number)));
        assert_eq!(read("0.5 %"), Some((0.5, Unit::Percent)));
        assert_eq!(read("5%"), Some((5.0, Unit::Percent)));
        assert_eq!(read("20 ms"), Some((20.0, Unit::Millis)));
        assert_eq!(read("2 s"), Some((2_000.0, Unit::Millis)));
        for wrong in ["", "-1", "%", "5 min", "1e400", "NaN"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let number: Quantity = serde_json::from_str("0.5").expect("a number will do");
        assert_eq!(number, Quantity("0.5".into()));
    }

    #[test]
    fn placeholders_are_found_wherever_they_stand() {
        let metric = CloudWatch {
            namespace: "Shop/{service}".into(),
            name: "Failed".into(),
            stat: "Sum".into(),
            dimensions: BTreeMap::from([("Group".into(), "{group}-{revision}".into()), ("Odd".into(), "{".into())]),
            missing: Missing::Skip,
        };
        assert_eq!(metric.placeholders(), ["service", "group", "revision"]);
    }
}
