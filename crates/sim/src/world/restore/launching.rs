//! Launch templates and configurations, images, instance types.

use serde_json::Value;

use super::{list, number, tags, text, texts, without};
use crate::world::{Image, ImageBehaviour, LaunchConfiguration, LaunchTemplate, LaunchTemplateVersion, Tree, World};

impl World {
    /// A launch template, as `describe-launch-templates` shows it, with versions of `describe-launch-template-versions`.
    pub fn restore_launch_template(&mut self, template: &Value, versions: &[Value]) {
        let version = |it: &Value| {
            let version = LaunchTemplateVersion {
                data: Tree::from_json(&it["LaunchTemplateData"]),
                description: it["VersionDescription"].as_str().map(str::to_owned),
                created_at: self.now,
            };
            Some((number(it, "VersionNumber")?, version))
        };
        let versions: std::collections::BTreeMap<u64, LaunchTemplateVersion> =
            versions.iter().filter_map(version).collect();
        let id = text(template, "LaunchTemplateId").to_owned();
        let latest = number(template, "LatestVersionNumber").or(versions.keys().next_back().copied());
        let restored = LaunchTemplate {
            id: id.clone(),
            name: text(template, "LaunchTemplateName").to_owned(),
            created_at: self.now,
            default_version: number(template, "DefaultVersionNumber").unwrap_or(1),
            next_version: latest.unwrap_or(0) + 1,
            versions,
            tags: Tree::List(list(template, "Tags").iter().map(Tree::from_json).collect()),
            tokens: Default::default(),
        };
        self.templates.insert(id, restored);
    }

    /// A launch configuration, as `describe-launch-configurations` shows it.
    pub fn restore_launch_configuration(&mut self, described: &Value) {
        let name = text(described, "LaunchConfigurationName").to_owned();
        let configuration = LaunchConfiguration {
            name: name.clone(),
            arn: text(described, "LaunchConfigurationARN").to_owned(),
            created_at: self.now,
            settings: without(described, &["LaunchConfigurationName", "LaunchConfigurationARN", "CreatedTime"]),
        };
        self.configurations.insert(name, configuration);
    }

    /// An image, as `describe-images` shows it, and how what it runs behaves.
    pub fn restore_image(&mut self, described: &Value, behaviour: ImageBehaviour) {
        let id = text(described, "ImageId");
        let owner = Some(text(described, "OwnerId")).filter(|owner| !owner.is_empty() && *owner != self.account);
        let root = text(described, "RootDeviceName");
        let of_root = list(described, "BlockDeviceMappings").iter().find(|it| text(it, "DeviceName") == root);
        let plain = Image::new(id);
        self.add_image(Image {
            name: text(described, "Name").to_owned(),
            architecture: text(described, "Architecture").to_owned(),
            state: text(described, "State").to_owned(),
            root_device: root.to_owned(),
            snapshot: of_root.map_or(plain.snapshot.clone(), |it| text(&it["Ebs"], "SnapshotId").to_owned()),
            owner: owner.map(str::to_owned),
            tags: tags(described, "Tags"),
            behaviour,
            ..plain
        });
        self.date_image(id, text(described, "CreationDate"));
    }

    /// An instance type, as `describe-instance-types` shows it.
    pub fn restore_instance_type(&mut self, described: &Value) {
        let architectures = texts(&described["ProcessorInfo"], "SupportedArchitectures");
        self.instance_types.insert(text(described, "InstanceType").to_owned(), architectures);
    }
}
