//! How long each way back takes, as the guide shows it.

use std::fs;

use crossfade_core::plan::BACK_SECONDS;
use crossfade_tests::back::{table, ways};

#[tokio::test(start_paused = true)]
async fn the_ways_back_take_what_the_guide_says() {
    let measured = ways().await;
    // What a plan says of its stages: nobody waits, no function is at work, and what served is whole.
    let waits = ["`crossfade reject ID`", "`crossfade rollback ID`", "none: a watched alarm goes off"];
    let at_once = measured.iter().filter(|(state, command, _)| *state != "it has succeeded" && waits.contains(command));
    assert_eq!(at_once.map(|(_, _, seconds)| *seconds).max(), Some(BACK_SECONDS), "{measured:?}");
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md");
    let guide = fs::read_to_string(guide).expect("it is there");
    // The card to print has the same figures.
    let card = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/emergency.md");
    let card = fs::read_to_string(card).expect("it is there");
    for (_, command, seconds) in &measured {
        let command = command.trim_matches('`').replace("crossfade ", "");
        let mut rows = card.lines().filter(|line| line.contains(&format!("`crossfade {command}")));
        let shown = command.starts_with("none") || rows.any(|row| row.contains(&format!("{seconds} s")));
        assert!(shown, "show in docs/emergency.md: {command} takes {seconds} s");
    }
    let table = table(&measured);
    assert!(guide.contains(&table), "`cargo xtask figures` shows this in docs/operating.md:\n{table}");
}
