//! Starts deployments of stored documents when something has happened.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::start)
}
