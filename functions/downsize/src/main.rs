//! Sets a fleet that serves nothing to size 0.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("downsize")
}
