//! Rolls back deployments whose execution died.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::sweep)
}
