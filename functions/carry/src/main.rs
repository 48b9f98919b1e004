//! Lets the candidate scale by itself, once it serves alone: with the policies, alarms, schedules and warm pool of its base.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::carry)
}
