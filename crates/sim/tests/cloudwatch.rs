//! CloudWatch's alarms and metrics as the real SDK client sees them, and as the other two protocols do.

mod world_support;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, Metric, MetricAlarm, MetricDataQuery, MetricStat, ScanBy, StandardUnit, StateValue,
    Statistic, Tag,
};
use crossfade_sim::world::sample::ShopOptions;
use crossfade_sim::{Fault, Faults, Request, Service};
use world_support::{Account, between, refusal};

fn account() -> (Account, Client) {
    let account = Account::new(ShopOptions::default());
    let client = Client::new(&account.sim.sdk_config());
    (account, client)
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

/// An alarm on a group's CPU: three minutes above 80 %.
fn busy(client: &Client, name: &str) -> PutMetricAlarmFluentBuilder {
    client
        .put_metric_alarm()
        .alarm_name(name)
        .namespace("AWS/EC2")
        .metric_name("CPUUtilization")
        .dimensions(dimension("AutoScalingGroupName", "shop__6"))
        .statistic(Statistic::Average)
        .period(60)
        .evaluation_periods(3)
        .threshold(80.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
}

async fn shown(client: &Client, name: &str) -> MetricAlarm {
    let answer = client.describe_alarms().alarm_names(name).send().await.unwrap();
    answer.metric_alarms.unwrap().remove(0)
}

async fn state(client: &Client, name: &str) -> StateValue {
    shown(client, name).await.state_value.unwrap()
}

/// Every field of an alarm comes back as it was given, and a new alarm knows nothing yet.
#[tokio::test(start_paused = true)]
async fn an_alarm_echoes_every_field() {
    let (_account, client) = account();
    let put = busy(&client, "all of <it>")
        .set_statistic(None)
        .alarm_description("é & more")
        .actions_enabled(false)
        .ok_actions("arn:aws:sns:eu-west-1:123456789012:ok")
        .alarm_actions("arn:aws:sns:eu-west-1:123456789012:alarm")
        .insufficient_data_actions("arn:aws:sns:eu-west-1:123456789012:unknown")
        .extended_statistic("p99.9")
        .unit(StandardUnit::Percent)
        .datapoints_to_alarm(2)
        .threshold(72.5)
        .treat_missing_data("breaching")
        .evaluate_low_sample_count_percentile("ignore")
        .tags(Tag::builder().key("team").value("shop").build());
    put.send().await.unwrap();
    let alarm = shown(&client, "all of <it>").await;
    assert_eq!(alarm.alarm_arn(), Some("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:all of <it>"));
    assert_eq!(alarm.alarm_description(), Some("é & more"));
    assert_eq!(alarm.actions_enabled(), Some(false));
    assert_eq!(alarm.ok_actions(), ["arn:aws:sns:eu-west-1:123456789012:ok"]);
    assert_eq!(alarm.alarm_actions(), ["arn:aws:sns:eu-west-1:123456789012:alarm"]);
    assert_eq!(alarm.insufficient_data_actions(), ["arn:aws:sns:eu-west-1:123456789012:unknown"]);
    assert_eq!((alarm.namespace(), alarm.metric_name()), (Some("AWS/EC2"), Some("CPUUtilization")));
    assert_eq!(alarm.dimensions(), [dimension("AutoScalingGroupName", "shop__6")]);
    assert_eq!((alarm.statistic(), alarm.extended_statistic()), (None, Some("p99.9")));
    assert_eq!(alarm.unit(), Some(&StandardUnit::Percent));
    assert_eq!((alarm.period(), alarm.evaluation_periods(), alarm.datapoints_to_alarm()), (Some(60), Some(3), Some(2)));
    assert_eq!(alarm.threshold(), Some(72.5));
    assert_eq!(alarm.comparison_operator(), Some(&ComparisonOperator::GreaterThanThreshold));
    assert_eq!(alarm.treat_missing_data(), Some("breaching"));
    assert_eq!(alarm.evaluate_low_sample_count_percentile(), Some("ignore"));
    assert_eq!(alarm.state_value(), Some(&StateValue::InsufficientData), "P25: a new alarm knows nothing yet");
    assert_eq!(alarm.state_updated_timestamp().unwrap().secs(), 1_767_603_600);

    let arn = alarm.alarm_arn().unwrap();
    let tags = || async { client.list_tags_for_resource().resource_arn(arn).send().await.unwrap().tags.unwrap() };
    assert_eq!(tags().await, [Tag::builder().key("team").value("shop").build()]);
    let more = Tag::builder().key("page").value("").build();
    client.tag_resource().resource_arn(arn).tags(more.clone()).send().await.unwrap();
    client.untag_resource().resource_arn(arn).tag_keys("team").send().await.unwrap();
    assert_eq!(tags().await, [more]);
    // Putting it again replaces every setting; tags and state stay.
    busy(&client, "all of <it>").send().await.unwrap();
    let alarm = shown(&client, "all of <it>").await;
    assert_eq!((alarm.alarm_description(), alarm.actions_enabled()), (None, Some(true)));
    assert!(alarm.alarm_actions().is_empty());
    assert_eq!(tags().await.len(), 1);
}

/// Metric math and bands for thresholds are kept, too.
#[tokio::test(start_paused = true)]
async fn an_alarm_on_queries_echoes_them() {
    let (_account, client) = account();
    let metric = Metric::builder().namespace("Shop").metric_name("Queue").dimensions(dimension("Shard", "1")).build();
    let stat = MetricStat::builder().metric(metric).period(300).stat("p90").unit(StandardUnit::Count).build();
    let queries = [
        MetricDataQuery::builder().id("m").metric_stat(stat).return_data(true).build(),
        MetricDataQuery::builder().id("band").expression("ANOMALY_DETECTION_BAND(m, 2)").label("normal").build(),
    ];
    let put = client.put_metric_alarm().alarm_name("odd").set_metrics(Some(queries.to_vec())).evaluation_periods(2);
    let put = put.comparison_operator(ComparisonOperator::LessThanLowerOrGreaterThanUpperThreshold);
    put.clone().threshold_metric_id("band").send().await.unwrap();
    let alarm = shown(&client, "odd").await;
    assert_eq!(alarm.metrics(), queries);
    assert_eq!((alarm.threshold_metric_id(), alarm.threshold()), (Some("band"), None));
    assert_eq!(
        refusal(put.threshold(1.0).send().await).1,
        "Exactly one element of the metrics list should return data."
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_contradicts_itself_is_refused() {
    let (_account, client) = account();
    let whole = || busy(&client, "a");
    let broken = [
        ("the name", whole().set_alarm_name(None)),
        ("the metric", whole().set_metric_name(None)),
        ("the namespace", whole().set_namespace(None)),
        ("the period", whole().set_period(None)),
        ("the statistic", whole().set_statistic(None)),
        ("the comparison", whole().set_comparison_operator(None)),
        ("the threshold", whole().set_threshold(None)),
        ("the number of periods", whole().set_evaluation_periods(None)),
        ("two statistics", whole().extended_statistic("p90")),
        ("an odd period", whole().period(61)),
        ("more points than periods", whole().datapoints_to_alarm(4)),
        ("a way to treat missing data", whole().treat_missing_data("hope")),
        ("six actions", whole().set_alarm_actions(Some(vec!["arn:x".into(); 6]))),
    ];
    for (what, put) in broken {
        // The SDK itself refuses a request without a name; everything else is the service's to say.
        let Err(error) = put.send().await else { panic!("{what}") };
        let code = error.code().unwrap_or("the client");
        assert!(code == "ValidationError" || what == "the name", "{what}: {code}");
    }
    assert!(client.describe_alarms().send().await.unwrap().metric_alarms().is_empty());
    whole().send().await.unwrap();
    let set = client.set_alarm_state().alarm_name("b").state_value(StateValue::Ok).state_reason("x").send().await;
    assert!(set.unwrap_err().into_service_error().is_resource_not_found());
}

#[tokio::test(start_paused = true)]
async fn alarms_are_found_by_name_prefix_state_action_and_page() {
    let (_account, client) = account();
    for number in 0..7 {
        busy(&client, &format!("shop-{number}")).send().await.unwrap();
    }
    busy(&client, "other").ok_actions("arn:aws:sns:eu-west-1:123456789012:t").send().await.unwrap();
    let names = |answer: aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput| -> Vec<String> {
        answer.metric_alarms().iter().map(|alarm| alarm.alarm_name().unwrap().to_owned()).collect()
    };
    let prefix = client.describe_alarms().alarm_name_prefix("shop-");
    let pages: Vec<_> = prefix.max_records(3).into_paginator().send().try_collect().await.unwrap();
    let pages: Vec<_> = pages.into_iter().map(names).collect();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(pages.concat(), (0..7).map(|number| format!("shop-{number}")).collect::<Vec<_>>());
    let acting = client.describe_alarms().action_prefix("arn:aws:sns:").send().await.unwrap();
    assert_eq!(names(acting), ["other"]);
    let fine = client.set_alarm_state().alarm_name("shop-3").state_value(StateValue::Ok).state_reason("a test");
    fine.send().await.unwrap();
    assert_eq!(names(client.describe_alarms().state_value(StateValue::Ok).send().await.unwrap()), ["shop-3"]);
    let gone = client.delete_alarms().alarm_names("shop-3").alarm_names("never-was");
    gone.send().await.unwrap();
    assert!(names(client.describe_alarms().send().await.unwrap()).iter().all(|name| name != "shop-3"));
    client.disable_alarm_actions().alarm_names("shop-1").send().await.unwrap();
    assert_eq!(shown(&client, "shop-1").await.actions_enabled(), Some(false));
    client.enable_alarm_actions().alarm_names("shop-1").send().await.unwrap();
    assert_eq!(shown(&client, "shop-1").await.actions_enabled(), Some(true));
}

/// An alarm follows its metric, minute by minute.
#[tokio::test(start_paused = true)]
async fn alarms_follow_their_metric() {
    let (account, client) = account();
    let force = |value| account.sim.world().force_metric("shop__6", "CPUUtilization", value);
    busy(&client, "strict").send().await.unwrap();
    busy(&client, "two-of-three").datapoints_to_alarm(2).send().await.unwrap();
    // Fifty requests a second, over four instances that could each do a hundred.
    account.wait(61).await;
    let shown = shown(&client, "strict").await;
    assert_eq!(shown.state_value(), Some(&StateValue::Ok));
    assert!(shown.state_reason().unwrap().contains("12."), "{:?}", shown.state_reason());
    force(Some(90.0));
    account.wait(60).await;
    force(Some(70.0));
    account.wait(60).await;
    force(Some(90.0));
    account.wait(60).await;
    assert_eq!(state(&client, "strict").await, StateValue::Ok, "one of the three was below");
    assert_eq!(state(&client, "two-of-three").await, StateValue::Alarm);
    account.wait(120).await;
    assert_eq!(state(&client, "strict").await, StateValue::Alarm);
    force(None);
    account.wait(60).await;
    assert_eq!(state(&client, "strict").await, StateValue::Ok);
    // A state that somebody sets lasts until the next look.
    let set = client.set_alarm_state().alarm_name("strict").state_value(StateValue::Alarm).state_reason("a test");
    set.send().await.unwrap();
    assert_eq!(state(&client, "strict").await, StateValue::Alarm);
    account.wait(60).await;
    assert_eq!(state(&client, "strict").await, StateValue::Ok);
}

/// The four ways to treat missing data.
#[tokio::test(start_paused = true)]
async fn missing_data_is_treated_as_asked() {
    let (account, client) = account();
    for treatment in ["missing", "ignore", "breaching", "notBreaching"] {
        let put = busy(&client, treatment).set_dimensions(Some(vec![dimension("AutoScalingGroupName", "nowhere")]));
        put.treat_missing_data(treatment).send().await.unwrap();
    }
    account.sim.world().force_metric("nowhere", "CPUUtilization", Some(10.0));
    account.wait(61).await;
    assert_eq!(state(&client, "breaching").await, StateValue::Ok, "two of three are missing, one is not");
    account.sim.world().force_metric("nowhere", "CPUUtilization", None);
    account.wait(240).await;
    assert_eq!(state(&client, "missing").await, StateValue::InsufficientData);
    assert_eq!(state(&client, "ignore").await, StateValue::Ok);
    let set = client.set_alarm_state().alarm_name("ignore").state_value(StateValue::Alarm).state_reason("a test");
    set.send().await.unwrap();
    account.wait(120).await;
    assert_eq!(state(&client, "ignore").await, StateValue::Alarm, "it stays what it is");
    assert_eq!(state(&client, "breaching").await, StateValue::Alarm);
    assert_eq!(state(&client, "notBreaching").await, StateValue::Ok);
}

/// A period of five minutes has one value, made of its minutes by the statistic.
#[tokio::test(start_paused = true)]
async fn a_period_aggregates_its_minutes() {
    let (account, client) = account();
    let long = |name: &str| busy(&client, name).period(300).evaluation_periods(1).threshold(50.0);
    long("average").send().await.unwrap();
    long("greatest").statistic(Statistic::Maximum).send().await.unwrap();
    long("median").set_statistic(None).extended_statistic("p50").send().await.unwrap();
    long("sum").statistic(Statistic::Sum).send().await.unwrap();
    for value in [10.0, 10.0, 20.0, 20.0, 90.0] {
        account.sim.world().force_metric("shop__6", "CPUUtilization", Some(value));
        account.wait(60).await;
    }
    let states = ["average", "greatest", "median", "sum"].map(|name| state(&client, name));
    let [average, greatest, median, sum] = states;
    assert_eq!((average.await, greatest.await), (StateValue::Ok, StateValue::Alarm));
    assert_eq!((median.await, sum.await), (StateValue::Ok, StateValue::Alarm));
}

/// The same request in JSON, as boto3 writes it, and as a form.
#[tokio::test(start_paused = true)]
async fn json_and_query_are_spoken_too() {
    let (account, client) = account();
    busy(&client, "a").send().await.unwrap();
    let names = serde_json::json!({ "AlarmNames": ["a"] });
    let json = account.sim.handle(Request::json(Service::CloudWatch, "DescribeAlarms", names)).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json.body).unwrap();
    let alarm = &json["MetricAlarms"][0];
    assert_eq!((&alarm["Threshold"], &alarm["Period"]), (&serde_json::json!(80.0), &serde_json::json!(60)));
    assert_eq!(alarm["StateUpdatedTimestamp"], serde_json::json!(1_767_603_600.04), "seconds");
    let form = [("AlarmNames.member.1", "a")];
    let xml = account.sim.handle(Request::query(Service::CloudWatch, "DescribeAlarms", form)).await.unwrap();
    assert_eq!(between(&xml, "MetricName"), "CPUUtilization");
    assert_eq!(between(&xml, "StateUpdatedTimestamp"), "2026-01-05T09:00:00.040Z");
    let refused = account.sim.handle(Request::query(Service::CloudWatch, "PutMetricAlarm", [])).await.unwrap();
    assert_eq!((refused.status, between(&refused, "Code").as_str()), (400, "ValidationError"));
}

/// Errors that faults put in the way arrive in the protocol of the request, and the client understands them.
#[tokio::test(start_paused = true)]
async fn faults_speak_cbor() {
    struct Always;
    impl Faults for Always {
        fn strike(&self, _: usize, _: &Request) -> Option<Fault> {
            Some(Fault::Refuse { status: 403, code: "AccessDenied".into(), message: "no".into() })
        }
    }
    let (account, client) = account();
    account.sim.set_faults(Some(std::sync::Arc::new(Always)));
    assert_eq!(refusal(client.describe_alarms().send().await), ("AccessDenied".into(), "no".into()));
    let calls = account.sim.calls();
    assert_eq!(calls[0].operation, "DescribeAlarms");
    assert_eq!(calls[0].error.as_deref(), Some("AccessDenied"));
}

/// What GetMetricData says of a metric of target group shop-a (or, without a target group, of its load balancer), oldest first.
async fn data(account: &Account, client: &Client, name: &str, of_group: bool, stat: &str) -> Vec<(i64, f64)> {
    let label = |arn: &str| arn.rsplit(':').next().unwrap().trim_start_matches("loadbalancer/").to_owned();
    let group = of_group.then(|| dimension("TargetGroup", &label(&account.shop.target_group_a)));
    let dimensions =
        [dimension("LoadBalancer", &label(&account.shop.load_balancer))].into_iter().chain(group).collect();
    let metric = Metric::builder().namespace("AWS/ApplicationELB").metric_name(name).set_dimensions(Some(dimensions));
    let stat = MetricStat::builder().metric(metric.build()).period(60).stat(stat).build();
    let query = MetricDataQuery::builder().id("q0").metric_stat(stat).build();
    let now = i64::try_from(account.sim.clock.now_millis() / 1000).unwrap();
    let call = client.get_metric_data().metric_data_queries(query).scan_by(ScanBy::TimestampAscending);
    let call = call.start_time(DateTime::from_secs(now - 3600)).end_time(DateTime::from_secs(now + 60));
    let answer = call.send().await.unwrap().metric_data_results.unwrap().remove(0);
    let times = answer.timestamps.unwrap_or_default().into_iter().map(|time| time.secs());
    times.zip(answer.values.unwrap_or_default()).collect()
}

/// Minutes have their values, the newest ones late and incomplete; what was 0 is absent, and whoever had no requests has no times.
#[tokio::test(start_paused = true)]
async fn metrics_of_load_balancers_come_by_the_minute_late_and_incomplete_at_first() {
    let (account, client) = account();
    account.wait(600).await;
    let requests = data(&account, &client, "RequestCount", true, "Sum").await;
    let old: Vec<f64> = requests.iter().rev().skip(3).map(|(_, value)| *value).collect();
    assert!(old.len() >= 6 && old.iter().all(|value| (2_950.0..=3_005.0).contains(value)), "{requests:?}");
    let (newest, before) = (requests[requests.len() - 1], requests[requests.len() - 2]);
    assert!(newest.1 < 2_500.0 && before.1 < 2_500.0, "it is not complete yet: {requests:?}");
    account.wait(180).await;
    let later = data(&account, &client, "RequestCount", true, "Sum").await;
    let completed = later.iter().find(|(at, _)| *at == newest.0).unwrap();
    assert!(completed.1 > 2_900.0, "it has changed since: {later:?}");

    assert_eq!(data(&account, &client, "HTTPCode_Target_5XX_Count", true, "Sum").await, [], "absent, not 0");
    assert_eq!(data(&account, &client, "HTTPCode_ELB_5XX_Count", false, "Sum").await, []);
    let hosts = data(&account, &client, "UnHealthyHostCount", true, "Maximum").await;
    assert!(hosts.len() >= 10 && hosts.iter().all(|(_, value)| *value == 0.0), "hosts are counted: {hosts:?}");
    let (half, most) = (
        data(&account, &client, "TargetResponseTime", true, "p50").await,
        data(&account, &client, "TargetResponseTime", true, "p99").await,
    );
    assert!(half.iter().zip(&most).all(|(half, most)| half.1 < most.1), "{half:?} {most:?}");
}

/// What an application answers with errors is told by its target group, and what nobody answers by the load balancer.
#[tokio::test(start_paused = true)]
async fn errors_are_told_of_whoever_made_them() {
    let (account, client) = account();
    account.sim.world().settings.background_errors_per_mille = 20;
    account.wait(600).await;
    let errors = data(&account, &client, "HTTPCode_Target_5XX_Count", true, "Sum").await;
    let old = &errors[..errors.len() - 3];
    assert!(old.iter().all(|(_, value)| (30.0..=90.0).contains(value)), "some 60 of 3,000: {errors:?}");
    assert_eq!(account.sim.world().traffic().totals.lost, 0, "they are not lost by how it is run");
    let members = account.sim.world().group("shop__6").unwrap().members.clone();
    for id in members {
        account.sim.world().kill_instance(&id);
    }
    account.wait(300).await;
    let unanswered = data(&account, &client, "HTTPCode_ELB_5XX_Count", false, "Sum").await;
    assert!(unanswered.iter().any(|(_, value)| *value > 100.0), "{unanswered:?}");
}
