//! What the shop's provisioners have published: the outputs of its CloudFormation stack, parameters, and Terraform's
//! outputs in an object and in a parameter.

use std::time::Duration;

use serde_json::json;

use super::Shop;
use crate::Sim;
use crate::callables::Answer;
use crate::lambda::Invocation;
use crate::world::Image;

/// Publishes what a deployment of the shop has to know, as `shop-production` in CloudFormation, under
/// `/shop/production` in Parameter Store and as `s3://shop-terraform/production.tfstate`.
pub fn publish(sim: &Sim, shop: &Shop) {
    let outputs = [("BaseName", shop.base_group.as_str()), ("RuleArn", shop.route())];
    sim.stacks().define("shop-production", &outputs);
    let printed = json!({
        "base_name": {"sensitive": false, "type": "string", "value": shop.base_group},
        "rule_arn": {"sensitive": false, "type": "string", "value": shop.route()},
    });
    let state = json!({
        "version": 4,
        "terraform_version": "1.9.8",
        "outputs": {
            "capacity_min": {"value": 2, "type": "number"},
            "capacity_desired": {"value": 3, "type": "number"},
            "capacity_max": {"value": 6, "type": "number"},
            "percents": {"value": [20, 100], "type": ["tuple", ["number", "number"]]},
            "database_password": {"value": "correct horse", "type": "string", "sensitive": true},
        },
        "resources": [{"type": "aws_db_instance", "instances": [{"attributes": {"password": "correct horse"}}]}],
    });
    let mut parameters = sim.parameters();
    parameters.define("/shop/production/ami", "String", &shop.new_ami);
    parameters.define("/shop/production/base", "String", &shop.base_group);
    parameters.define("/shop/production/terraform", "String", &printed.to_string());
    parameters.define("/shop/production/token", "SecureString", "correct horse");
    sim.objects().put("shop-terraform", "production.tfstate", state.to_string());
}

/// Publishes that, and everything else that the documents in `examples/` refer to: an image with tags, a function that is asked, an
/// endpoint and topics that are told, and the key that messages to the endpoint are signed with.
pub fn publish_for_examples(sim: &Sim, shop: &Shop) {
    publish(sim, shop);
    sim.secrets().define("shop/hooks", "a key");
    for topic in ["pager", "chat"] {
        sim.topics().define(topic);
    }
    let tested = Image::new("ami-0a11ce000000000a2").name("shop-42").tag("stage", "tested").tag("version", "42");
    sim.world().add_image(tested);
    let pass = || Invocation::Returned(json!({ "verdict": "pass" }));
    sim.callables().function("shop-smoke", move |_| (Duration::from_secs(3), pass()));
    sim.callables().endpoint("hooks.example.com", |_| Some(Answer { status: 204, ..Answer::default() }));
}
