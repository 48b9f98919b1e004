//! User data as platforms write it, in base64.

use crossfade_core::kinds::UserData;
use crossfade_core::{Kind, Result};

/// As a text. What is none is shown as something that nothing can be appended to.
pub(super) fn decoded(base64: Option<&str>) -> Option<String> {
    let bytes = aws_smithy_types::base64::decode(base64?.trim()).ok()?;
    Some(String::from_utf8(bytes).unwrap_or_else(|_| "\u{fffd}".into()))
}

/// That of a copy, in base64, given the base's.
///
/// # Errors
/// `Drifted` when the base's has changed since it was looked at, so that the two do not go together any more.
pub(super) fn encoded(user_data: &UserData, base64: Option<&str>) -> Result<String> {
    let text = user_data.of(decoded(base64).as_deref());
    let text = text.map_err(|why| Kind::Drifted.because(format!("Since the deployment began, {why}.")))?;
    Ok(aws_smithy_types::base64::encode(text))
}
