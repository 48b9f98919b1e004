//! Asks a person, and records the decision.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::approve)
}
