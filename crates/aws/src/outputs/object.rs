//! The text of an object in S3.

use crossfade_core::document::references::Found;

use super::{Fetched, missing, unavailable};
use crate::call::{Ask, Client};

/// The longest object that is read, in bytes: a state grows with what it describes, a function's memory does not.
const LONGEST: usize = 8 * 1024 * 1024;

/// The text of this object.
pub(super) async fn text(client: &Client, bucket: &str, key: &str) -> Fetched {
    let url = format!("s3://{bucket}/{key}");
    // A certificate for `*.s3.REGION.amazonaws.com` covers no bucket with dots in its name, and emulators have no names.
    let ask = if client.is_redirected() || bucket.contains('.') {
        Ask::get("GetObject", &format!("/{bucket}/{key}"))
    } else {
        Ask::get("GetObject", &format!("/{key}")).on_host(bucket)
    };
    let (text, version) = match client.call(ask.with("range", format!("bytes=0-{LONGEST}"))).await {
        Ok(answer) => {
            let version = answer.version();
            (answer.text(), version)
        }
        // There is no first byte of nothing.
        Err(error) if error.code() == Some("InvalidRange") => (String::new(), None),
        Err(error) if error.is_not_found() => {
            return Err(missing(
                format!("there is no object {url}"),
                "Correct the URL, or put the object there first.",
            ));
        }
        Err(error) if error.code() == Some("PermanentRedirect") => {
            let fix = "Put it into a bucket of this region, or into a parameter.";
            return Err(missing(format!("the bucket {bucket} is in another region"), fix));
        }
        Err(error) => return Err(unavailable("s3:GetObject", "ReadableObjectArns", &url, &error)),
    };
    if text.len() > LONGEST {
        let problem = format!("{url} is longer than {LONGEST} bytes");
        return Err(missing(problem, "Make it shorter: of a state, publish what `terraform output -json` prints."));
    }
    Ok(Found::Text { text, version })
}
