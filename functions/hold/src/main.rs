//! Sets the size of a fleet that is to serve.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("hold")
}
