//! The figures that crossfade holds itself to hold, and are those of the documentation.

use crossfade_tests::figures::{Figure, page, ratios};

#[test]
fn the_figures_hold_and_the_page_about_them_is_current() {
    let figures = ratios();
    let broken: Vec<String> = figures.iter().filter(|figure| !figure.holds()).map(Figure::line).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let written =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/figures.md")).expect("it is there");
    assert_eq!(page(&figures), written, "write it again: cargo xtask figures");
}
