//! Where the calls go: the region and the account, for words about ARNs that name another one.
//!
//! It must never be needed for anything else: AWS is asked only once something was not found.

use std::time::Duration;

use aws_types::SdkConfig;
use crossfade_core::{Failure, Kind};

use crate::caller::Caller;

/// How long AWS may take to say whose account this is: without it the message says less.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the calls of a configuration go.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    config: SdkConfig,
}

impl Here {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { config: config.clone() }
    }

    /// What to say of the first of these that is of another region or account by its own ARN.
    pub(crate) async fn elsewhere(&self, what: &str, arns: &[String]) -> Option<Failure> {
        let caller = tokio::time::timeout(PATIENCE, Caller::ask(&self.config)).await;
        let account = caller.ok().and_then(Result::ok).map(|caller| caller.account);
        let region = self.config.region().map(AsRef::as_ref);
        let found = arns.iter().find_map(|arn| Some((arn, differs(arn, region, account.as_deref())?)));
        found.map(|(arn, differs)| Kind::PreflightFailed.because(format!("The {what} {arn} {differs}")))
    }
}

/// In what an ARN differs from where the calls go, and what to do; what is the same is not said.
fn differs(arn: &str, region: Option<&str>, account: Option<&str>) -> Option<String> {
    let mut parts = arn.split(':').skip(3).map(|part| Some(part).filter(|part| !part.is_empty()));
    let mut other = |here: Option<&str>| {
        let there = parts.next().flatten().map(str::to_owned);
        there.zip(here.map(str::to_owned)).filter(|(there, here)| there != here)
    };
    let (region, account) = (other(region), other(account));
    let (is, there, here, how) = match (region, account) {
        (None, None) => return None,
        (Some((there, here)), None) => {
            let how = format!("`--region {there}`");
            ("is in", there, here, how)
        }
        (None, Some((there, here))) => {
            let how = "`--profile` with credentials of it".to_owned();
            ("belongs to", format!("account {there}"), format!("account {here}"), how)
        }
        (Some((region, its)), Some((there, here))) => {
            let how = format!("`--profile` with credentials of it, `--region {region}`");
            ("is in", format!("{region} of account {there}"), format!("{its} of account {here}"), how)
        }
    };
    Some(format!(
        "{is} {there}, and this is {here}. Name one of {here}, or deploy with the crossfade of {there} ({how})."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_or_the_same_is_not_said_to_differ() {
        let arn = "arn:aws:elasticloadbalancing:us-east-1:210987654321:listener/app/shop/50dc/f2f7";
        assert_eq!(differs(arn, Some("us-east-1"), Some("210987654321")), None);
        assert_eq!(differs(arn, Some("us-east-1"), None), None);
        assert_eq!(differs(arn, None, None), None);
        let of_region = differs(arn, Some("eu-west-1"), None).unwrap_or_default();
        assert!(of_region.starts_with("is in us-east-1, and this is eu-west-1. ") && !of_region.contains("account"));
        for odd in ["", "shop", "arn:aws:s3:::shop", ":::::"] {
            assert_eq!(differs(odd, Some("eu-west-1"), Some("123456789012")), None, "{odd}");
        }
    }
}
