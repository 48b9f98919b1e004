//! References: what stands in a field instead of a value that a provisioner knows.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::terraform;
use crate::document::read::{names, suggestion};
use crate::trigger::Images;

/// Where the value of a field comes from, read once, when the deployment starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Reference {
    /// An output of a CloudFormation stack in this account and region.
    FromCloudFormation(StackOutput),
    /// A parameter in Parameter Store. A SecureString is refused: what a document says is not secret.
    FromParameter(
        #[schemars(regex(pattern = PARAMETER), extend("x-expected" = PARAMETER_EXPECTED), example = &"/shop/ami")]
        String,
    ),
    /// The whole text of an object in S3, such as a task definition: `s3://BUCKET/KEY` in this region.
    FromObject(
        #[schemars(regex(pattern = OBJECT), extend("x-expected" = OBJECT_EXPECTED), example = &"s3://shop-templates/task-definition.json")]
        String,
    ),
    /// The newest available machine image with this name and these tags, as triggers choose images.
    FromImage(Images),
    /// The ARN of a listener, by its load balancer and port.
    FromListener(ListenerAt),
    /// An output of Terraform, from what `terraform output -json` prints or from the state. A sensitive one is refused.
    FromTerraform(TerraformOutput),
}

/// A listener of a load balancer, by its port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerAt {
    /// The name or the ARN of the load balancer.
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9-]{1,32}|arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:loadbalancer/(app|net)/[A-Za-z0-9-]{1,32}/[0-9a-f]+)$"),
        extend("x-expected" = "the name or the ARN of an Application or Network Load Balancer"),
        example = &"shop"
    )]
    pub load_balancer: String,
    /// The port at which it listens.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// An output of a CloudFormation stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StackOutput {
    /// The name or the ARN of the stack.
    #[schemars(
        regex(pattern = r"^([A-Za-z][A-Za-z0-9-]{0,127}|arn:aws[a-z-]*:cloudformation:[a-z0-9-]+:[0-9]{12}:stack/[A-Za-z][A-Za-z0-9-]{0,127}/[0-9a-f-]+)$"),
        extend("x-expected" = "the name or the ARN of a CloudFormation stack"),
        example = &"shop-base"
    )]
    pub stack: String,
    /// The key of the output.
    #[schemars(
        regex(pattern = r"^[A-Za-z0-9]{1,255}$"),
        extend("x-expected" = "the key of an output, letters and digits"),
        example = &"RuleArn"
    )]
    pub output: String,
}

/// An output of Terraform, and where it is published: in a parameter or in an object, one of the two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TerraformOutput {
    /// The name of the output.
    #[schemars(
        regex(pattern = r"^[A-Za-z_][A-Za-z0-9_-]{0,255}$"),
        extend("x-expected" = "the name of a Terraform output"),
        example = &"rule_arn"
    )]
    pub output: String,
    /// The parameter in Parameter Store that holds the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = PARAMETER), extend("x-expected" = PARAMETER_EXPECTED), example = &"/shop/terraform")]
    pub parameter: Option<String>,
    /// The object in S3 that holds the outputs or the state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = OBJECT),
        extend("x-expected" = OBJECT_EXPECTED),
        example = &"s3://shop-terraform/production.tfstate"
    )]
    pub object: Option<String>,
}

const PARAMETER: &str = r"^[A-Za-z0-9_./:-]{1,2048}$";
const PARAMETER_EXPECTED: &str = "the name of a parameter in Parameter Store";
const OBJECT: &str = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.{1,1024}$";
const OBJECT_EXPECTED: &str = "the URL of an S3 object, `s3://BUCKET/KEY`";

/// What is fetched for references, once however many fields need it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The outputs of this CloudFormation stack, by name or ARN.
    Stack(String),
    /// The text of this parameter.
    Parameter(String),
    /// The text of this object.
    Object {
        /// Its bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
    /// The newest of these images.
    Image(Images),
    /// The ARN of this listener.
    Listener(ListenerAt),
}

/// What a source held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The outputs of a stack.
    Outputs(BTreeMap<String, String>),
    /// A text.
    Text {
        /// As it stands there.
        text: String,
        /// Which of the texts that stood there it is, in words, if its keeper says so.
        version: Option<String>,
    },
}

impl Found {
    /// A text of which nobody says which it is.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), version: None }
    }

    /// Which of the texts that stood there it is, in words.
    pub(super) fn version(&self) -> Option<&str> {
        match self {
            Self::Outputs(_) => None,
            Self::Text { version, .. } => version.as_deref(),
        }
    }
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl Missing {
    /// This problem with that fix.
    pub fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }
}

/// What came of fetching each source.
pub type Answers = BTreeMap<Source, Result<Found, Missing>>;

impl Reference {
    /// What has to be fetched; nothing for a Terraform output that does not say in exactly one way where it is.
    pub(super) fn source(&self) -> Option<Source> {
        match self {
            Self::FromCloudFormation(output) => Some(Source::Stack(output.stack.clone())),
            Self::FromParameter(name) => Some(Source::Parameter(name.clone())),
            Self::FromObject(url) => object(url),
            // All images of an account are none that somebody means.
            Self::FromImage(images) if images.name.is_none() && images.tags.is_empty() => None,
            Self::FromImage(images) => Some(Source::Image(images.clone())),
            Self::FromListener(listener) => Some(Source::Listener(listener.clone())),
            Self::FromTerraform(output) => match (&output.parameter, &output.object) {
                (Some(name), None) => Some(Source::Parameter(name.clone())),
                (None, Some(url)) => object(url),
                _ => None,
            },
        }
    }

    /// The value in what was fetched.
    pub(super) fn pick(&self, found: &Found) -> Result<Value, Missing> {
        match (self, found) {
            (Self::FromCloudFormation(wanted), Found::Outputs(outputs)) => match outputs.get(&wanted.output) {
                Some(value) => Ok(Value::String(value.clone())),
                None => Err(no_output(&wanted.output, outputs.keys().map(String::as_str))),
            },
            (
                Self::FromParameter(_) | Self::FromObject(_) | Self::FromImage(_) | Self::FromListener(_),
                Found::Text { text, .. },
            ) => Ok(Value::String(text.clone())),
            (Self::FromTerraform(wanted), Found::Text { text, .. }) => terraform::output(text, &wanted.output),
            _ => Err(Missing::new("its source holds something else", "Report this as a bug.")),
        }
    }
}

fn object(url: &str) -> Option<Source> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    Some(Source::Object { bucket: bucket.into(), key: key.into() })
}

/// The source has no output of that name, but these.
pub(super) fn no_output<'a>(wanted: &str, there: impl Iterator<Item = &'a str>) -> Missing {
    let there: Vec<&str> = there.collect();
    let fix = if there.is_empty() {
        "It has no outputs at all: add this one.".to_owned()
    } else {
        format!("Use one of its outputs: {}{}", names(&there), suggestion(wanted, &there))
    };
    Missing::new(format!("there is no output {wanted}"), fix)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromCloudFormation(output) => {
                write!(f, "CloudFormation output {} of {}", output.output, output.stack)
            }
            Self::FromParameter(name) => write!(f, "parameter {name}"),
            Self::FromObject(url) => write!(f, "object {url}"),
            Self::FromImage(images) => write!(f, "the newest image with {images}"),
            Self::FromListener(ListenerAt { load_balancer, port }) => {
                write!(f, "the listener at port {port} of the load balancer {load_balancer}")
            }
            Self::FromTerraform(TerraformOutput { output, parameter, object }) => {
                let place = object.iter().cloned().chain(parameter.iter().map(|name| format!("parameter {name}")));
                write!(f, "Terraform output {output} in {}", place.collect::<Vec<_>>().join(" and "))
            }
        }
    }
}
