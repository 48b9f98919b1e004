//! Scheduled actions as the real SDK client sees them. Pitfalls by their numbers in the semantics sheet.

mod world_support;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::operation::put_scheduled_update_group_action::builders::PutScheduledUpdateGroupActionFluentBuilder;
use aws_sdk_autoscaling::primitives::{DateTime, DateTimeFormat};
use aws_sdk_autoscaling::types::{ScheduledUpdateGroupAction, ScheduledUpdateGroupActionRequest};
use crossfade_sim::world::sample::ShopOptions;
use world_support::{Account, refusal};

const GROUP: &str = "shop__6";

fn at(text: &str) -> DateTime {
    DateTime::from_str(text, DateTimeFormat::DateTime).unwrap()
}

fn put(client: &Client, name: &str) -> PutScheduledUpdateGroupActionFluentBuilder {
    client.put_scheduled_update_group_action().auto_scaling_group_name(GROUP).scheduled_action_name(name)
}

async fn shown(client: &Client) -> Vec<ScheduledUpdateGroupAction> {
    let answer = client.describe_scheduled_actions().auto_scaling_group_name(GROUP).send().await.unwrap();
    answer.scheduled_update_group_actions.unwrap_or_default()
}

/// Minimum, maximum and desired size.
fn sizes(account: &Account) -> (u32, u32, u32) {
    let view = account.sim.world().group_view(GROUP).unwrap();
    (view.min, view.max, view.desired)
}

/// The shop, where scheduled actions run at their time to the second.
fn punctual() -> Account {
    let account = Account::new(ShopOptions::default());
    account.sim.world().settings.schedule_lateness_millis = (0, 0);
    account
}

/// Waits until a time of 5 January 2026, the day on which the account begins at nine.
async fn until(account: &Account, time: &str) {
    account.sim.clock.sleep_until(at(&format!("2026-01-05T{time}Z")).secs() as u64 * 1000).await;
}

#[tokio::test(start_paused = true)]
async fn an_action_is_shown_as_it_was_given() {
    let account = punctual();
    let end = at("2026-03-01T00:00:00Z");
    let night = put(&account.groups, "night").recurrence("0 22 * * *").time_zone("Europe/Berlin").end_time(end);
    night.min_size(1).max_size(4).desired_capacity(2).send().await.unwrap();
    let once = put(&account.groups, "once").start_time(at("2026-01-06T12:30:00Z")).max_size(9);
    once.send().await.unwrap();
    let actions = shown(&account.groups).await;
    let [night, once] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((night.recurrence(), night.time_zone()), (Some("0 22 * * *"), Some("Europe/Berlin")));
    assert_eq!((night.min_size(), night.max_size(), night.desired_capacity()), (Some(1), Some(4), Some(2)));
    assert_eq!(
        (night.start_time(), night.end_time()),
        (Some(&at("2026-01-05T21:00:00Z")), Some(&end)),
        "ten in Berlin"
    );
    assert_eq!((once.start_time(), once.recurrence()), (Some(&at("2026-01-06T12:30:00Z")), None));
    assert_eq!((once.min_size(), once.max_size(), once.desired_capacity()), (None, Some(9), None));
    assert!(once.scheduled_action_arn().unwrap().ends_with(":autoScalingGroupName/shop__6:scheduledActionName/once"));
    let early = account.groups.describe_scheduled_actions().auto_scaling_group_name(GROUP);
    let early = early.end_time(at("2026-01-06T00:00:00Z")).send().await.unwrap();
    assert_eq!(early.scheduled_update_group_actions().len(), 1);
}

/// P18, P20: at its time an action sets what it names, and the group's other sizes follow.
#[tokio::test(start_paused = true)]
async fn p20_an_action_runs_at_its_time() {
    let account = punctual();
    let one = |name, time: &str| put(&account.groups, name).start_time(at(&format!("2026-01-05T{time}Z")));
    one("raise", "09:10:00").min_size(6).send().await.unwrap();
    one("lower", "09:20:00").min_size(1).max_size(3).send().await.unwrap();
    one("exact", "09:30:00").desired_capacity(2).send().await.unwrap();
    until(&account, "09:09:59").await;
    assert_eq!(sizes(&account), (4, 8, 4));
    until(&account, "09:10:01").await;
    assert_eq!(sizes(&account), (6, 8, 6), "P18: a raised minimum raises the desired capacity");
    let activities = account.groups.describe_scaling_activities().auto_scaling_group_name(GROUP).send().await.unwrap();
    let activity = &activities.activities()[0];
    assert_eq!(activity.description(), Some("Executing scheduled action raise"));
    let cause = "At 2026-01-05T09:10:00Z a scheduled action update of AutoScalingGroup constraints to min: 6, max: 8, \
                 desired: 6 changing the desired capacity from 4 to 6.  At 2026-01-05T09:10:00Z the scheduled action \
                 raise executed. Setting min size from 4 to 6. Setting desired capacity from 4 to 6.";
    assert_eq!(activity.cause(), Some(cause));
    account.wait(10).await;
    let activities = account.groups.describe_scaling_activities().auto_scaling_group_name(GROUP).send().await.unwrap();
    let launch = activities.activities()[0].cause().unwrap();
    assert!(launch.starts_with(cause) && launch.contains("an instance was started"), "{launch}");
    until(&account, "09:20:01").await;
    assert_eq!(sizes(&account), (1, 3, 3), "a lowered maximum lowers it");
    until(&account, "09:30:01").await;
    assert_eq!(sizes(&account), (1, 3, 2));
    assert!(shown(&account.groups).await.is_empty(), "what has run once is forgotten");
}

/// P20: an action may be two minutes late, and those of a group keep their order.
#[tokio::test(start_paused = true)]
async fn p20_an_action_may_be_two_minutes_late() {
    let account = Account::new(ShopOptions::default());
    let mut late = Vec::new();
    for minute in 1..=8 {
        let start = at(&format!("2026-01-05T09:{minute:02}:00Z"));
        put(&account.groups, &format!("a{minute}"))
            .start_time(start)
            .desired_capacity(4 + minute % 5)
            .send()
            .await
            .unwrap();
    }
    until(&account, "09:15:00").await;
    let world = account.sim.world();
    let ran = world.group(GROUP).unwrap().activities.iter().filter(|it| it.description.starts_with("Executing"));
    let ran: Vec<_> = ran.map(|it| (it.description.rsplit(' ').next().unwrap().to_owned(), it.started_at)).collect();
    let names: Vec<&str> = ran.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8"]);
    for (minute, (_, at)) in (1..).zip(&ran) {
        late.push(at - (1_767_603_600_000 + minute * 60_000));
    }
    assert!(late.iter().all(|late| *late <= 120_000), "{late:?}");
    assert!(late.iter().any(|late| *late > 5_000), "{late:?}");
}

/// P20, P22: while the process is suspended nothing runs, and what was missed is not caught up with.
#[tokio::test(start_paused = true)]
async fn p22_a_suspended_schedule_stays_a_template() {
    let account = punctual();
    put(&account.groups, "each-hour").recurrence("15 * * * *").max_size(9).send().await.unwrap();
    put(&account.groups, "once").start_time(at("2026-01-05T09:05:00Z")).desired_capacity(7).send().await.unwrap();
    let process = "ScheduledActions";
    account.groups.suspend_processes().auto_scaling_group_name(GROUP).scaling_processes(process).send().await.unwrap();
    until(&account, "09:30:00").await;
    assert_eq!(sizes(&account), (4, 8, 4));
    account.groups.resume_processes().auto_scaling_group_name(GROUP).scaling_processes(process).send().await.unwrap();
    until(&account, "10:14:00").await;
    assert_eq!(sizes(&account), (4, 8, 4), "missed is missed");
    let next = shown(&account.groups).await;
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].start_time(), Some(&at("2026-01-05T10:15:00Z")));
    until(&account, "10:16:00").await;
    assert_eq!(sizes(&account), (4, 9, 4));
}

/// P21: a recurring action whose start time has passed goes on, and cannot be put again as it is shown.
#[tokio::test(start_paused = true)]
async fn p21_a_start_time_in_the_past_is_refused() {
    let account = punctual();
    account.sim.world().add_scaling(GROUP, &account.shop.target_group_a).unwrap();
    let actions = shown(&account.groups).await;
    let old = actions.iter().find(|it| it.scheduled_action_name() == Some("quarter")).unwrap();
    assert_eq!(old.start_time(), Some(&at("2024-04-01T03:15:00Z")));
    let again = || put(&account.groups, "again").recurrence(old.recurrence().unwrap()).max_size(9);
    let refused = refusal(again().start_time(*old.start_time().unwrap()).send().await);
    assert_eq!(refused, ("ValidationError".into(), "Given start time is in the past".into()));
    account
        .groups
        .delete_scheduled_action()
        .auto_scaling_group_name(GROUP)
        .scheduled_action_name("quarter")
        .send()
        .await
        .unwrap();
    again().send().await.unwrap();
    let next = account.sim.world().scheduled_action(GROUP, "again").unwrap().due;
    assert_eq!(next, at("2026-04-01T03:15:00Z").secs() as u64 * 1000);
}

/// The bounds of a recurrence: its first run is at the start time, and none is after the end time.
#[tokio::test(start_paused = true)]
async fn a_recurrence_has_bounds() {
    let account = punctual();
    let each = put(&account.groups, "each").recurrence("*/10 * * * *").start_time(at("2026-01-05T09:25:00Z"));
    each.end_time(at("2026-01-05T09:40:00Z")).desired_capacity(5).send().await.unwrap();
    until(&account, "09:59:00").await;
    let world = account.sim.world();
    let ran = world.group(GROUP).unwrap().activities.iter().filter(|it| it.description.starts_with("Executing"));
    let minutes: Vec<u64> = ran.map(|it| (it.started_at - 1_767_603_600_000) / 60_000).collect();
    assert_eq!(minutes, [25, 30, 40]);
    assert!(world.scheduled_action(GROUP, "each").is_none());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_scheduled_is_refused() {
    let account = punctual();
    let new = |name| put(&account.groups, name);
    let daily = |name| new(name).recurrence("0 1 * * *");
    let broken = [
        ("no time", new("a").max_size(1)),
        ("no size", daily("a")),
        ("no recurrence", new("a").recurrence("every day").max_size(1)),
        ("no zone", daily("a").time_zone("Mars/Olympus").max_size(1)),
        (
            "an end before the start",
            new("a").start_time(at("2026-02-02T00:00:00Z")).end_time(at("2026-02-01T00:00:00Z")).max_size(1),
        ),
        ("an end in the past", daily("a").end_time(at("2026-01-01T00:00:00Z")).max_size(1)),
        ("a minimum above the maximum", daily("a").min_size(2).max_size(1)),
        ("an unknown group", daily("a").auto_scaling_group_name("nobody").max_size(1)),
    ];
    for (what, put) in broken {
        assert_eq!(refusal(put.send().await).0, "ValidationError", "{what}");
    }
    assert!(shown(&account.groups).await.is_empty());
    daily("a").max_size(9).send().await.unwrap();
    daily("a").max_size(8).send().await.unwrap();
    assert_eq!(refusal(daily("b").max_size(9).send().await).0, "AlreadyExists", "two actions at one time");
    assert_eq!(
        refusal(
            account
                .groups
                .delete_scheduled_action()
                .auto_scaling_group_name(GROUP)
                .scheduled_action_name("b")
                .send()
                .await
        )
        .0,
        "ValidationError"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_fails_one_by_one() {
    let account = punctual();
    let action = |name: &str, recurrence: &str| {
        let action = ScheduledUpdateGroupActionRequest::builder().scheduled_action_name(name).recurrence(recurrence);
        action.max_size(9).build()
    };
    let batch = account.groups.batch_put_scheduled_update_group_action().auto_scaling_group_name(GROUP);
    let batch = batch.scheduled_update_group_actions(action("a", "0 1 * * *"));
    let batch = batch.scheduled_update_group_actions(action("b", "nonsense"));
    let batch = batch.scheduled_update_group_actions(action("c", "0 2 * * *")).send().await.unwrap();
    let failed = batch.failed_scheduled_update_group_actions();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].scheduled_action_name(), failed[0].error_code()), (Some("b"), Some("ValidationError")));
    assert_eq!(shown(&account.groups).await.len(), 2);
    let delete = account.groups.batch_delete_scheduled_action().auto_scaling_group_name(GROUP);
    let deleted = delete.scheduled_action_names("a").scheduled_action_names("b").send().await.unwrap();
    assert_eq!(deleted.failed_scheduled_actions().len(), 1);
    assert_eq!(shown(&account.groups).await[0].scheduled_action_name(), Some("c"));
}
