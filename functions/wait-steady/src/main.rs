//! Looks whether a stage's condition holds.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::wait_steady)
}
