//! Names what the roles of the template allow though no test has called it. `cargo xtask test` runs it after the last test.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use crossfade_tests::roles::unused;

/// Names what the functions' roles allow though nothing has called it.
#[derive(Parser)]
struct Options {
    /// Where the tests have written down what they call (`CROSSFADE_CALLED`)
    directory: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match unused(&options.directory) {
        Ok(unused) if unused.is_empty() => ExitCode::SUCCESS,
        Ok(unused) => {
            for (function, action) in &unused {
                eprintln!("the role of {function} allows {action}, which no test calls: test it, or take it away");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{} cannot be read: {error}", options.directory.display());
            ExitCode::FAILURE
        }
    }
}
