//! CBOR, as Smithy's RPC v2 protocol uses it: a body in, a JSON value out, and the other way round.
//!
//! What it owns: the two conversions. JSON cannot say that a value is a timestamp, so that whoever writes says which
//! members are. It must never panic on what came in.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::decode::DeserializeError;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Number, Value};

/// How deep a request may nest. The deepest shape of an API has some ten levels; a hostile one would use up the stack.
const DEPTH: u32 = 64;

/// The value of a whole body. Timestamps become text, as the CLI writes them.
pub(crate) fn decode(body: &[u8]) -> Result<Value, DeserializeError> {
    let mut decoder = Decoder::new(body);
    value(&mut decoder, 0)
}

fn value(decoder: &mut Decoder<'_>, depth: u32) -> Result<Value, DeserializeError> {
    if depth > DEPTH {
        return Err(DeserializeError::custom("nested too deeply", decoder.position()));
    }
    Ok(match decoder.datatype()? {
        Type::Bool => Value::Bool(decoder.boolean()?),
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::F16 | Type::F32 | Type::F64 => Number::from_f64(decoder.double()?).map_or(Value::Null, Value::Number),
        Type::String | Type::StringIndef => Value::String(decoder.string()?),
        Type::Array | Type::ArrayIndef => {
            let length = decoder.list()?;
            let mut items = Vec::new();
            while more(decoder, length, items.len() as u64)? {
                items.push(value(decoder, depth + 1)?);
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let length = decoder.map()?;
            let (mut members, mut read) = (Map::new(), 0);
            while more(decoder, length, read)? {
                members.insert(decoder.string()?, value(decoder, depth + 1)?);
                read += 1;
            }
            Value::Object(members)
        }
        Type::Tag => Value::String(decoder.timestamp()?.fmt(Format::DateTime).unwrap_or_default()),
        _ => Value::Number(decoder.long()?.into()),
    })
}

/// Whether a list or map goes on after `read` elements. Consumes the end of one without a length.
fn more(decoder: &mut Decoder<'_>, length: Option<u64>, read: u64) -> Result<bool, DeserializeError> {
    match length {
        Some(length) => Ok(read < length),
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

/// A value as CBOR. `is_timestamp` says of a member's name whether its number is a timestamp in seconds.
pub(crate) fn encode(value: &Value, is_timestamp: fn(&str) -> bool) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    write(&mut encoder, value, is_timestamp);
    encoder.into_writer()
}

fn write(encoder: &mut Encoder, value: &Value, is_timestamp: fn(&str) -> bool) {
    match value {
        Value::Null => drop(encoder.null()),
        Value::Bool(flag) => drop(encoder.boolean(*flag)),
        Value::Number(number) => match number.as_i64() {
            Some(number) => drop(encoder.long(number)),
            None => drop(encoder.double(number.as_f64().unwrap_or_default())),
        },
        Value::String(text) => drop(encoder.str(text)),
        Value::Array(items) => {
            encoder.array(items.len());
            items.iter().for_each(|item| write(encoder, item, is_timestamp));
        }
        Value::Object(members) => {
            encoder.map(members.len());
            for (name, member) in members {
                encoder.str(name);
                match (member, is_timestamp(name)) {
                    (Value::Array(items), true) => {
                        encoder.array(items.len());
                        items.iter().for_each(|item| instant(encoder, item, is_timestamp));
                    }
                    (member, true) => instant(encoder, member, is_timestamp),
                    (member, false) => write(encoder, member, is_timestamp),
                }
            }
        }
    }
}

/// An instant, in seconds since 1970.
fn instant(encoder: &mut Encoder, value: &Value, is_timestamp: fn(&str) -> bool) {
    match value.as_f64() {
        Some(seconds) => drop(encoder.timestamp(&DateTime::from_secs_f64(seconds))),
        None => write(encoder, value, is_timestamp),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let value =
            json!({ "Name": "é", "Threshold": 0.5, "Period": 60, "Below": -7, "On": true, "List": [1, "x", null] });
        assert_eq!(decode(&encode(&value, |_| false)).unwrap(), value);
        let stamped = json!({ "At": 1_767_603_600.5 });
        assert_eq!(decode(&encode(&stamped, |name| name == "At")).unwrap(), json!({ "At": "2026-01-05T09:00:00.5Z" }));
    }

    #[test]
    fn lists_and_maps_without_a_length_are_read() {
        let mut encoder = Encoder::new(Vec::new());
        encoder.begin_map().str("A").begin_array().str("x").end().str("B").long(1).end();
        assert_eq!(decode(&encoder.into_writer()).unwrap(), json!({ "A": ["x"], "B": 1 }));
    }

    #[test]
    fn what_is_no_cbor_is_refused() {
        assert!(decode(b"").is_err());
        assert!(decode(b"\xa1\x61").is_err(), "cut off");
        assert!(decode(&[0x81; 100_000]).is_err(), "lists in lists in lists");
        assert!(decode(b"\xff").is_err(), "an end of nothing");
    }
}
