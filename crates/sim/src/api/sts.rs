//! STS (AWS Query): who the caller is: a user with the name of the key id that signed, or of the function that calls.

use super::query::{Xml, answer, only, parse};
use crate::connector::ACCOUNT;
use crate::world::Refusal;
use crate::{Request, Response};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers one request.
pub fn handle(request: &Request) -> Response {
    let outcome = match request.operation.as_str() {
        "GetCallerIdentity" => identity(request),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    };
    answer(request, NAMESPACE, outcome)
}

fn identity(request: &Request) -> Result<Xml, Refusal> {
    only(&parse(&request.form), &[])?;
    let user = request.caller.as_deref().unwrap_or("simulated");
    let mut xml = Xml::new();
    xml.leaf("Arn", format!("arn:aws:iam::{ACCOUNT}:user/{user}")).leaf("UserId", user).leaf("Account", ACCOUNT);
    Ok(xml)
}
