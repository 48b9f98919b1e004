//! What starts deployments by events: the stored triggers, and what their events are about.
//!
//! What it owns: reading them from Parameter Store and S3, and looking up the images and values that events only name.
//!
//! What it must never do: decide what starts, or change anything.

use std::collections::BTreeMap;

use aws_types::SdkConfig;
use crossfade_core::trigger::Image;
use crossfade_core::{Failure, Kind, Result};
use serde_json::{Value, json};

use crate::call::{Ask, CallError, Client};
use crate::ec2::{self, Ec2};
use crate::outputs::{S3, SSM, object_text};
use crate::refusal::called;

/// The tag that Image Builder gives to the images that it makes (its user guide): the ARN of the build.
const BUILD: &str = "Ec2ImageBuilderArn";
/// How many pages of ten triggers are followed: a function has a minute.
const PAGES: usize = 100;

/// A value of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The value.
    pub value: String,
    /// Its version.
    pub version: u64,
    /// When it was set, in seconds since 1970.
    pub modified_seconds: u64,
}

/// The triggers of the account.
#[derive(Clone, Debug)]
pub struct Triggers {
    ssm: Client,
    s3: Client,
    ec2: Ec2,
}

impl Triggers {
    /// The triggers that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self { ssm: Client::new(&SSM, config), s3: Client::new(&S3, config), ec2: Ec2::new(config) }
    }

    /// The texts of the parameters right below this path, by the last part of their names, and whether that is all of them.
    ///
    /// # Errors
    /// Those of Parameter Store.
    pub async fn below(&self, path: &str) -> Result<(BTreeMap<String, String>, bool)> {
        let failed = |error: CallError| called("ssm:GetParametersByPath", path, &error);
        let mut found = BTreeMap::new();
        let mut token = Value::Null;
        for _ in 0..PAGES {
            let mut body = json!({ "Path": path, "WithDecryption": false });
            if !token.is_null() {
                body["NextToken"] = token;
            }
            let ask = Ask::json("GetParametersByPath", "AmazonSSM.GetParametersByPath", &body);
            let answer = self.ssm.call(ask).await.and_then(|answer| answer.json()).map_err(failed)?;
            for parameter in answer["Parameters"].as_array().into_iter().flatten() {
                let text = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
                let name = text("Name").rsplit('/').next().unwrap_or_default();
                found.insert(name.to_owned(), text("Value").to_owned());
            }
            token = answer["NextToken"].clone();
            if token.as_str().is_none_or(str::is_empty) {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// The document in this object.
    ///
    /// # Errors
    /// `PreflightFailed` when it cannot be had, with what to do.
    pub async fn document(&self, url: &str) -> Result<String> {
        let path = url.strip_prefix("s3://").and_then(|path| path.split_once('/'));
        let (bucket, key) =
            path.ok_or_else(|| Kind::PreflightFailed.because(format!("{url} is no URL of an object.")))?;
        object_text(&self.s3, bucket, key).await
    }

    /// The value that a parameter has now; nothing when it is gone.
    ///
    /// # Errors
    /// `PreflightFailed` when it cannot be had, with what to do; anything that passes as it is.
    pub async fn parameter(&self, name: &str) -> Result<Option<Parameter>> {
        let ask =
            Ask::json("GetParameter", "AmazonSSM.GetParameter", &json!({ "Name": name, "WithDecryption": false }));
        let answer = match self.ssm.call(ask).await.and_then(|answer| answer.json()) {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("ParameterNotFound") => return Ok(None),
            Err(error) => return Err(unread(called("ssm:GetParameter", name, &error))),
        };
        let parameter = &answer["Parameter"];
        if parameter["Type"] == "SecureString" {
            return Err(Kind::PreflightFailed.because(format!(
                "The parameter {name} is a SecureString, and what a document says is not secret. Give it the type String."
            )));
        }
        // Fractions of a second are not always there; whole ones are.
        let modified = parameter["LastModifiedDate"].as_f64().unwrap_or_default();
        Ok(Some(Parameter {
            value: parameter["Value"].as_str().unwrap_or_default().trim().to_owned(),
            version: parameter["Version"].as_u64().unwrap_or_default(),
            modified_seconds: modified as u64,
        }))
    }

    /// An image.
    ///
    /// # Errors
    /// `ServiceUnavailable` while EC2 does not know it: the event may be faster than EC2 is consistent.
    pub async fn image(&self, ami: &str) -> Result<Image> {
        match self.ec2.image(ami).await {
            Ok(image) => Ok(known(image)),
            Err(error) if error.is_not_found() => {
                Err(Kind::ServiceUnavailable.because(format!("EC2 does not know the new image {ami} yet, or no more.")))
            }
            Err(error) => Err(called("ec2:DescribeImages", ami, &error)),
        }
    }

    /// The images that a build of Image Builder has made in this region; none, when it made a container image.
    pub async fn built(&self, build: &str) -> Result<Vec<Image>> {
        let found = self.ec2.images_tagged(BUILD, build).await;
        let found = found.map_err(|error| called("ec2:DescribeImages", build, &error))?;
        Ok(found.into_iter().map(known).collect())
    }
}

/// What may be read, whoever installed the stack has said; it is no fault of the function's role.
fn unread(failure: Failure) -> Failure {
    if failure.kind != Kind::AccessDenied {
        return failure;
    }
    Kind::PreflightFailed
        .because(format!("{failure} Name its ARN in the parameter ReadableParameterArns of crossfade's stack."))
}

fn known(image: ec2::Image) -> Image {
    let ec2::Image { id, name, owner, tags, .. } = image;
    Image { id, name: name.unwrap_or_default(), owner, tags }
}
