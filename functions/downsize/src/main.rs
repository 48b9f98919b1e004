//! Makes a fleet smaller that serves nothing, or that others stand in for.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::downsize)
}
