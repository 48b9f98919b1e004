//! Topics through the real SDK client.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use crossfade_sim::{Settings, Sim};

#[tokio::test(start_paused = true)]
async fn what_is_published_can_be_read() {
    let sim = Sim::new(Settings::default());
    let sns = Client::new(&sim.sdk_config());
    let arn = sns.create_topic().name("alarms").send().await.unwrap().topic_arn.unwrap();
    assert_eq!(arn, "arn:aws:sns:eu-west-1:123456789012:alarms");
    assert_eq!(sns.create_topic().name("alarms").send().await.unwrap().topic_arn.unwrap(), arn, "made twice is one");

    let service = MessageAttributeValue::builder().data_type("String").string_value("shop").build().unwrap();
    let reply = sns
        .publish()
        .topic_arn(&arn)
        .subject("FailedDirty")
        .message("what is left: <fleet> & rule")
        .message_attributes("service", service)
        .send()
        .await
        .unwrap();

    let topics = sim.topics();
    let [message] = topics.published() else { panic!("{:?}", topics.published()) };
    assert_eq!(reply.message_id.as_deref(), Some(message.message_id.as_str()));
    assert_eq!(message.subject.as_deref(), Some("FailedDirty"));
    assert_eq!(message.message, "what is left: <fleet> & rule");
    assert_eq!(message.attributes["service"], "shop");
    // Three calls of 40 ms came before it and with it.
    assert_eq!(message.at_millis, Settings::default().epoch_millis + 120);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_is_not_found() {
    let sim = Sim::new(Settings::default());
    let sns = Client::new(&sim.sdk_config());
    let error = sns.publish().topic_arn("arn:aws:sns:eu-west-1:123456789012:no").message("x").send().await.unwrap_err();
    assert!(error.into_service_error().is_not_found_exception());
    let arn = sim.topics().define("t");
    let error = sns.publish().topic_arn(arn).send().await.unwrap_err();
    assert!(error.into_service_error().is_invalid_parameter_exception(), "an empty message");
    assert!(sim.topics().published().is_empty());
}

#[tokio::test(start_paused = true)]
async fn topics_are_listed_page_by_page() {
    let sim = Sim::new(Settings::default());
    let expected: Vec<_> = (0..205).map(|n| sim.topics().define(&format!("topic-{n:03}"))).collect();
    let sns = Client::new(&sim.sdk_config());
    let pages: Vec<_> = sns.list_topics().into_paginator().send().try_collect().await.unwrap();
    assert_eq!(pages.len(), 3);
    let arns: Vec<_> = pages.iter().flat_map(|page| page.topics()).map(|t| t.topic_arn().unwrap()).collect();
    assert_eq!(arns, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_simulated_is_refused() {
    let sim = Sim::new(Settings::default());
    let sns = Client::new(&sim.sdk_config());
    let error = sns.subscribe().topic_arn("a").protocol("email").send().await.unwrap_err().into_service_error();
    assert_eq!(error.meta().code(), Some("InvalidAction"));
    assert!(error.meta().message().unwrap().contains("Subscribe"));
}
