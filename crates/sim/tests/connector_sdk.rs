//! SDK clients of the same process: their time, their retries, their names.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_smithy_types::timeout::TimeoutConfig;
use crossfade_sim::world::sample::{ShopOptions, shop};
use crossfade_sim::{Call, Fault, Faults, Request, Service, Settings, Sim};

/// The faults for the first calls, in their order.
struct First(Mutex<Vec<Fault>>);

impl First {
    fn of(faults: impl Into<Vec<Fault>>) -> Option<Arc<dyn Faults>> {
        Some(Arc::new(Self(Mutex::new(faults.into()))))
    }
}

impl Faults for First {
    fn strike(&self, _nth: usize, _request: &Request) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap();
        if faults.is_empty() { None } else { Some(faults.remove(0)) }
    }
}

fn throttle() -> Fault {
    Fault::Refuse { status: 400, code: "ThrottlingException".to_owned(), message: "Rate exceeded".to_owned() }
}

async fn publish(sim: &Arc<Sim>, sns: &Client) -> Result<(), aws_sdk_sns::Error> {
    let arn = sim.topics().define("alarms");
    sns.publish().topic_arn(arn).message("x").send().await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_is_retried_in_virtual_time() {
    let sim = Sim::new(Settings::default());
    sim.set_faults(First::of([throttle(), throttle()]));
    publish(&sim, &Client::new(&sim.sdk_config())).await.unwrap();
    let calls = sim.calls();
    let outcomes: Vec<_> = calls.iter().map(|call| (call.status, call.error.as_deref())).collect();
    assert_eq!(outcomes, [(400, Some("ThrottlingException")), (400, Some("ThrottlingException")), (200, None)]);
    // Backoff passed for the account: two waits of up to one and two seconds.
    let waited = calls[2].at_millis - calls[0].at_millis;
    assert!((81..=3080).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_took_effect_and_is_retried() {
    let sim = Sim::new(Settings::default());
    sim.set_faults(First::of([Fault::LoseReply]));
    publish(&sim, &Client::new(&sim.sdk_config())).await.unwrap();
    assert_eq!(sim.topics().published().len(), 2, "once without a reply, once with");
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_took_no_effect_and_is_retried() {
    let sim = Sim::new(Settings::default());
    sim.set_faults(First::of([Fault::LoseRequest]));
    publish(&sim, &Client::new(&sim.sdk_config())).await.unwrap();
    assert_eq!(sim.calls().len(), 2);
    assert_eq!(sim.topics().published().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_gives_up_after_three_attempts_and_its_read_timeout() {
    let sim = Sim::new(Settings::default());
    let silence = |arrives| Fault::Silence { arrives };
    sim.set_faults(First::of([silence(false), silence(true), silence(false)]));
    let timeouts = TimeoutConfig::builder().read_timeout(Duration::from_secs(30)).build();
    let sns = Client::new(&sim.sdk_config().into_builder().timeout_config(timeouts).build());
    let arn = sim.topics().define("alarms");
    let error = sns.publish().topic_arn(arn).message("x").send().await.unwrap_err();
    assert!(matches!(error, aws_sdk_sns::error::SdkError::DispatchFailure(ref failure) if failure.is_timeout()));
    let passed = sim.clock.now_millis() - sim.settings.epoch_millis;
    assert!(passed > 90_000, "three read timeouts: {passed}");
    assert_eq!(sim.calls().len(), 3);
    assert_eq!(sim.topics().published().len(), 1, "the second one arrived");
}

#[tokio::test(start_paused = true)]
async fn without_a_read_timeout_silence_lasts_for_ever() {
    let sim = Sim::new(Settings::default());
    sim.set_faults(First::of([Fault::Silence { arrives: false }]));
    let sns = Client::new(&sim.sdk_config());
    let waiting = tokio::time::timeout(Duration::from_secs(3_600), sns.list_topics().send()).await;
    assert!(waiting.is_err(), "{waiting:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_is_what_the_same_question_was_answered_with_before() {
    let sim = Sim::new(Settings::default());
    shop(&mut sim.world(), ShopOptions::default());
    let ask = || Request::query(Service::AutoScaling, "DescribeAutoScalingGroups", [("MaxRecords", "100")]);
    let desired = async |fault: Option<Fault>| {
        sim.set_faults(First::of(fault.into_iter().collect::<Vec<_>>()));
        let answer = sim.handle(ask()).await.expect("it answers");
        String::from_utf8_lossy(&answer.body).matches("<DesiredCapacity>5</DesiredCapacity>").count()
    };
    let stale = |within_millis| Some(Fault::Stale { within_millis });
    assert_eq!(desired(stale(60_000)).await, 0, "nobody has asked before");
    sim.world().resize("shop__6", 4, 8, 5).expect("it is there");
    assert!(sim.can_be_stale(&ask(), 60_000));
    assert_eq!(desired(stale(60_000)).await, 0, "as it was");
    assert_eq!(desired(None).await, 1);
    assert_eq!(desired(stale(60_000)).await, 0, "still within a minute");
    sim.clock.sleep(Duration::from_secs(90)).await;
    assert!(!sim.can_be_stale(&ask(), 60_000));
    assert_eq!(desired(stale(60_000)).await, 1, "too long ago");
}

#[tokio::test(start_paused = true)]
async fn the_sdks_own_timeouts_run_in_virtual_time() {
    let sim = Sim::new(Settings { call_latency: Duration::from_secs(600), ..Settings::default() });
    let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(60)).build();
    let sns = Client::new(&sim.sdk_config().into_builder().timeout_config(timeouts).build());
    let error = sns.list_topics().send().await.unwrap_err();
    assert!(matches!(error, aws_sdk_sns::error::SdkError::TimeoutError(_)));
    assert_eq!(sim.clock.now_millis() - sim.settings.epoch_millis, 60_000);
    assert!(sim.calls().is_empty(), "the request was still on its way");
}

#[tokio::test(start_paused = true)]
async fn calls_bear_the_name_of_their_caller() {
    let sim = Sim::new(Settings::default());
    Client::new(&sim.sdk_config_for("shift-weight")).list_topics().send().await.unwrap();
    Client::new(&sim.sdk_config()).list_topics().send().await.unwrap();
    let callers: Vec<_> = sim.calls().into_iter().map(|call| call.caller).collect();
    assert_eq!(callers, [Some("shift-weight".to_owned()), None]);
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_keep_the_account_alive() {
    let sim = Sim::new(Settings::default());
    let sns = Client::new(&sim.sdk_config());
    drop(sim);
    let error = sns.list_topics().send().await.unwrap_err();
    assert!(format!("{error:?}").contains("Arc<Sim> was dropped"), "{error:?}");
}

/// A storm of faults, drawn from the account's seed.
async fn storm(seed: u64) -> Vec<(u64, String, u16)> {
    let sim = Sim::new(Settings { seed, ..Settings::default() });
    let mut faults = vec![];
    for n in 0..20 {
        faults.push(match n % 4 {
            0 => throttle(),
            1 => Fault::LoseReply,
            _ => Fault::LoseRequest,
        });
    }
    sim.set_faults(First::of(faults));
    let sns = Client::new(&sim.sdk_config());
    for _ in 0..12 {
        let _ = publish(&sim, &sns).await;
    }
    sim.calls().into_iter().map(|Call { at_millis, operation, status, .. }| (at_millis, operation, status)).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_calls_at_the_same_times() {
    let first = storm(7).await;
    assert_eq!(first, storm(7).await);
    assert_ne!(first, storm(8).await, "the seed decides the jitter");
}
