//! Rolls back deployments whose execution died.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("sweep")
}
