//! Who makes the calls, and in which account: what people are told before anything happens in their name.

use aws_types::SdkConfig;

use crate::call::{CallError, Client, Element, Parameters, Protocol, Service};

const STS: Service = Service { id: "STS", name: "sts", protocol: Protocol::Query };
/// The version of STS's API (its service model).
const VERSION: &str = "2011-06-15";

/// Whoever the credentials belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The number of the account.
    pub account: String,
    /// The user, role session or account, as IAM names it.
    pub arn: String,
}

impl Caller {
    /// Asks AWS. It needs no permission, and only credentials that are good.
    ///
    /// # Errors
    /// What AWS says, in words.
    pub async fn ask(config: &SdkConfig) -> Result<Self, String> {
        let ask = Parameters::default().ask("GetCallerIdentity", VERSION);
        let answer = Client::new(&STS, config).call(ask).await;
        answer.and_then(|answer| answer.read(identity)).map_err(|error| match error.code() {
            Some(code) => format!("{code}: {}", error.message()),
            None => error.message().to_owned(),
        })
    }

    /// The part of the ARN that tells people apart, such as `assumed-role/Deployer/alice`.
    pub fn name(&self) -> &str {
        self.arn.splitn(6, ':').nth(5).unwrap_or(&self.arn)
    }
}

pub(crate) fn identity(answer: Element<'_>) -> Result<Caller, CallError> {
    let result = answer.required_child("GetCallerIdentityResult")?;
    Ok(Caller { account: result.required("Account")?, arn: result.required("Arn")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_apart_by_what_comes_after_the_account() {
        let caller = |arn: &str| Caller { account: "123456789012".into(), arn: arn.into() };
        let role = caller("arn:aws:sts::123456789012:assumed-role/Deployer/alice:b");
        assert_eq!(role.name(), "assumed-role/Deployer/alice:b");
        assert_eq!(caller("arn:aws:iam::123456789012:root").name(), "root");
        assert_eq!(caller("odd").name(), "odd");
    }
}
