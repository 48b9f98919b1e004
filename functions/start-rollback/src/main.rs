//! Hands a failed deployment over to the rollback state machine.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::start_rollback)
}
