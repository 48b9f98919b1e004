//! What provisioners have made: CloudFormation's outputs, parameters, the objects in which Terraform publishes, and zones by their names.
//!
//! It must never keep or log what it fetches beyond the values that a document asks for.

mod image;
mod listener;
mod object;
mod parameter;
mod stack;
mod zone;

use std::collections::BTreeSet;

use aws_types::SdkConfig;
use crossfade_core::document::parse;
use crossfade_core::document::references::{Answers, Draft, Found, Missing, Source, give_image_tags, wants_image_tags};
use crossfade_core::document::{Document, Routing};
use crossfade_core::{Class, Failure, Kind, Result};
use serde_json::{Value, json};

use crate::call::{CallError, Client, Protocol, Service};
use crate::ec2::Ec2;
use crate::refusal::called;
use crate::switches::dns::ROUTE_53;

const CLOUDFORMATION: Service = Service { id: "CloudFormation", name: "cloudformation", protocol: Protocol::Query };
pub(crate) const SSM: Service = Service { id: "SSM", name: "ssm", protocol: Protocol::Json };
const ELB: Service =
    Service { id: "Elastic Load Balancing v2", name: "elasticloadbalancing", protocol: Protocol::Query };
pub(crate) const S3: Service = Service { id: "S3", name: "s3", protocol: Protocol::S3 };

/// The provisioners' outputs in the account.
#[derive(Clone, Debug)]
pub struct Outputs {
    cloudformation: Client,
    ssm: Client,
    s3: Client,
    elb: Client,
    ec2: Ec2,
    route_53: Client,
}

impl Outputs {
    /// The outputs that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            cloudformation: Client::new(&CLOUDFORMATION, config),
            ssm: Client::new(&SSM, config),
            s3: Client::new(&S3, config),
            elb: Client::new(&ELB, config),
            ec2: Ec2::new(config),
            route_53: Client::new(&ROUTE_53, config),
        }
    }

    /// A document with its variables and references filled in, and a line about each of them. Every source is read once,
    /// however many fields need it. A default rule by its own ARN is its listener's default action, which AWS lets nobody change
    /// by that ARN (P43).
    ///
    /// # Errors
    /// `InvalidDocument` with every problem that the document has; `PreflightFailed` with every value that cannot be had;
    /// anything that passes, such as a throttle, at once.
    pub async fn resolve(&self, document: &Value) -> Result<(Document, Vec<String>)> {
        let mut draft = Draft::read(document).map_err(Failure::from)?;
        let mut answers = Answers::new();
        self.fetch(draft.sources(), &mut answers).await?;
        if let Some(image) = draft.image(&answers).filter(|_| wants_image_tags(document)) {
            let mut document = document.clone();
            let tags = image::tags(&self.ec2, &image).await?;
            give_image_tags(&mut document, &image, &tags).map_err(Failure::from)?;
            draft = Draft::read(&document).map_err(Failure::from)?;
            self.fetch(draft.sources(), &mut answers).await?;
        }
        let (mut document, mut lines) = draft.resolve(&answers)?;
        if let Routing::Dns(names) = &mut document.routing {
            lines.extend(zone::give(&self.route_53, names).await?);
        }
        let turned = listener::instead_of_default_rules(&self.elb, &mut document.routing).await?;
        if !turned.is_empty() {
            lines.extend(turned);
            // One listener may stand there twice by now.
            document = parse(&json!(document)).map_err(Failure::from)?;
        }
        Ok((document, lines))
    }

    /// Fetches what is not there yet.
    async fn fetch(&self, sources: BTreeSet<Source>, answers: &mut Answers) -> Result<()> {
        for source in sources {
            if answers.contains_key(&source) {
                continue;
            }
            let answer = match &source {
                Source::Stack(name) => stack::outputs(&self.cloudformation, name).await,
                Source::Parameter(name) => parameter::text(&self.ssm, name).await,
                Source::Object { bucket, key } => object::text(&self.s3, bucket, key).await,
                Source::Image(images) => image::newest(&self.ec2, images).await,
                Source::Listener(at) => listener::at(&self.elb, at).await,
            };
            let answer = match answer {
                Ok(found) => Ok(found),
                Err(Unavailable::Missing(missing)) => Err(missing),
                Err(Unavailable::Passing(failure)) => return Err(failure),
            };
            answers.insert(source, answer);
        }
        Ok(())
    }
}

/// Why a source could not be read.
enum Unavailable {
    /// It cannot be had.
    Missing(Missing),
    /// It may be had in a moment.
    Passing(Failure),
}

/// The text of an object that holds a whole document.
///
/// # Errors
/// `PreflightFailed` when it cannot be had; anything that passes, such as a throttle, as it is.
pub(crate) async fn object_text(s3: &Client, bucket: &str, key: &str) -> Result<String> {
    match object::text(s3, bucket, key).await {
        Ok(Found::Text { text, .. }) => Ok(text),
        Ok(Found::Outputs(_)) => Ok(String::new()),
        Err(Unavailable::Passing(failure)) => Err(failure),
        Err(Unavailable::Missing(Missing { problem, fix })) => {
            Err(Kind::PreflightFailed.because(format!("The deployment document cannot be read: {problem}. {fix}")))
        }
    }
}

type Fetched = std::result::Result<Found, Unavailable>;

/// There is no value, for this reason.
fn missing(problem: impl Into<String>, fix: impl Into<String>) -> Unavailable {
    Unavailable::Missing(Missing::new(problem, fix))
}

/// What an error means that is no answer about the source. `call` is the action by its IAM name, `setting` the parameter of
/// the installed stack that allows it.
fn unavailable(call: &str, setting: &str, on: &str, error: &CallError) -> Unavailable {
    let failure = called(call, on, error);
    if failure.kind.class() == Class::Transient {
        return Unavailable::Passing(failure);
    }
    let problem = match error.code() {
        Some(code) => format!("{call} on {on} was refused with {code}: {}", error.message().trim_end_matches('.')),
        None => failure.message.trim_end_matches('.').to_owned(),
    };
    if failure.kind == Kind::AccessDenied {
        let fix = format!("Allow {call} on it: name its ARN in the parameter {setting} of crossfade's stack.");
        return missing(problem, fix);
    }
    missing(problem, "Correct the reference, or what it refers to.")
}
