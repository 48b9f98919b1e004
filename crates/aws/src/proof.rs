//! Proofs of who somebody is, and whose they are: requests to GetCallerIdentity that are signed by one and sent by another
//! (`crossfade_core::proof` says what such a request is, and is not).
//!
//! What it must never do: send a request that is anything else, or send it anywhere but to STS of the region.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use aws_types::SdkConfig;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crossfade_core::proof::{self, GOOD_SECONDS, HEADER};
use crossfade_core::{Kind, Result, text};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::call::{Ask, CallErrorKind, Client, Protocol, Service, host_of, percent_encoded};
use crate::caller::identity;
use crate::refusal::called;

/// STS, for requests that somebody else has signed.
const STS: Service = Service { id: "STS", name: "sts", protocol: Protocol::Presigned };

/// What a proof comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proven {
    /// AWS knows whoever made it by this ARN.
    As(String),
    /// Nothing, and why.
    Nothing(String),
}

/// What a proof of whoever answers a question is bound to: the deployment's execution, and the token of this one asking.
pub fn of_answer(execution: &str, task_token: &str) -> String {
    bound("answer", &[execution, task_token])
}

/// What a proof of whoever starts an execution is bound to.
fn of_start(execution: &str) -> String {
    bound("start", &[execution])
}

fn bound(what: &str, to: &[&str]) -> String {
    format!("{what}-{}", URL_SAFE_NO_PAD.encode(Sha256::digest(to.join("\n").as_bytes())))
}

/// Makes proofs, and looks whose they are.
#[derive(Clone, Debug)]
pub struct Proofs {
    config: SdkConfig,
}

impl Proofs {
    /// Those of the credentials of this configuration, in its region.
    pub fn new(config: &SdkConfig) -> Self {
        Self { config: config.clone() }
    }

    /// A proof of who makes it, bound to a question.
    ///
    /// # Errors
    /// When there are no credentials, or no region.
    pub async fn make(&self, question: &str, now_millis: u64) -> Result<String> {
        let cannot = |why: String| Kind::RequestRefused.because(format!("Nobody can prove who they are here: {why}."));
        let (host, region) = self.place().map_err(cannot)?;
        let credentials = match self.config.credentials_provider() {
            Some(provider) => provider.provide_credentials().await.map_err(|error| cannot(error.to_string()))?,
            None => return Err(cannot("there are no credentials".into())),
        };
        let request = proof::request(&host);
        presigned(&request, &credentials.into(), &region, question, now_millis).map_err(cannot)
    }

    /// Whose a proof is that is bound to this question.
    ///
    /// # Errors
    /// When AWS cannot say so now.
    pub async fn whose(&self, proof: &str, question: &str, now_millis: u64) -> Result<Proven> {
        let (host, region) = self.place().map_err(|why| Kind::RequestRefused.because(why))?;
        let query = match proof::query(proof, &host, &region, now_millis) {
            Ok(query) => query,
            Err(why) => return Ok(Proven::Nothing(why)),
        };
        // The question is what is asked, never what the proof says: one that is bound to another is refused there.
        let ask = Ask::rest("GetCallerIdentity", "GET", format!("/?{query}"), None).with(HEADER, question);
        let client = Client::new(&STS, &self.config);
        let ask = if client.is_redirected() { ask.with("host", host) } else { ask };
        match client.call(ask).await.and_then(|answer| answer.read(identity)) {
            Ok(caller) => Ok(Proven::As(caller.arn)),
            Err(error) if error.kind() == CallErrorKind::Refused => {
                let code = error.code().unwrap_or("no reason");
                let why = text::one_line(error.message(), text::WHO);
                Ok(Proven::Nothing(format!("AWS does not take its proof for this question ({code}: {why})")))
            }
            Err(error) => Err(called("sts:GetCallerIdentity", "a proof", &error)),
        }
    }

    /// What an execution is started with: the document, and who starts it.
    ///
    /// # Errors
    /// Those of making a proof, where the document says whose answers count; otherwise nobody is kept from starting it by that.
    pub async fn started(&self, execution: &str, document: &Value, now_millis: u64) -> Result<Value> {
        let mut document = document.clone();
        let Some(fields) = document.as_object_mut() else { return Ok(document) };
        let matters = fields.contains_key(APPROVALS);
        let proof = match self.make(&of_start(execution), now_millis).await {
            Err(_) if !matters => return Ok(document),
            proof => proof?,
        };
        if let Some(approvals) = fields.entry(APPROVALS).or_insert_with(|| json!({})).as_object_mut() {
            approvals.insert(START_PROOF.into(), json!(proof));
        }
        Ok(document)
    }

    /// Who has started an execution, by the proof in its document.
    ///
    /// # Errors
    /// When AWS cannot say so now.
    pub async fn starter(&self, execution: &str, proof: &str, now_millis: u64) -> Result<Proven> {
        self.whose(proof, &of_start(execution), now_millis).await
    }

    /// The host of STS in the region, and the region.
    fn place(&self) -> std::result::Result<(String, String), String> {
        let region = self.config.region().map(|region| region.as_ref()).unwrap_or_default();
        Ok((host_of(&STS, region)?, region.to_owned()))
    }
}

/// Where a document has the proof of who starts it, in `approvals`.
const START_PROOF: &str = "startProof";
const APPROVALS: &str = "approvals";

/// A document as it was before somebody proved that they start it.
pub fn without_start_proof(mut document: Value) -> Value {
    let Some(fields) = document.as_object_mut() else { return document };
    if let Some(approvals) = fields.get_mut(APPROVALS).and_then(Value::as_object_mut)
        && approvals.remove(START_PROOF).is_some()
        && approvals.is_empty()
    {
        fields.remove(APPROVALS);
    }
    document
}

/// The request, signed in its query, with the question in a header that is signed, too.
fn presigned(
    request: &str,
    identity: &Identity,
    region: &str,
    question: &str,
    now_millis: u64,
) -> std::result::Result<String, String> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(GOOD_SECONDS));
    let time = UNIX_EPOCH + Duration::from_millis(now_millis);
    let parameters = SigningParams::builder().identity(identity).region(region).name(STS.name).time(time);
    let parameters = parameters.settings(settings).build().map_err(|error| error.to_string())?.into();
    let headers = [(HEADER, question)].into_iter();
    let signable = SignableRequest::new("GET", request, headers, SignableBody::empty());
    let signed = signable.and_then(|signable| sign(signable, &parameters)).map_err(|error| error.to_string())?;
    let mut proof = request.to_owned();
    for (name, value) in signed.output().params() {
        proof.push_str(&format!("&{name}={}", percent_encoded(value)));
    }
    Ok(proof)
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    #[test]
    fn a_proof_that_is_made_is_one() {
        let credentials = Credentials::new("AKIA/role", "secret", Some("to/ke+n=".into()), None, "test");
        let (host, now) = ("sts.eu-west-1.amazonaws.com", 1_767_607_200_000);
        let question = of_answer("arn:aws:states:eu-west-1:123456789012:execution:deploy:one", "token");
        let request = proof::request(host);
        let proof = presigned(&request, &credentials.into(), "eu-west-1", &question, now).expect("it is signed");
        let query = proof::query(&proof, host, "eu-west-1", now).expect("it is one");
        assert!(query.contains("X-Amz-Security-Token=to%2Fke%2Bn%3D"), "{query}");
        assert!(!proof.contains("secret") && !proof.contains(&question), "{proof}");
    }

    #[test]
    fn questions_are_told_apart_and_fit_into_a_header() {
        let one = of_answer("arn:…:execution:deploy:ä", "token");
        assert!(one.starts_with("answer-") && one.is_ascii() && one.len() < 60, "{one}");
        assert_ne!(one, of_answer("arn:…:execution:deploy:ä", "another token"));
        assert_ne!(one, of_answer("arn:…:execution:deploy:b", "token"));
        assert!(of_start("arn").starts_with("start-"));
    }

    #[test]
    fn a_document_is_the_same_whoever_starts_it() {
        let document = json!({ "service": "shop", "approvals": { "notByStarter": true } });
        let mut proven = document.clone();
        proven["approvals"][START_PROOF] = json!("https://…");
        assert_eq!(without_start_proof(proven), document);
        let open = json!({ "service": "shop" });
        assert_eq!(without_start_proof(json!({ "service": "shop", "approvals": { START_PROOF: "https://…" } })), open);
        assert_eq!(without_start_proof(open.clone()), open);
        assert_eq!(without_start_proof(json!("s3://x")), json!("s3://x"));
    }
}
