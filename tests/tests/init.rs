//! `crossfade init` writes a document for what is there, which can be deployed as it stands.

mod built;
mod local;

use std::fs;
use std::path::Path;

use local::{Local, text};

const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/baf424e6c74b68c5/\
                    193838026e3ac0d8/4dc05e242e780a26";
const AMI: &str = "ami-0a11ce00000000007";

/// A file of this test that is not there yet.
fn new_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path.display().to_string()
}

#[test]
fn what_init_writes_is_valid_is_planned_and_is_deployed() {
    let local = Local::start();
    let file = new_file("init-shop.yaml");
    let init = ["init", "--group", "shop-base", "--rule", RULE, "--image", AMI];
    let to_file = [&init[..], &["--file", &file]].concat();
    let written = local.crossfade(&to_file);
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    assert!(text(&written.stderr).contains("finds 10 stages, and nothing in the way"), "{}", text(&written.stderr));
    let document = fs::read_to_string(&file).expect("it was written");
    assert_eq!(local.does(&init), document, "and the same to standard output");
    for words in ["base: shop-base", "blueGreenShift", "approveAfterPercents: [10]", "$schema="] {
        assert!(document.contains(words), "{words} is missing in\n{document}");
    }
    assert!(local.does(&["validate", &file]).contains("is valid"));
    let plan = local.does(&["plan", &file]);
    assert!(plan.contains("5. Approve shop__7 at 10 %"), "{plan}");
    // Nothing is written over, however often.
    fs::write(&file, "mine").expect("it can be changed");
    local.refuses(&to_file, &["is there already, and is not written over"]);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "mine");
    fs::write(&file, document).expect("it can be changed");
    local.does(&["deploy", &file, "--name", "first", "--set", &format!("image={AMI}")]);
    local.status("first", |status| status["question"]["stage"] == 5);
    local.does(&["approve", "first", "--stage", "5"]);
    local.status("first", |status| status["status"] == "succeeded");
}

#[test]
fn init_writes_the_image_that_runs_so_that_the_document_can_be_deployed_as_it_is() {
    for (compute, base, runs) in [
        (
            "asg",
            ["--group", "shop-base"],
            "image: ami-0a11ce00000000006    # what shop__6 runs (image-0a11ce00000000006)",
        ),
        (
            "ecs",
            ["--service", "shop/shop-base"],
            r#"image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:6"    # what shop__6 runs (container app)"#,
        ),
        ("elastigroup", ["--elastigroup", "act-1a2b3c4d/sig-ea063bb1"], "image: ami-0a11ce00000000006    # what "),
    ] {
        let local = Local::with(&["--compute", compute]);
        let file = new_file(&format!("init-runs-{compute}.yaml"));
        let init = [&["init"][..], &base, &["--rule", RULE, "--name", "shop", "--file", &file]].concat();
        let written = local.crossfade(&init);
        assert_eq!(written.status.code(), Some(0), "{compute}: {}", text(&written.stderr));
        assert!(
            text(&written.stderr).contains("stages, and nothing in the way"),
            "{compute}: {}",
            text(&written.stderr)
        );
        let document = fs::read_to_string(&file).expect("it was written");
        assert!(document.contains(runs), "{compute}: {runs} is missing in\n{document}");
        assert!(local.does(&["plan", &file]).contains("shop__7"), "{compute}");
    }
}

#[test]
fn init_says_what_it_cannot_write_a_document_for() {
    let local = Local::start();
    let group = ["init", "--group", "shop-base", "--image", AMI];
    local.refuses(&["init"], &["--group NAME, --service CLUSTER/SERVICE or --elastigroup ACCOUNT/ID"]);
    local.refuses(
        &["init", "--group", "no-such", "--image", AMI],
        &["There is no Auto Scaling group no-such in eu-west-1"],
    );
    local.refuses(&["init", "--service", "shop", "--image", "x:1"], &["expected CLUSTER/SERVICE"]);
    local.refuses(&[&group[..], &["--strategy", "shift"]].concat(), &["--strategy shift needs a rule", "--rule"]);
    local.refuses(&[&group[..], &["--rule", RULE, "--name", "not a name"]].concat(), &["service", "1 to 63 letters"]);
    // A group that serves is no template, and that is said beside the document.
    let serves = local.crossfade(&["init", "--group", "shop__6", "--image", AMI, "--name", "shop"]);
    assert_eq!(serves.status.code(), Some(0), "{}", text(&serves.stderr));
    assert!(text(&serves.stderr).contains("make a copy of shop__6 at size 0 the base"), "{}", text(&serves.stderr));
}

#[test]
fn init_knows_services_and_elastigroups() {
    for (compute, base, image) in [
        ("ecs", ["--service", "shop/shop-base"], "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:7"),
        ("elastigroup", ["--elastigroup", "act-1a2b3c4d/sig-ea063bb1"], AMI),
    ] {
        let local = Local::with(&["--compute", compute]);
        for strategy in ["shift", "swap", "canary"] {
            let file = new_file(&format!("init-{compute}-{strategy}.yaml"));
            let how = ["--rule", RULE, "--image", image, "--strategy", strategy, "--name", "shop", "--file", &file];
            local.does(&[&["init"][..], &base, &how].concat());
            local.does(&["validate", &file]);
            if strategy != "canary" {
                let plan = local.does(&["plan", &file]);
                assert!(plan.contains("shop__7"), "{compute}, {strategy}: {plan}");
            }
        }
    }
}
