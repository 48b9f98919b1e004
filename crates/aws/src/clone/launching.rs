//! What instances are started from: launch templates and configurations, images, instance types; and of which image those are that
//! run.

use std::collections::BTreeSet;

use crossfade_core::Result;
use crossfade_core::document::Artifact;
use serde_json::{Value, json};

use super::asking::{Of, borrowed, numbered};
use super::spelling::{list, only, text};
use super::{Cloning, LaunchTemplate};

/// The most values of a filter (EC2 API reference).
const FILTER_VALUES: usize = 200;
/// The most launch configurations that one call names (Auto Scaling API reference).
const CONFIGURATIONS: usize = 50;
/// What stands for user data, which often holds secrets: a comment of a shell script, in base64.
const LEFT_OUT: &str = "IyBsZWZ0IG91dAo=";
/// What of an image and of an instance matters to a deployment.
const OF_IMAGES: &[&str] = &[
    "ImageId",
    "Name",
    "State",
    "Architecture",
    "RootDeviceName",
    "BlockDeviceMappings",
    "OwnerId",
    "CreationDate",
    "Tags",
];
const OF_INSTANCES: &[&str] = &["InstanceId", "ImageId", "SubnetId"];

impl Cloning<'_> {
    /// Everything that the groups start instances from, or have.
    pub(super) async fn launch_sources(&mut self) -> Result<()> {
        self.instances().await?;
        self.templates().await?;
        self.configurations().await?;
        self.image_parameters().await?;
        self.images().await?;
        self.instance_types().await
    }

    /// Images and subnets of the instances: no secrets are among what is kept of them.
    async fn instances(&mut self) -> Result<()> {
        let ids: Vec<String> = self.members().map(|it| text(it, "InstanceId").to_owned()).collect();
        for ids in ids.chunks(FILTER_VALUES) {
            let found = self.filtered("DescribeInstances", "instance-id", "reservationSet", ids).await;
            let found = self.or_say(found, "images and subnets of instances")?;
            let instances = found.iter().flat_map(|it| list(it, "Instances"));
            let instances: Vec<Value> = instances.map(|it| only(it, OF_INSTANCES)).collect();
            self.state.instances.extend(instances);
        }
        Ok(())
    }

    fn members(&self) -> impl Iterator<Item = &Value> {
        self.state.groups.iter().flat_map(|group| list(&group.group, "Instances").iter().chain(&group.warm))
    }

    /// What EC2 knows of these, by a filter: what is not there is no error.
    async fn filtered(
        &self,
        action: &'static str,
        filter: &str,
        wanted: &str,
        values: &[String],
    ) -> Result<Vec<Value>> {
        let mut asked = numbered("Filter.1.Value", values);
        asked.push(("Filter.1.Name".into(), filter.into()));
        if action == "DescribeImages" {
            // Without this, the deprecated images of others are hidden although they can be launched.
            asked.push(("IncludeDeprecated".into(), "true".into()));
        }
        self.asking.list(Of::Ec2, action, &values.join(", "), wanted, &borrowed(&asked)).await
    }

    /// The launch templates that groups name or instances were started from, with all their versions.
    async fn templates(&mut self) -> Result<()> {
        let of_groups = self.state.groups.iter().flat_map(|it| references(&it.group));
        let named = of_groups.chain(self.members().map(|it| &it["LaunchTemplate"]));
        let ids: BTreeSet<String> = named.map(|it| text(it, "LaunchTemplateId").to_owned()).collect();
        for id in ids.into_iter().filter(|id| !id.is_empty()) {
            // It may be gone, and its instances still there.
            let found =
                self.filtered("DescribeLaunchTemplates", "launch-template-id", "launchTemplates", &[id]).await?;
            for template in found {
                let id = text(&template, "LaunchTemplateId");
                let asked = [("LaunchTemplateId", id), ("MaxResults", "200")];
                let action = "DescribeLaunchTemplateVersions";
                let versions = self.asking.list(Of::Ec2, action, id, "launchTemplateVersionSet", &asked).await?;
                let mut versions: Vec<Value> = versions.into_iter().map(kept).collect();
                versions.sort_by_key(|version| text(version, "VersionNumber").parse::<u64>().unwrap_or(0));
                if versions.iter().any(|it| it["LaunchTemplateData"]["UserData"].is_string()) {
                    let name = text(&template, "LaunchTemplateName");
                    self.state.left_out.push(format!("the user data of the launch template {name}"));
                }
                self.state.launch_templates.push(LaunchTemplate { template, versions });
            }
        }
        Ok(())
    }

    async fn configurations(&mut self) -> Result<()> {
        let of_groups = self.state.groups.iter().map(|it| text(&it.group, "LaunchConfigurationName"));
        let names = of_groups.chain(self.members().map(|it| text(it, "LaunchConfigurationName")));
        let names: BTreeSet<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        for names in names.into_iter().collect::<Vec<_>>().chunks(CONFIGURATIONS) {
            let asked = numbered("LaunchConfigurationNames.member", names);
            let (action, on) = ("DescribeLaunchConfigurations", names.join(", "));
            let found =
                self.asking.list(Of::AutoScaling, action, &on, "LaunchConfigurations", &borrowed(&asked)).await?;
            for mut configuration in found {
                if configuration["UserData"].is_string() {
                    configuration["UserData"] = json!(LEFT_OUT);
                    let name = text(&configuration, "LaunchConfigurationName");
                    self.state.left_out.push(format!("the user data of the launch configuration {name}"));
                }
                self.state.launch_configurations.push(configuration);
            }
        }
        Ok(())
    }

    /// Which images parameters stand for.
    async fn image_parameters(&mut self) -> Result<()> {
        let versions = self.state.launch_templates.iter().flat_map(|it| &it.versions);
        let named: Vec<(String, String, String)> = versions
            .filter_map(|it| {
                let parameter = text(&it["LaunchTemplateData"], "ImageId").strip_prefix("resolve:ssm:")?;
                Some((
                    parameter.to_owned(),
                    text(it, "LaunchTemplateId").to_owned(),
                    text(it, "VersionNumber").to_owned(),
                ))
            })
            .collect();
        for (parameter, template, version) in named {
            if self.state.image_parameters.contains_key(&parameter) {
                continue;
            }
            let asked = [
                ("LaunchTemplateId", template.as_str()),
                ("LaunchTemplateVersion.1", version.as_str()),
                ("ResolveAlias", "true"),
            ];
            let action = "DescribeLaunchTemplateVersions";
            let found = self.asking.list(Of::Ec2, action, &template, "launchTemplateVersionSet", &asked).await;
            for found in self.or_say(found, &format!("the image that the parameter {parameter} stands for"))? {
                let image = text(&found["LaunchTemplateData"], "ImageId").to_owned();
                self.state.image_parameters.insert(parameter.clone(), image);
            }
        }
        Ok(())
    }

    async fn images(&mut self) -> Result<()> {
        let state = &self.state;
        let of_versions = state.launch_templates.iter().flat_map(|it| &it.versions);
        let of_versions = of_versions.map(|it| text(&it["LaunchTemplateData"], "ImageId"));
        let of_configurations = state.launch_configurations.iter().map(|it| text(it, "ImageId"));
        let of_instances = state.instances.iter().map(|it| text(it, "ImageId"));
        let of_parameters = state.image_parameters.values().map(String::as_str);
        let all = of_versions.chain(of_configurations).chain(of_instances).chain(of_parameters);
        let mut ids: BTreeSet<String> = all.filter(|id| id.starts_with("ami-")).map(str::to_owned).collect();
        ids.extend(self.recorded_images());
        if let Artifact::Ami(image) = &self.document.artifact {
            ids.insert(image.clone());
        }
        for ids in ids.into_iter().collect::<Vec<_>>().chunks(FILTER_VALUES) {
            let found = self.filtered("DescribeImages", "image-id", "imagesSet", ids).await?;
            self.state.images.extend(found.iter().map(|it| only(it, OF_IMAGES)));
        }
        Ok(())
    }

    async fn instance_types(&mut self) -> Result<()> {
        let state = &self.state;
        let of_versions = state.launch_templates.iter().flat_map(|it| &it.versions);
        let of_versions = of_versions.map(|it| text(&it["LaunchTemplateData"], "InstanceType"));
        let of_configurations = state.launch_configurations.iter().map(|it| text(it, "InstanceType"));
        let of_overrides = state.groups.iter().flat_map(|it| overrides(&it.group)).map(|it| text(it, "InstanceType"));
        let of_members = self.members().map(|it| text(it, "InstanceType"));
        let all = of_versions.chain(of_configurations).chain(of_overrides).chain(of_members);
        let types: BTreeSet<String> = all.filter(|it| !it.is_empty()).map(str::to_owned).collect();
        for types in types.into_iter().collect::<Vec<_>>().chunks(FILTER_VALUES / 2) {
            let asked = numbered("InstanceType", types);
            let (action, on) = ("DescribeInstanceTypes", types.join(", "));
            let found = self.asking.list(Of::Ec2, action, &on, "instanceTypeSet", &borrowed(&asked)).await?;
            self.state.instance_types.extend(found.iter().map(|it| only(it, &["InstanceType", "ProcessorInfo"])));
        }
        Ok(())
    }
}

/// The launch templates that a group names.
fn references(group: &Value) -> impl Iterator<Item = &Value> {
    let mixed = &group["MixedInstancesPolicy"]["LaunchTemplate"]["LaunchTemplateSpecification"];
    let own = overrides(group).iter().map(|it| &it["LaunchTemplateSpecification"]);
    [&group["LaunchTemplate"], mixed].into_iter().chain(own)
}

fn overrides(group: &Value) -> &[Value] {
    list(&group["MixedInstancesPolicy"]["LaunchTemplate"], "Overrides")
}

/// A version without its user data.
fn kept(mut version: Value) -> Value {
    if let Some(data) = version["LaunchTemplateData"].get_mut("UserData") {
        *data = json!(LEFT_OUT);
    }
    version
}
