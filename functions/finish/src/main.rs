//! Records the outcome, gives the lock back, and tells people.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::finish)
}
