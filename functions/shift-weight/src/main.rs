//! Sets the weights of rules and listeners and reads them back.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::shift_weight)
}
