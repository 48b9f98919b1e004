//! Makes the candidate from its base, at size 0.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("setup")
}
