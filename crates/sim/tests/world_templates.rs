//! EC2 through its own Query dialect. Pitfalls by their numbers in the semantics sheet.

mod world_support;

use crossfade_sim::Response;
use crossfade_sim::world::sample::ShopOptions;
use world_support::{Account, between};

fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}

/// Inheriting from a source, overwriting with what is given, and nothing inherited without a source.
#[tokio::test(start_paused = true)]
async fn versions_inherit_from_their_source_only() {
    let account = Account::new(ShopOptions::default());
    let id = account.shop.template.as_str();
    let form = [
        ("LaunchTemplateId", id),
        ("SourceVersion", "2"),
        ("LaunchTemplateData.ImageId", "ami-0a11ce00000000007"),
        ("LaunchTemplateData.TagSpecification.1.ResourceType", "volume"),
        ("LaunchTemplateData.TagSpecification.1.Tag.1.Key", "k"),
        ("LaunchTemplateData.TagSpecification.1.Tag.1.Value", "v"),
        ("VersionDescription", "for & by <crossfade>"),
    ];
    let created = account.ec2("CreateLaunchTemplateVersion", &form).await;
    assert_eq!(created.status, 200, "{}", text(&created));
    assert_eq!(between(&created, "versionNumber"), "9");
    assert_eq!(between(&created, "defaultVersion"), "false");
    let shown = account
        .ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateId", id), ("LaunchTemplateVersion.1", "9")])
        .await;
    assert!(text(&shown).starts_with("<DescribeLaunchTemplateVersionsResponse xmlns="));
    let data = between(&shown, "launchTemplateData");
    for part in [
        "<imageId>ami-0a11ce00000000007</imageId>",
        "<instanceType>m6i.large</instanceType>",
        "<keyName>shop</keyName>",
        "<securityGroupIdSet><item>sg-0123456789abcdef0</item></securityGroupIdSet>",
        "<metadataOptions><httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpTokens>required</httpTokens>",
        "<blockDeviceMappingSet><item><deviceName>/dev/xvda</deviceName><ebs>",
        "<iamInstanceProfile><arn>",
        "<tagSpecificationSet><item><resourceType>volume</resourceType><tagSet><item><key>k</key><value>v</value>",
    ] {
        assert!(data.contains(part), "{part} is not in {data}");
    }
    assert!(!data.contains("<value>shop</value>"), "lists are replaced whole");
    assert_eq!(between(&shown, "versionDescription"), "for &amp; by &lt;crossfade&gt;");
    let bare = [("LaunchTemplateName", "shop"), ("LaunchTemplateData.KeyName", "only")];
    let bare = account.ec2("CreateLaunchTemplateVersion", &bare).await;
    assert_eq!(between(&bare, "launchTemplateData"), "<keyName>only</keyName>");
    let template = account.ec2("DescribeLaunchTemplates", &[("LaunchTemplateName.1", "shop")]).await;
    assert_eq!(between(&template, "defaultVersionNumber"), "2", "creating a version moves no default");
    assert_eq!(between(&template, "latestVersionNumber"), "10");
}

/// P39: the same token is the same version; with other parameters it is refused.
#[tokio::test(start_paused = true)]
async fn p39_a_client_token_makes_one_version() {
    let account = Account::new(ShopOptions::default());
    let id = account.shop.template.clone();
    let create = async |image: &str| {
        let form =
            [("LaunchTemplateId", id.as_str()), ("ClientToken", "deploy-7"), ("LaunchTemplateData.ImageId", image)];
        account.ec2("CreateLaunchTemplateVersion", &form).await
    };
    assert_eq!(between(&create("ami-1").await, "versionNumber"), "9");
    assert_eq!(between(&create("ami-1").await, "versionNumber"), "9");
    let other = create("ami-2").await;
    assert_eq!((other.status, between(&other, "Code").as_str()), (400, "IdempotentParameterMismatch"));
    // P40: a limit on versions.
    account.sim.world().settings.max_template_versions = 9;
    let more = [("LaunchTemplateId", id.as_str()), ("LaunchTemplateData.ImageId", "ami-1")];
    let full = account.ec2("CreateLaunchTemplateVersion", &more).await;
    assert_eq!(between(&full, "Code"), "VersionLimitExceeded");
}

/// P38: `$Latest` and `$Default` move; numbers do not. The default version cannot be deleted.
#[tokio::test(start_paused = true)]
async fn p38_names_of_versions_move_and_defaults_are_kept() {
    let account = Account::new(ShopOptions::default());
    let id = account.shop.template.as_str();
    let version = async |name: &str| {
        let form = [("LaunchTemplateId", id), ("LaunchTemplateVersion.1", name)];
        between(&account.ec2("DescribeLaunchTemplateVersions", &form).await, "versionNumber")
    };
    assert_eq!((version("$Latest").await.as_str(), version("$Default").await.as_str()), ("8", "2"));
    let set = [("LaunchTemplateId", id), ("SetDefaultVersion", "3")];
    assert_eq!(between(&account.ec2("ModifyLaunchTemplate", &set).await, "defaultVersionNumber"), "3");
    assert_eq!(version("$Default").await, "3");
    let delete = [
        ("LaunchTemplateId", id),
        ("LaunchTemplateVersion.1", "3"),
        ("LaunchTemplateVersion.2", "8"),
        ("LaunchTemplateVersion.3", "77"),
    ];
    let deleted = account.ec2("DeleteLaunchTemplateVersions", &delete).await;
    let (good, bad) = (
        between(&deleted, "successfullyDeletedLaunchTemplateVersionSet"),
        between(&deleted, "unsuccessfullyDeletedLaunchTemplateVersionSet"),
    );
    assert!(good.contains("<versionNumber>8<") && !good.contains("<versionNumber>3<"), "{good}");
    assert!(bad.contains("<versionNumber>3<") && bad.contains("launchTemplateVersionDoesNotExist"), "{bad}");
    assert_eq!(version("$Latest").await, "7");
    let next = [("LaunchTemplateId", id), ("LaunchTemplateData.ImageId", "ami-1")];
    let next = account.ec2("CreateLaunchTemplateVersion", &next).await;
    assert_eq!(between(&next, "versionNumber"), "9", "numbers are never used again");
    let missing = [("LaunchTemplateId", id), ("LaunchTemplateVersion.1", "8")];
    let missing = account.ec2("DescribeLaunchTemplateVersions", &missing).await;
    assert_eq!(between(&missing, "Code"), "InvalidLaunchTemplateId.VersionNotFound");
}

/// P71: block devices are inherited without the snapshots of the old image.
#[tokio::test(start_paused = true)]
async fn p71_inherited_devices_lose_their_snapshots() {
    let account = Account::new(ShopOptions::default());
    let data = serde_json::json!({ "ImageId": "ami-0a11ce00000000006", "BlockDeviceMappings": [
        { "DeviceName": "/dev/xvda", "Ebs": { "SnapshotId": "snap-old", "VolumeSize": 40 } } ] });
    let id = account.sim.world().add_launch_template("with-snapshot", &[data], 1);
    let form = [("LaunchTemplateId", id.as_str()), ("SourceVersion", "1")];
    let nothing = account.ec2("CreateLaunchTemplateVersion", &form).await;
    assert_eq!(between(&nothing, "Code"), "MissingParameter", "a version without anything new");
    let form = [form[0], form[1], ("LaunchTemplateData.ImageId", "ami-1")];
    let created = account.ec2("CreateLaunchTemplateVersion", &form).await;
    let devices = between(&created, "blockDeviceMappingSet");
    assert!(devices.contains("<volumeSize>40<") && !devices.contains("snap-old"), "{devices}");
}

/// Templates come and go, by themselves and for a base that had a launch configuration (P42).
#[tokio::test(start_paused = true)]
async fn templates_are_created_and_deleted() {
    let account = Account::new(ShopOptions::default());
    let before = account.sim.world().inventory();
    let form = [
        ("LaunchTemplateName", "from-configuration"),
        ("ClientToken", "t"),
        ("LaunchTemplateData.ImageId", "ami-0a11ce00000000007"),
        ("LaunchTemplateData.NetworkInterface.1.DeviceIndex", "0"),
        ("LaunchTemplateData.NetworkInterface.1.SecurityGroupId.1", "sg-1"),
        ("TagSpecification.1.ResourceType", "launch-template"),
        ("TagSpecification.1.Tag.1.Key", "owner"),
        ("TagSpecification.1.Tag.1.Value", "crossfade"),
    ];
    let created = account.ec2("CreateLaunchTemplate", &form).await;
    assert_eq!(created.status, 200, "{}", text(&created));
    assert!(between(&created, "tagSet").contains("<key>owner</key>"));
    let id = between(&created, "launchTemplateId");
    assert_eq!(between(&account.ec2("CreateLaunchTemplate", &form).await, "launchTemplateId"), id, "same token");
    let shown = account.ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateId", &id)]).await;
    assert!(text(&shown).contains("<groupSet><groupId>sg-1</groupId></groupSet>"), "{}", text(&shown));
    let mut again = form.to_vec();
    again.remove(1);
    let again = account.ec2("CreateLaunchTemplate", &again).await;
    assert_eq!(between(&again, "Code"), "InvalidLaunchTemplateName.AlreadyExistsException");
    let filter = [("Filter.1.Name", "tag:owner"), ("Filter.1.Value.1", "crossfade")];
    assert_eq!(between(&account.ec2("DescribeLaunchTemplates", &filter).await, "launchTemplateId"), id);
    account.ec2("DeleteLaunchTemplate", &[("LaunchTemplateId", &id)]).await;
    assert_eq!(account.sim.world().inventory(), before);
    let gone = account.ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateId", &id)]).await;
    assert_eq!(between(&gone, "Code"), "InvalidLaunchTemplateId.NotFound");
}

/// P41: what a preflight reads about images and instance types.
#[tokio::test(start_paused = true)]
async fn p41_images_and_instance_types_can_be_checked() {
    let account = Account::new(ShopOptions::default());
    let shop = &account.shop;
    let image = account.ec2("DescribeImages", &[("ImageId.1", &shop.new_ami)]).await;
    assert_eq!((between(&image, "imageState"), between(&image, "architecture")), ("available".into(), "x86_64".into()));
    assert_eq!(between(&image, "rootDeviceName"), "/dev/xvda");
    let image = account.ec2("DescribeImages", &[("ImageId.1", &shop.pending_ami)]).await;
    assert_eq!(between(&image, "imageState"), "pending");
    let image = account.ec2("DescribeImages", &[("ImageId.1", "ami-none")]).await;
    assert_eq!(between(&image, "Code"), "InvalidAMIID.NotFound");
    let kind = account.ec2("DescribeInstanceTypes", &[("InstanceType.1", "m7g.large")]).await;
    assert!(text(&kind).contains("<supportedArchitectures><item>arm64</item></supportedArchitectures>"));
    let kind = account.ec2("DescribeInstanceTypes", &[("InstanceType.1", "m9z.large")]).await;
    assert_eq!(between(&kind, "Code"), "InvalidInstanceType");
    let id = account.sim.world().instances_of("shop__6")[0].clone();
    let instance = account.ec2("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert!(text(&instance).contains("<instanceState><code>16</code><name>running</name></instanceState>"));
}

/// What the model does not know is refused, never ignored.
#[tokio::test(start_paused = true)]
async fn what_is_not_modelled_is_refused() {
    let account = Account::new(ShopOptions::default());
    let id = account.shop.template.as_str();
    let operation = account.ec2("RunInstances", &[]).await;
    assert_eq!((operation.status, between(&operation, "Code").as_str()), (501, "NotImplemented"));
    let filter = [("Filter.1.Name", "x"), ("Filter.1.Value.1", "y")];
    assert_eq!(account.ec2("DescribeImages", &filter).await.status, 501);
    let misspelt = [("LaunchTemplateId", id), ("LaunchTemplateData.SecurityGroupIds.1", "sg-1")];
    let misspelt = account.ec2("CreateLaunchTemplateVersion", &misspelt).await;
    assert_eq!(between(&misspelt, "Code"), "UnknownParameter");
}
