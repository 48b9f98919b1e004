//! Takes over under a higher fence and computes the way back.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::plan_rollback)
}
