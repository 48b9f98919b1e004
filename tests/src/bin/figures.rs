//! Measures the figures that crossfade holds itself to, and prints the page about them; with the argument `back` it measures the ways
//! back, and prints their table. `cargo xtask figures` writes both into the documentation.

use std::process::ExitCode;

use crossfade_rehearse::drive::in_virtual_time;
use crossfade_tests::back;
use crossfade_tests::figures::{page, ratios};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(clippy::print_stdout)]
fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("back") {
        print!("{}", back::table(&in_virtual_time(back::ways())));
        return ExitCode::SUCCESS;
    }
    let figures = ratios();
    print!("{}", page(&figures));
    let mut broken = figures.iter().filter(|figure| !figure.holds()).peekable();
    let code = if broken.peek().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    broken.for_each(|figure| eprintln!("not as it is to be: {}", figure.line()));
    code
}
