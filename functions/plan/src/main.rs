//! Looks at the account, writes down the snapshot and the plan.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::plan)
}
