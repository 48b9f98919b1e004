//! STS (AWS Query): who the caller is. A user with the name of the key id that signed, or of the function that calls; a session where that
//! is `ROLE/SESSION`. Of a request that is signed in its query it is whoever has signed, and not whoever sends it.

use super::query::{Xml, answer, only, parse};
use crate::connector::ACCOUNT;
use crate::world::Refusal;
use crate::{Request, Response, presigned};

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Answers one request.
pub fn handle(request: &Request, now_millis: u64) -> Response {
    let outcome = match request.operation.as_str() {
        "GetCallerIdentity" => identity(request, now_millis),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    };
    answer(request, NAMESPACE, outcome)
}

fn identity(request: &Request, now_millis: u64) -> Result<Xml, Refusal> {
    let signer = presigned::signer(request, now_millis)?;
    if signer.is_none() {
        only(&parse(&request.form), &[])?;
    }
    let who = signer.as_deref().or(request.caller.as_deref()).unwrap_or("simulated");
    let arn = match who.contains('/') {
        true => format!("arn:aws:sts::{ACCOUNT}:assumed-role/{who}"),
        false => format!("arn:aws:iam::{ACCOUNT}:user/{who}"),
    };
    let mut xml = Xml::new();
    xml.leaf("Arn", arn).leaf("UserId", who).leaf("Account", ACCOUNT);
    Ok(xml)
}
