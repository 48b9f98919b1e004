//! What a refusal of AWS means for whoever runs the command: an installation that is not there, a permission that they lack,
//! credentials that are none.
//!
//! It may look once more to find out, and must never change anything.

use crossfade_core::{Failure, Kind};

use crate::installed::Installed;
use crate::say::Problem;

/// Codes by which the services say that credentials are not good (any more). Each service has its own.
const BAD_CREDENTIALS: [&str; 8] = [
    "AuthFailure",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignature",
    "SignatureDoesNotMatch",
    "UnrecognizedClient",
];

/// Whether a failure means that whoever runs the command is not signed in (any more).
pub(crate) fn credentials(failure: &Failure) -> bool {
    let refused = BAD_CREDENTIALS.iter().any(|code| failure.message.contains(&format!("refused with {code}")));
    // Where they come from a session that has expired, no call is made at all.
    let unanswered = failure.kind == Kind::ServiceUnavailable && failure.message.to_lowercase().contains("expired");
    refused || unanswered
}

/// The problem that a failure means here.
pub(crate) async fn explain(failure: Failure, installed: &Installed) -> Problem {
    let Installed { name, region, .. } = installed;
    let more = |advice: String| Problem::Aws(failure.kind.because(format!("{failure}\n{advice}")));
    match failure.kind {
        Kind::RecordMissing if failure.message.contains("ResourceNotFoundException") => {
            let deploys = installed.executions.find(&format!("{name}-deploy")).await;
            if !matches!(deploys, Ok(Some(_))) {
                return not_installed(installed, &format!("table {name}"));
            }
            Problem::NotInstalled(format!(
                "crossfade is installed in {region} as {name}, but its table {name} is gone, and with it every lock and the way back of \
                 whatever runs. Start no deployment. Restore the table under its name from its point-in-time recovery or a \
                 backup; if there is none, see that nothing runs and install crossfade anew."
            ))
        }
        Kind::AccessDenied => more(
            "Whoever runs this command lacks that permission: the caller is you, by AWS_PROFILE, --profile or the environment, \
             and no function."
                .into(),
        ),
        _ if credentials(&failure) => Problem::NotSignedIn(format!(
            "{failure}\nAWS does not take the credentials. Sign in again, or choose others with AWS_PROFILE or --profile."
        )),
        Kind::ServiceUnavailable => more(unreachable(region, std::env::vars())),
        _ => Problem::Aws(failure),
    }
}

/// What to ask where no answer came: calls go to the endpoints that the environment names, and otherwise to AWS.
fn unreachable(region: &str, variables: impl IntoIterator<Item = (String, String)>) -> String {
    let of_all = "AWS_ENDPOINT_URL";
    let mut named: Vec<(String, String)> =
        variables.into_iter().filter(|(name, value)| name.starts_with(of_all) && !value.is_empty()).collect();
    named.sort();
    let each: Vec<String> = named.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let listens =
        format!("Does anything listen at {}? Start it, or unset that to reach AWS itself.", each.join(" or at "));
    let answers = format!("Is there a region {region} (AWS_REGION, --region), and does this machine reach it?");
    match named.first() {
        None => answers,
        Some((first, _)) if first == of_all => listens,
        // The others are called in AWS.
        Some(_) => format!("{listens} {answers}"),
    }
}

/// There is nothing of that name here.
pub(crate) fn not_installed(installed: &Installed, what: &str) -> Problem {
    let Installed { name, region, .. } = installed;
    Problem::NotInstalled(format!(
        "There is no {what} in the region {region} of this account: crossfade is not installed here as {name}. Install it \
         (`sam build && sam deploy`), or say where it is: --stack for another name, --region for another region, --profile for \
         another account."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_no_answer_comes_the_variable_that_sends_calls_elsewhere_is_named() {
        let asks = |variables: &[(&str, &str)]| {
            unreachable("eu-west-1", variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
        };
        let region = "Is there a region eu-west-1 (AWS_REGION, --region), and does this machine reach it?";
        assert_eq!(asks(&[("AWS_REGION", "eu-west-1")]), region);
        let here = ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566");
        assert_eq!(
            asks(&[here]),
            "Does anything listen at AWS_ENDPOINT_URL = http://127.0.0.1:4566? Start it, or unset that to reach AWS itself."
        );
        let table = ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000");
        let only = asks(&[table]);
        assert!(
            only.starts_with("Does anything listen at AWS_ENDPOINT_URL_DYNAMODB = http://127.0.0.1:8000?"),
            "{only}"
        );
        assert!(only.ends_with(region), "{only}");
        let both = asks(&[table, here]);
        assert!(both.contains("4566 or at AWS_ENDPOINT_URL_DYNAMODB = ") && !both.contains(region), "{both}");
    }
}
