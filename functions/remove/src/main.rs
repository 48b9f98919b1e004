//! Deletes fleets of size 0 and their launch sources.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("remove")
}
