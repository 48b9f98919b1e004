//! docs/tutorial.md can be done by its text alone: its blocks run here as a script, against `crossfade local`.

mod built;
mod local;

use std::fs;
use std::process::Command;

use local::{Local, aws_cli, finished, text};

/// The blocks that are typed in the second terminal, in order.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(lines), line) => {
                lines.push_str(line);
                lines.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// What is typed, each line followed by a look at its exit code. A line that is to fail says so.
fn script(page: &str) -> String {
    let aws = aws_cli();
    let words = std::iter::once(aws.get_program()).chain(aws.get_args()).map(|word| word.display().to_string());
    let mut script = format!("set -u\naws() {{ command {} \"$@\"; }}\n", words.collect::<Vec<_>>().join(" "));
    for line in blocks(page).concat().lines().filter(|line| !line.is_empty()) {
        let code = line.split_once("# exits with ").map_or("0", |(_, code)| code.trim());
        let shown = line.replace('\'', "");
        // Nobody types the next line before the deployment has written something down.
        let line = if line.starts_with("crossfade deploy") {
            format!("{line}\ncode=$?; sleep 5; (exit $code)")
        } else {
            line.into()
        };
        script.push_str(&format!(
            "echo '$ {shown}'\n{line}\ncode=$?\ntest $code = {code} || {{ echo \"exit code $code instead of {code}\"; exit 1; }}\n"
        ));
    }
    script
}

#[test]
fn the_tutorial_can_be_done_by_its_text_alone() {
    let page = fs::read_to_string(built::root().join("docs/tutorial.md")).expect("it is there");
    assert!(page.contains("$ crossfade local --speed 30\n"), "the first terminal");
    let local = Local::start();
    let address = format!("http://{}", local.address());
    let script = script(&page.replace("http://127.0.0.1:4580", &address));
    let folder = built::programs(&["crossfade"]).display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let mut bash = local.reached_by(Command::new("bash"));
    let output = finished(bash.args(["-c", &script]).env("PATH", path));
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}");
    for seen in
        ["shop__7", "first-back-to-6", "stops before its next stage", "latency doubled", "FAILED DIRTY", "is frozen"]
    {
        assert!(said.contains(seen), "{seen} is not seen:\n{said}");
    }
}
