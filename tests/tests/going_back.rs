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
    let table = table(&measured);
    assert!(guide.contains(&table), "`cargo xtask figures` shows this in docs/operating.md:\n{table}");
}
