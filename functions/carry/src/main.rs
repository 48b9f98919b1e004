//! Gives the candidate, once it serves alone, what its base carries: scaling policies with alarms, scheduled actions, warm pool.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run("carry")
}
