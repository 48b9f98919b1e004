//! What instances print on their consoles.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Ec2Error;
use crate::call::Element;

/// What an instance has printed. It may hold secrets, and is nothing for a log or a record.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConsoleOutput {
    /// The last of it, at most 64 KB; nothing while EC2 has none.
    pub text: Option<String>,
    /// When EC2 took it, in milliseconds since 1970.
    pub at_millis: Option<u64>,
    /// Whether it is the latest; otherwise it is of the time around the instance's last start, stop or reboot.
    pub latest: bool,
}

/// Reads the answer of `GetConsoleOutput`.
pub(super) fn read(root: Element) -> Result<ConsoleOutput, Ec2Error> {
    let text = match root.text("output").map(|text| text.split_whitespace().collect::<String>()) {
        Some(text) if !text.is_empty() => {
            let bytes = STANDARD.decode(text);
            let bytes = bytes.map_err(|_| Ec2Error::unreadable("the console output is no base64".into()))?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => None,
    };
    let at = root.text("timestamp").and_then(|at| DateTime::from_str(&at, Format::DateTime).ok());
    let at_millis = at.and_then(|at| u64::try_from(at.to_millis().ok()?).ok());
    Ok(ConsoleOutput { text, at_millis, latest: false })
}
