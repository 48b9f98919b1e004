//! Sets the weights of the router and reads them back.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("shift-weight")
}
