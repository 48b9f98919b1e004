//! Looks whether a stage's condition holds.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("wait-steady")
}
