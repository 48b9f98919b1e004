//! Calls something of the user's own, and judges what it answers.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::hook)
}
