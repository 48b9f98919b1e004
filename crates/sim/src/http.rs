//! Requests and responses as the simulated services see them, however they came in.

use std::collections::BTreeMap;

use bytes::Bytes;

/// The services that the simulation knows, by their signing names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// EC2 Auto Scaling (AWS Query).
    AutoScaling,
    /// EC2 (EC2 Query).
    Ec2,
    /// Elastic Load Balancing v2 (AWS Query).
    ElasticLoadBalancing,
    /// CloudWatch (RPC v2 CBOR, AWS JSON 1.0 or AWS Query, as the client likes).
    CloudWatch,
    /// DynamoDB (AWS JSON 1.0).
    DynamoDb,
    /// Step Functions (AWS JSON 1.0).
    StepFunctions,
    /// SNS (AWS Query).
    Sns,
    /// CloudFormation (AWS Query).
    CloudFormation,
    /// Systems Manager's Parameter Store (AWS JSON 1.1).
    Ssm,
    /// S3 (REST).
    S3,
    /// STS (AWS Query).
    Sts,
    /// ECS (AWS JSON 1.1).
    Ecs,
    /// Application Auto Scaling (AWS JSON 1.1).
    ApplicationAutoScaling,
    /// Secrets Manager (AWS JSON 1.1).
    SecretsManager,
    /// EventBridge (AWS JSON 1.1).
    EventBridge,
    /// CloudWatch Logs (AWS JSON 1.1).
    Logs,
    /// Lambda (REST and JSON).
    Lambda,
    /// Route 53 (REST and XML).
    Route53,
    /// Cloud Map (AWS JSON 1.1).
    CloudMap,
    /// Spot by Flexera, which is none of AWS's (REST with a bearer token).
    Spot,
}

/// The services by their signing names: the fourth part of a SigV4 credential scope.
const SIGNING_NAMES: [(Service, &str); 20] = [
    (Service::AutoScaling, "autoscaling"),
    (Service::Ec2, "ec2"),
    (Service::ElasticLoadBalancing, "elasticloadbalancing"),
    (Service::CloudWatch, "monitoring"),
    (Service::DynamoDb, "dynamodb"),
    (Service::StepFunctions, "states"),
    (Service::Sns, "sns"),
    (Service::CloudFormation, "cloudformation"),
    (Service::Ssm, "ssm"),
    (Service::S3, "s3"),
    (Service::Sts, "sts"),
    (Service::Ecs, "ecs"),
    (Service::ApplicationAutoScaling, "application-autoscaling"),
    (Service::SecretsManager, "secretsmanager"),
    (Service::EventBridge, "events"),
    (Service::Logs, "logs"),
    (Service::Lambda, "lambda"),
    (Service::Route53, "route53"),
    (Service::CloudMap, "servicediscovery"),
    // Nobody signs for it: its requests bear a token.
    (Service::Spot, "spot"),
];

impl Service {
    /// The service whose signing name this is.
    pub fn from_signing_name(name: &str) -> Option<Self> {
        SIGNING_NAMES.iter().find(|(_, known)| *known == name).map(|(service, _)| *service)
    }

    /// The name that requests are signed for.
    pub fn signing_name(self) -> &'static str {
        SIGNING_NAMES.iter().find(|(service, _)| *service == self).map_or("", |(_, name)| name)
    }

    /// What stands before the colon of its actions in IAM.
    pub fn iam_prefix(self) -> &'static str {
        match self {
            Service::CloudWatch => "cloudwatch",
            other => other.signing_name(),
        }
    }
}

/// How a request was written, and how its answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Form fields in, XML out.
    Query,
    /// AWS JSON 1.0 or 1.1.
    Json,
    /// Smithy RPC v2 with CBOR.
    Cbor,
    /// Method, path and headers in; what the operation answers out, errors in XML.
    Rest,
    /// The same, with errors in JSON and their names in a header.
    RestJson,
}

/// One API request, decoded as far as every protocol allows.
#[derive(Clone, Debug)]
pub struct Request {
    /// The service it was signed for.
    pub service: Service,
    /// How it was written.
    pub protocol: Protocol,
    /// What it says of the interface that it means: the `Version` of a form, the part before the operation of `X-Amz-Target` or of
    /// RPC v2's path.
    pub interface: Option<String>,
    /// The operation's name, such as `DescribeTargetHealth`.
    pub operation: String,
    /// Query protocols: the form fields without `Action` and `Version`, flat as they came
    /// (`Tags.member.1.Key`). REST: the parameters, wherever they stood. Empty for the others.
    pub form: BTreeMap<String, String>,
    /// JSON and CBOR: the body; of Route 53 what a document in XML says; of what is signed in its query, what the signature is over. `Null`
    /// for other Query protocols.
    pub json: serde_json::Value,
    /// Who made the call: the tag of [`Sim::sdk_config_for`](crate::Sim::sdk_config_for), or the access key id that
    /// signed a request to the loopback server.
    pub caller: Option<String>,
}

impl Request {
    /// A request of a Query protocol, without a caller.
    pub fn query<'a>(service: Service, operation: &str, form: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let form = form.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let (protocol, operation) = (Protocol::Query, operation.to_owned());
        Self { service, protocol, interface: None, operation, form, json: serde_json::Value::Null, caller: None }
    }

    /// A request of a JSON protocol, without a caller.
    pub fn json(service: Service, operation: &str, json: serde_json::Value) -> Self {
        let (protocol, operation) = (Protocol::Json, operation.to_owned());
        Self { service, protocol, interface: None, operation, form: BTreeMap::new(), json, caller: None }
    }
}

/// One API response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The `Content-Type` header.
    pub content_type: &'static str,
    /// The other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// An XML answer (Query protocols).
    pub fn xml(status: u16, body: String) -> Self {
        Self { status, content_type: "text/xml", headers: Vec::new(), body: body.into() }
    }

    /// A JSON answer (AWS JSON 1.0).
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, content_type: "application/x-amz-json-1.0", headers: Vec::new(), body: body.to_string().into() }
    }

    /// A CBOR answer (RPC v2 CBOR).
    pub fn cbor(status: u16, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/cbor", headers: Vec::new(), body: body.into() }
    }

    /// An error in the shape of the request's protocol.
    pub fn refuse(request: &Request, status: u16, code: &str, message: &str) -> Self {
        let body = || serde_json::json!({ "__type": code, "message": message });
        if request.service == Service::Spot {
            return crate::api::spot::refuse(status, code, message);
        }
        match request.protocol {
            Protocol::Cbor => Self::cbor(status, crate::cbor::encode(&body(), |_| false)),
            Protocol::Json => match request.service {
                Service::Ecs
                | Service::ApplicationAutoScaling
                | Service::Ssm
                | Service::EventBridge
                | Service::Logs
                | Service::SecretsManager => {
                    Self { content_type: "application/x-amz-json-1.1", ..Self::json(status, &body()) }
                }
                _ => Self::json(status, &body()),
            },
            Protocol::RestJson => crate::api::lambda::refuse(status, code, message),
            Protocol::Query | Protocol::Rest => Self::error(request.service, status, code, message),
        }
    }

    /// An error in the shape of the service's usual protocol: Query XML, EC2's or S3's own XML, or JSON with `__type`.
    pub fn error(service: Service, status: u16, code: &str, message: &str) -> Self {
        let escape = |s: &str| s.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (code_xml, message_xml) = (escape(code), escape(message));
        match service {
            Service::Spot => crate::api::spot::refuse(status, code, message),
            Service::Lambda => crate::api::lambda::refuse(status, code, message),
            Service::DynamoDb
            | Service::StepFunctions
            | Service::Ssm
            | Service::Ecs
            | Service::SecretsManager
            | Service::EventBridge
            | Service::Logs
            | Service::CloudMap
            | Service::ApplicationAutoScaling => {
                Self::json(status, &serde_json::json!({ "__type": code, "message": message }))
            }
            Service::Ec2 => Self::xml(
                status,
                format!(
                    "<Response><Errors><Error><Code>{code_xml}</Code><Message>{message_xml}</Message></Error></Errors>\
                     <RequestID>sim</RequestID></Response>"
                ),
            ),
            Service::S3 => Self::xml(
                status,
                format!(
                    "<Error><Code>{code_xml}</Code><Message>{message_xml}</Message><RequestId>sim</RequestId></Error>"
                ),
            ),
            _ => {
                let fault = if status >= 500 { "Receiver" } else { "Sender" };
                Self::xml(
                    status,
                    format!(
                        "<ErrorResponse><Error><Type>{fault}</Type><Code>{code_xml}</Code>\
                         <Message>{message_xml}</Message></Error><RequestId>sim</RequestId></ErrorResponse>"
                    ),
                )
            }
        }
    }
}
