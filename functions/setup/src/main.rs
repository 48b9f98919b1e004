//! Brings the candidate about at size 0: a copy of its base, or a kept revision.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::setup)
}
