//! What members run and what they have printed, of every kind of fleet, on the simulated account.

use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::ec2::{Ec2, Ec2ErrorKind};
use crossfade_aws::{Console, Fleets, Platforms, Runs};
use crossfade_core::Kind;
use crossfade_core::kinds::Platform;
use crossfade_sim::world::GroupSpec;
use crossfade_sim::world::sample::{Compute, Shop, ShopOptions, Source, shop};
use crossfade_sim::world::spot::{SPOT_ACCOUNT, SPOT_TOKEN};
use crossfade_sim::{Fault, Faults, Request, Settings, Sim};
use serde_json::json;

fn account(options: ShopOptions) -> (Arc<Sim>, Shop, Fleets) {
    let sim = Sim::new(Settings::default());
    let platform = match options.compute {
        Compute::Groups => Platform::AutoScalingGroups,
        Compute::Services | Compute::ServicesOnInstances => Platform::EcsServices { cluster: "shop".into() },
        Compute::Elastigroups => {
            sim.secrets().define(&format!("crossfade/spot/{SPOT_ACCOUNT}"), SPOT_TOKEN);
            Platform::Elastigroups { account: SPOT_ACCOUNT.into() }
        }
    };
    let shop = shop(&mut sim.world(), options);
    let fleets = Platforms::new(&sim.sdk_config()).on(&platform);
    (sim, shop, fleets)
}

async fn runs(fleets: &Fleets, fleet: &str) -> Vec<Runs> {
    let found = fleets.get(fleet).await.unwrap().unwrap_or_else(|| panic!("there is no {fleet}"));
    fleets.runs(&found).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_runs_is_the_image_of_the_members_whatever_made_them() {
    for base in [
        Source::Pinned,
        Source::Default,
        Source::Latest,
        Source::LaunchConfiguration,
        Source::Mixed,
        Source::MixedOverrides,
        Source::Weighted,
    ] {
        let (_sim, shop, fleets) = account(ShopOptions { base, ..ShopOptions::default() });
        let found = runs(&fleets, &shop.running_group).await;
        assert_eq!((found.len(), found[0].image.as_str()), (1, shop.running_ami.as_str()), "{base:?}: {found:?}");
        assert!(
            found[0].members > 0 && found[0].called.is_some() && found[0].container.is_none(),
            "{base:?}: {found:?}"
        );
        // The base has no members: what they would be made from.
        let found = runs(&fleets, "shop-base").await;
        assert!(found.len() == 1 && found[0].members == 0 && found[0].image.starts_with("ami-"), "{base:?}: {found:?}");
    }
}

/// A group of that size whose template names a parameter.
fn by_parameter(sim: &Sim, image: &str, desired: u32) {
    let mut world = sim.world();
    world.add_image_alias("/shop/ami", image);
    let data = json!({ "ImageId": "resolve:ssm:/shop/ami", "InstanceType": "m6i.large" });
    let template = world.add_launch_template("aliased", &[data], 1);
    let settings = json!({
        "LaunchTemplate": { "LaunchTemplateId": template, "Version": "$Latest" },
        "AvailabilityZones": ["eu-west-1a"],
    });
    let spec =
        GroupSpec { name: "aliased".into(), max: 2, desired, settings, already_running: true, ..GroupSpec::default() };
    world.add_group(spec).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_parameter_in_a_template_means_what_it_holds_and_members_what_it_held() {
    let (sim, shop, fleets) = account(ShopOptions::default());
    by_parameter(&sim, &shop.running_ami, 0);
    let found = runs(&fleets, "aliased").await;
    assert_eq!((found[0].image.as_str(), found[0].members), (shop.running_ami.as_str(), 0));
    let (sim, shop, fleets) = account(ShopOptions::default());
    by_parameter(&sim, &shop.running_ami, 2);
    // Since they started it has got another value.
    sim.world().add_image_alias("/shop/ami", &shop.new_ami);
    let found = runs(&fleets, "aliased").await;
    assert_eq!((found[0].image.as_str(), found[0].members), (shop.running_ami.as_str(), 2));
}

#[tokio::test(start_paused = true)]
async fn what_a_service_runs_is_the_image_of_the_container_that_users_reach() {
    for compute in [Compute::Services, Compute::ServicesOnInstances] {
        let (sim, shop, fleets) = account(ShopOptions { compute, ..ShopOptions::default() });
        let found = runs(&fleets, &shop.running_group).await;
        assert_eq!((found.len(), found[0].image.as_str()), (1, shop.running_ami.as_str()), "{found:?}");
        assert!(found[0].container.is_none() && found[0].members > 0, "{found:?}");
        // A worker of two containers that no load balancer reaches.
        let definition = sim.world().register_task_definition(&json!({
            "family": "worker",
            "containerDefinitions": [
                { "name": "proxy", "image": "proxy:1", "memory": 64, "essential": false },
                { "name": "work", "image": "work:7", "memory": 64, "essential": true },
            ],
        }));
        let worker = json!({ "cluster": "shop", "serviceName": "worker", "taskDefinition": definition.unwrap(), "desiredCount": 0 });
        sim.world().add_service(&worker, false).unwrap();
        let found = runs(&fleets, "worker").await;
        let containers: Vec<(&str, Option<&str>)> =
            found.iter().map(|it| (it.image.as_str(), it.container.as_deref())).collect();
        assert_eq!(containers, [("work:7", Some("work")), ("proxy:1", Some("proxy"))]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_elastigroup_runs_is_the_image_of_its_instances() {
    let (_sim, shop, fleets) = account(ShopOptions { compute: Compute::Elastigroups, ..ShopOptions::default() });
    let all = fleets.of_any().await.unwrap();
    let serving = all.iter().find(|fleet| !fleet.members.is_empty()).expect("one serves");
    let found = fleets.runs(serving).await.unwrap();
    assert_eq!(
        (found.len(), found[0].image.as_str(), found[0].members),
        (1, shop.running_ami.as_str(), serving.members.len())
    );
}

/// The id of a member of the fleet that serves.
async fn member(fleets: &Fleets) -> String {
    let any = fleets.of_any().await.unwrap();
    let infrastructure = any.iter().find_map(|fleet| fleet.infrastructure.as_deref()).expect("there are fleets");
    let all = fleets.of(infrastructure).await.unwrap();
    all.iter().flat_map(|fleet| &fleet.members).next().expect("one serves").id.clone()
}

fn text(console: &Console, part: usize) -> &str {
    console.parts[part].text.as_deref().unwrap_or_else(|| panic!("{console:?}"))
}

/// Refuses one operation.
struct Refuses(&'static str, &'static str);

impl Faults for Refuses {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let refuse = || Fault::Refuse { status: 400, code: self.1.into(), message: "You may not.".into() };
        (request.operation == self.0).then(refuse)
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_shows_the_latest_of_its_console_with_the_time_and_without_what_steers_a_terminal() {
    for compute in [Compute::Groups, Compute::Elastigroups] {
        let (sim, _, fleets) = account(ShopOptions { compute, ..ShopOptions::default() });
        let member = member(&fleets).await;
        let console = fleets.console(&member).await.unwrap();
        assert_eq!((console.parts[0].at_millis, console.parts[0].notes.len()), (Some(sim.clock.now_millis()), 0));
        assert!(text(&console, 0).contains("[  OK  ] Reached target <b>network</b>.\n"), "{:?}", console.parts[0].text);
        assert!(!format!("{console:?}").contains("network"), "it is nothing for a log");
        let missing = fleets.console("i-00000000000000000").await.unwrap_err();
        assert!(missing.message.contains("InvalidInstanceID.NotFound"), "{missing}");
        sim.set_faults(Some(Arc::new(Refuses("GetConsoleOutput", "UnauthorizedOperation"))));
        let denied = fleets.console(&member).await.unwrap_err();
        assert_eq!(denied.kind, Kind::AccessDenied);
        assert!(denied.message.contains("Allow ec2:GetConsoleOutput"), "{denied}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_not_nitro_shows_what_ec2_has_kept_once_it_has() {
    let (sim, shop, fleets) = account(ShopOptions::default());
    {
        let mut world = sim.world();
        world.add_instance_type("t2.micro", &["x86_64"]);
        let data = json!({ "ImageId": shop.running_ami, "InstanceType": "t2.micro" });
        let template = world.add_launch_template("old", &[data], 1);
        let launch = json!({ "LaunchTemplateId": template, "Version": "1" });
        let settings = json!({ "LaunchTemplate": launch, "AvailabilityZones": ["eu-west-1a"] });
        world
            .add_group(GroupSpec { name: "old".into(), max: 1, desired: 1, settings, ..GroupSpec::default() })
            .unwrap();
    }
    sim.clock.sleep(Duration::from_secs(60)).await;
    let old = sim.world().instances_of("old").into_iter().next().expect("it has started");
    let console = fleets.console(&old).await.unwrap();
    assert_eq!(console.parts[0].text, None);
    assert!(console.parts[0].notes[0].contains("EC2 has none yet"), "{console:?}");
    sim.clock.sleep(Duration::from_secs(600)).await;
    let console = fleets.console(&old).await.unwrap();
    assert!(text(&console, 0).contains("boot: ami-"));
    assert!(console.parts[0].notes[0].contains("its last start, stop or reboot"), "{console:?}");
    let ec2 = Ec2::new(&sim.sdk_config());
    assert!(!ec2.console(&old).await.unwrap().latest);
    assert_eq!(ec2.console("shop").await.err().unwrap().code(), Some("InvalidInstanceID.Malformed"));
    assert_eq!(ec2.console("i-1").await.err().unwrap().kind(), Ec2ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_task_shows_the_last_lines_of_each_container_and_how_it_ended() {
    let (sim, shop, fleets) = account(ShopOptions { compute: Compute::Services, ..ShopOptions::default() });
    let member = member(&fleets).await;
    let console = fleets.console(&member).await.unwrap();
    assert_eq!(console.notes, Vec::<String>::new());
    assert_eq!(console.parts.len(), 2, "{console:?}");
    for (nth, part) in console.parts.iter().enumerate() {
        assert!(text(&console, nth).contains("Z app: ready on :8080\n"), "{:?}", part.text);
        assert!(
            part.notes.iter().any(|note| note.contains(&format!("app/{}/{member} in the log group /shop", part.of))),
            "{part:?}"
        );
        assert!(part.at_millis.is_some());
    }
    sim.set_faults(Some(Arc::new(Refuses("GetLogEvents", "AccessDeniedException"))));
    let denied = fleets.console(&member).await.unwrap();
    assert_eq!(denied.parts[0].text, None);
    assert!(denied.parts[0].notes[0].contains("Allow logs:GetLogEvents"), "{denied:?}");
    sim.set_faults(None);
    let stop = json!({ "cluster": "shop", "task": member, "reason": "by hand" });
    sim.handle(Request::json(crossfade_sim::Service::Ecs, "StopTask", stop)).await.expect("it answers");
    sim.clock.sleep(Duration::from_secs(300)).await;
    let ended = fleets.console(&member).await.unwrap();
    assert!(ended.notes[0].contains("STOPPED: UserInitiated: by hand"), "{ended:?}");
    assert!(ended.parts[0].notes[0].contains("exit code"), "{ended:?}");
    let missing = fleets.console("0123456789abcdef0123456789abcdef").await.unwrap_err();
    assert!(missing.message.contains("There is no task") && missing.message.contains("for an hour"), "{missing}");
    let _ = shop;
}
