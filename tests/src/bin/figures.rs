//! Measures the figures that crossfade holds itself to, and prints the page about them. `cargo xtask figures` writes it into the
//! documentation.

use std::process::ExitCode;

use crossfade_tests::figures::{page, ratios};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[allow(clippy::print_stdout)]
fn main() -> ExitCode {
    let figures = ratios();
    print!("{}", page(&figures));
    let mut broken = figures.iter().filter(|figure| !figure.holds()).peekable();
    let code = if broken.peek().is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    broken.for_each(|figure| eprintln!("not as it is to be: {}", figure.line()));
    code
}
