//! Moves all the traffic at once: listeners exchange their target groups, or fleets change theirs.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::swap)
}
