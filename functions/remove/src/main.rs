//! Deletes fleets of size 0 with their alarms and launch sources.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::remove)
}
