//! The EC2 client against the simulated account, and against canned answers for what the simulation never says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use crossfade_aws::ec2::{
    BlockDevice, Ec2, Ec2ErrorKind, LaunchTemplateData, LaunchTemplateVersion, MetadataOptions, UserData,
    VersionChanges,
};
use crossfade_sim::world::Image;
use crossfade_sim::{Fault, Faults, Request, Settings, Sim};
use serde_json::json;

/// An account with one template of three versions, of which the second is the default.
fn account() -> (Arc<Sim>, Ec2, String) {
    let sim = Sim::new(Settings::default());
    let version = |image: &str| {
        json!({
            "ImageId": image, "InstanceType": "m6i.large", "KeyName": "shop",
            "SecurityGroupIds": ["sg-1", "sg-2"],
            "BlockDeviceMappings": [{ "DeviceName": "/dev/xvda", "Ebs": { "SnapshotId": "snap-1", "VolumeSize": 20, "VolumeType": "gp3" } }],
        })
    };
    let mut world = sim.world();
    let id = world.add_launch_template("shop", &[version("ami-1"), version("ami-2"), version("ami-3")], 2);
    world.add_image(Image::new("ami-4"));
    world.add_instance_type("m6i.large", &["i386", "x86_64"]);
    drop(world);
    let ec2 = Ec2::new(&sim.sdk_config());
    (sim, ec2, id)
}

/// The faults for the first calls, in their order.
struct First(Mutex<Vec<Fault>>);

impl Faults for First {
    fn strike(&self, _nth: usize, _request: &Request) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap();
        if faults.is_empty() { None } else { Some(faults.remove(0)) }
    }
}

fn faults(sim: &Sim, faults: Vec<Fault>) {
    sim.set_faults(Some(Arc::new(First(Mutex::new(faults)))));
}

fn refuse(status: u16, code: &str) -> Fault {
    Fault::Refuse { status, code: code.to_owned(), message: "Not now.".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn versions_are_read_by_number_and_by_name() {
    let (_sim, ec2, id) = account();
    for (asked, number) in [("1", 1), ("$Default", 2), ("$Latest", 3)] {
        let version = ec2.launch_template_version(&id, asked).await.unwrap();
        assert_eq!((version.number, version.is_default), (number, number == 2), "{asked}");
        assert_eq!(version.image_id.as_deref(), Some(format!("ami-{number}").as_str()));
        assert_eq!((version.id.as_str(), version.name.as_str()), (id.as_str(), "shop"));
        assert_eq!(version.instance_type.as_deref(), Some("m6i.large"));
        assert_eq!(version.devices(), ["/dev/xvda"]);
        assert_eq!(version.data.security_groups, ["sg-1", "sg-2"]);
        assert_eq!(version.data.block_devices[0].volume_size, Some(20));
    }
    let error = ec2.launch_template_version(&id, "9").await.unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.code(), Some("InvalidLaunchTemplateId.VersionNotFound"));
    assert_eq!(error.status(), 400);
    let error = ec2.launch_template_version("lt-0123456789abcdef0", "1").await.unwrap_err();
    assert_eq!(error.kind(), Ec2ErrorKind::NotFound, "{error}");
}

#[tokio::test(start_paused = true)]
async fn all_versions_are_read_page_by_page() {
    let (sim, ec2, id) = account();
    for n in 0..400 {
        ec2.create_launch_template_version(&id, 1, VersionChanges::image("ami-4"), "one of many", &n.to_string())
            .await
            .unwrap();
    }
    let before = sim.calls().len();
    let numbers: Vec<_> = ec2.launch_template_versions(&id).await.unwrap().iter().map(|v| v.number).collect();
    assert_eq!(numbers, (1..=403).rev().collect::<Vec<u64>>());
    assert_eq!(sim.calls().len() - before, 3);
}

#[tokio::test(start_paused = true)]
async fn p39_a_retried_creation_makes_one_version() {
    let (sim, ec2, id) = account();
    faults(&sim, vec![Fault::LoseReply]);
    let create = || {
        ec2.create_launch_template_version(&id, 2, VersionChanges::image("ami-4"), "for deployment d & <7>", "token-7")
    };
    let (made, warning) = create().await.unwrap();
    assert_eq!(warning, None);
    assert_eq!((made.number, made.image_id.as_deref()), (4, Some("ami-4")));
    assert_eq!(made.description.as_deref(), Some("for deployment d & <7>"));
    assert_eq!(made.instance_type.as_deref(), Some("m6i.large"), "inherited");
    assert_eq!(made.data.block_devices[0].snapshot_id, None, "P71: the snapshot belongs to the old image");
    assert_eq!(create().await.unwrap().0, made);
    assert_eq!(sim.calls().len(), 3, "the lost one, its retry, and the second");
    assert_eq!(ec2.launch_template_versions(&id).await.unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn deleting_versions_names_what_is_left_and_ignores_what_is_gone() {
    let (_sim, ec2, id) = account();
    ec2.delete_launch_template_versions(&id, &[1, 17]).await.unwrap();
    ec2.delete_launch_template_versions(&id, &[]).await.unwrap();
    let error = ec2.delete_launch_template_versions(&id, &[1, 2, 3]).await.unwrap_err();
    assert!(error.message().contains("version 2: Cannot delete the default version"), "{error}");
    assert!(!error.message().contains("version 1") && !error.message().contains("version 3"), "{error}");
    let left: Vec<_> = ec2.launch_template_versions(&id).await.unwrap().iter().map(|v| v.number).collect();
    assert_eq!(left, [2]);
    ec2.delete_launch_template(&id).await.unwrap();
    ec2.delete_launch_template(&id).await.unwrap();
    ec2.delete_launch_template_versions(&id, &[2]).await.unwrap();
}

/// Everything that a launch configuration can say.
fn data() -> LaunchTemplateData {
    let text = |text: &str| Some(text.to_owned());
    LaunchTemplateData {
        image_id: text("ami-4"),
        instance_type: text("m6i.large"),
        key_name: text("key + name"),
        security_groups: vec!["sg-1".to_owned(), "sg-2".to_owned()],
        user_data: Some(UserData("c2VjcmV0K/==".to_owned())),
        iam_instance_profile: text("arn:aws:iam::123456789012:instance-profile/shop"),
        block_devices: vec![
            BlockDevice {
                device_name: "/dev/xvda".to_owned(),
                volume_size: Some(20),
                volume_type: text("gp3"),
                delete_on_termination: Some(true),
                encrypted: Some(false),
                iops: Some(3000),
                throughput: Some(125),
                ..BlockDevice::default()
            },
            BlockDevice {
                device_name: "/dev/sdb".to_owned(),
                virtual_name: text("ephemeral0"),
                ..BlockDevice::default()
            },
        ],
        monitoring: Some(true),
        ebs_optimized: Some(false),
        spot_price: text("0.05"),
        metadata_options: Some(MetadataOptions {
            http_tokens: text("required"),
            http_put_response_hop_limit: Some(2),
            http_endpoint: text("enabled"),
        }),
        associate_public_ip_address: None,
        placement_tenancy: text("dedicated"),
        kernel_id: text("aki-1"),
        ramdisk_id: text("ari-1"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_template_is_made_with_all_that_a_launch_configuration_says() {
    let (sim, ec2, _) = account();
    let made =
        ec2.create_launch_template("shop-7", &data(), &[("crossfade:owner", "shop/prod")], "token").await.unwrap();
    assert_eq!((made.version, made.warning), (1, None));
    let version = ec2.launch_template_version(&made.id, "1").await.unwrap();
    assert_eq!(version.data, data());

    let public = LaunchTemplateData {
        associate_public_ip_address: Some(true),
        iam_instance_profile: Some("shop".into()),
        ..data()
    };
    let made = ec2.create_launch_template("shop-8", &public, &[], "other").await.unwrap();
    assert_eq!(ec2.launch_template_version(&made.id, "$Default").await.unwrap().data, public);

    let again = ec2.create_launch_template("shop-8", &public, &[], "other").await.unwrap();
    assert_eq!(again.id, made.id, "the same token");
    let error = ec2.create_launch_template("shop-8", &data(), &[], "third").await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidLaunchTemplateName.AlreadyExistsException"));
    assert_eq!(error.kind(), Ec2ErrorKind::Refused);

    let found = ec2.launch_template_named("shop-7").await.unwrap().expect("it was made");
    assert_eq!(found.tags.get("crossfade:owner").map(String::as_str), Some("shop/prod"));
    let found = ec2.launch_template_named("shop-8").await.unwrap().expect("it was made");
    assert_eq!((found.id, found.tags.len()), (made.id, 0));
    assert_eq!(ec2.launch_template_named("shop-9").await.unwrap(), None);
    assert!(sim.calls().iter().all(|call| call.operation != "DescribeImages"));
}

#[test]
fn user_data_is_not_shown() {
    assert!(!format!("{:?}", data()).contains("c2VjcmV0"));
}

#[tokio::test(start_paused = true)]
async fn images_and_instance_types_are_read() {
    let (sim, ec2, _) = account();
    let image = ec2.image("ami-4").await.unwrap();
    assert_eq!(
        (image.id.as_str(), image.state.as_str(), image.architecture.as_str()),
        ("ami-4", "available", "x86_64")
    );
    assert_eq!(
        image.root_device_name.as_deref(),
        image.block_devices.first().map(|device| device.device_name.as_str())
    );
    assert!(image.block_devices[0].snapshot_id.is_some());
    let error = ec2.image("ami-5").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Ec2ErrorKind::NotFound, Some("InvalidAMIID.NotFound")));
    assert_eq!(ec2.instance_type_architectures("m6i.large").await.unwrap(), ["i386", "x86_64"]);
    assert!(ec2.instance_type_architectures("z9.huge").await.unwrap_err().is_not_found());
    assert_eq!(sim.calls().len(), 4, "what does not exist is not retried");
}

#[tokio::test(start_paused = true)]
async fn throttled_failing_and_lost_calls_are_retried() {
    for fault in [
        refuse(503, "RequestLimitExceeded"),
        refuse(400, "RequestLimitExceeded"),
        refuse(500, "InternalError"),
        Fault::LoseRequest,
    ] {
        let (sim, ec2, id) = account();
        faults(&sim, vec![fault.clone(), fault.clone()]);
        ec2.launch_template_version(&id, "1").await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        let calls = sim.calls();
        assert_eq!(calls.len(), 3, "{fault:?}");
        assert!(calls[2].at_millis - calls[0].at_millis > 80, "there was backoff, in the account's time");
    }
}

#[tokio::test(start_paused = true)]
async fn retries_end() {
    for (fault, kind, code) in [
        (refuse(500, "InternalError"), Ec2ErrorKind::Unavailable, Some("InternalError")),
        (Fault::LoseReply, Ec2ErrorKind::NoAnswer, None),
    ] {
        let (sim, ec2, id) = account();
        faults(&sim, vec![fault.clone(); 9]);
        let error = ec2.launch_template_version(&id, "1").await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code), "{error:?}");
        assert_eq!(sim.calls().len(), 3);
    }
    // A throttle is waited out for longer, and not for ever.
    let (sim, ec2, id) = account();
    faults(&sim, vec![refuse(503, "RequestLimitExceeded"); 999]);
    let error = ec2.launch_template_version(&id, "1").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Ec2ErrorKind::Throttled, Some("RequestLimitExceeded")), "{error:?}");
    let took = (sim.clock.now_millis() - sim.settings.epoch_millis) / 1000;
    assert!((40..55).contains(&took), "{took} s, of the 60 that a function has");
    let (sim, ec2, id) = account();
    faults(&sim, vec![refuse(503, "RequestLimitExceeded"); 9]);
    ec2.launch_template_version(&id, "1").await.expect("it comes to its turn");
    let (sim, ec2, id) = account();
    faults(&sim, vec![refuse(403, "UnauthorizedOperation")]);
    let error = ec2.launch_template_version(&id, "1").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (Ec2ErrorKind::Refused, 403));
    assert_eq!(sim.calls().len(), 1, "a refusal is not retried");
}

#[tokio::test(start_paused = true)]
async fn the_configurations_retries_and_timeouts_are_obeyed() {
    let (sim, _, id) = account();
    let once = aws_smithy_types::retry::RetryConfig::disabled();
    faults(&sim, vec![refuse(503, "RequestLimitExceeded")]);
    let ec2 = Ec2::new(&sim.sdk_config().into_builder().retry_config(once).build());
    assert_eq!(ec2.launch_template_version(&id, "1").await.unwrap_err().kind(), Ec2ErrorKind::Throttled);
    assert_eq!(sim.calls().len(), 1);

    let sim = Sim::new(Settings { call_latency: Duration::from_secs(60), ..Settings::default() });
    let short = aws_smithy_types::timeout::TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build();
    let ec2 = Ec2::new(&sim.sdk_config().into_builder().timeout_config(short).build());
    assert_eq!(ec2.image("ami-1").await.unwrap_err().kind(), Ec2ErrorKind::NoAnswer);
    assert_eq!(sim.clock.now_millis() - sim.settings.epoch_millis, 5_000);
}

/// A request as it was sent: URL, headers, body.
type Sent = (String, Vec<(String, String)>, String);

/// An HTTP client that keeps what it is sent, and answers with one text.
#[derive(Clone, Debug)]
struct Canned {
    status: u16,
    body: String,
    seen: Arc<Mutex<Vec<Sent>>>,
}

impl Canned {
    fn new(status: u16, body: &str) -> Self {
        Self { status, body: body.to_owned(), seen: Arc::default() }
    }

    /// The account's configuration with this in the place of its HTTP client.
    fn config(&self) -> SdkConfig {
        let once = aws_smithy_types::retry::RetryConfig::disabled();
        let sim = Sim::new(Settings::default());
        sim.sdk_config().into_builder().http_client(self.clone()).retry_config(once).build()
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        self.seen.lock().unwrap().push((request.uri().to_owned(), headers, body));
        let response = HttpResponse::new(self.status.try_into().unwrap(), SdkBody::from(self.body.as_str()));
        HttpConnectorFuture::ready(Ok(response))
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_signed_and_go_to_the_regions_endpoint() {
    let canned = Canned::new(200, "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>");
    let error = Ec2::new(&canned.config()).image("ami-1 &+ü").await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidAMIID.NotFound"), "an answer without it");
    let seen = canned.seen.lock().unwrap();
    let (url, headers, body) = &seen[0];
    assert_eq!(url, "https://ec2.eu-west-1.amazonaws.com/");
    assert_eq!(body, "Action=DescribeImages&Version=2016-11-15&ImageId.1=ami-1%20%26%2B%C3%BC&IncludeDeprecated=true");
    let header =
        |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let authorization = header("authorization");
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIASIMULATED/20260105/eu-west-1/ec2/aws4_request"));
    assert!(authorization.contains("host;") && authorization.contains("x-amz-date"), "{authorization}");
    assert_eq!(header("x-amz-date"), "20260105T090000Z", "the account's time");
    assert_eq!(header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(header("content-length"), body.len().to_string());
    assert!(header("amz-sdk-request").starts_with("attempt=1"));
    assert!(header("user-agent").contains("api/ec2"), "{}", header("user-agent"));
}

#[tokio::test(start_paused = true)]
async fn ec2s_doubts_about_a_version_are_told() {
    let canned = Canned::new(
        200,
        r#"<?xml version="1.0" encoding="UTF-8"?>
        <CreateLaunchTemplateVersionResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
            <requestId>77b15c62</requestId>
            <launchTemplateVersion>
                <createTime>2017-12-01T13:45:28.000Z</createTime>
                <defaultVersion>false</defaultVersion>
                <launchTemplateData><imageId>ami-6057e21a</imageId></launchTemplateData>
                <launchTemplateId>lt-0a4ad393ab2b3c4d5</launchTemplateId>
                <launchTemplateName>webservers</launchTemplateName>
                <versionNumber>4</versionNumber>
            </launchTemplateVersion>
            <warning><errorSet>
                <item><code>InvalidParameterValue</code><message>The AMI is for arm64.</message></item>
                <item><code>InvalidKeyPair.NotFound</code><message>There is no such key.</message></item>
            </errorSet></warning>
        </CreateLaunchTemplateVersionResponse>"#,
    );
    let ec2 = Ec2::new(&canned.config());
    let (version, warning) =
        ec2.create_launch_template_version("lt-1", 3, VersionChanges::image("ami-6057e21a"), "d", "t").await.unwrap();
    let expected = LaunchTemplateVersion {
        id: "lt-0a4ad393ab2b3c4d5".to_owned(),
        name: "webservers".to_owned(),
        number: 4,
        image_id: Some("ami-6057e21a".to_owned()),
        data: LaunchTemplateData { image_id: Some("ami-6057e21a".to_owned()), ..LaunchTemplateData::default() },
        ..LaunchTemplateVersion::default()
    };
    assert_eq!(version, expected);
    let warning = warning.unwrap();
    assert_eq!(warning, "InvalidParameterValue: The AMI is for arm64.; InvalidKeyPair.NotFound: There is no such key.");
}

#[tokio::test(start_paused = true)]
async fn errors_are_read_whatever_they_look_like() {
    let error = r#"<?xml version="1.0" encoding="UTF-8"?>
        <Response><Errors><Error><Code>InvalidAMIID.Malformed</Code><Message>Invalid id: "a" &amp; more</Message></Error></Errors>
        <RequestID>ea966190-f9aa-478e-9ede-example</RequestID></Response>"#;
    for (status, body, kind, code) in [
        (400, error, Ec2ErrorKind::NotFound, Some("InvalidAMIID.Malformed")),
        (403, "<html>Forbidden by the proxy<br></html>", Ec2ErrorKind::Unreadable, None),
        (502, "", Ec2ErrorKind::Unavailable, None),
        (200, "not XML", Ec2ErrorKind::Unreadable, None),
        (200, "<R><imagesSet><item><imageId>a</imageId></item></imagesSet></R>", Ec2ErrorKind::Unreadable, None),
    ] {
        let canned = Canned::new(status, body);
        let error = Ec2::new(&canned.config()).image("a").await.unwrap_err();
        assert_eq!((error.kind(), error.code(), error.status()), (kind, code, status), "{body}: {error}");
        if code.is_some() {
            assert_eq!(error.message(), r#"Invalid id: "a" & more"#);
            assert_eq!(error.request_id(), Some("ea966190-f9aa-478e-9ede-example"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn endless_pages_end() {
    let canned = Canned::new(200, "<R><launchTemplateVersionSet/><nextToken>again</nextToken></R>");
    let error = Ec2::new(&canned.config()).launch_template_versions("lt-1").await.unwrap_err();
    assert_eq!(error.kind(), Ec2ErrorKind::Unreadable);
    assert!(canned.seen.lock().unwrap().len() <= 51);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_without_region_or_credentials_fails_the_call() {
    let error = Ec2::new(&SdkConfig::builder().build()).image("ami-1").await.unwrap_err();
    assert_eq!(error.kind(), Ec2ErrorKind::NoAnswer);
    assert!(error.message().contains("region"), "{error}");
    let region = aws_types::region::Region::new("eu-west-1");
    let error = Ec2::new(&SdkConfig::builder().region(region).build()).image("ami-1").await.unwrap_err();
    assert!(error.message().contains("credentials"), "{error}");
}
