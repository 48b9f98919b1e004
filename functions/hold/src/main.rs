//! Keeps earlier fleets from scaling in by themselves, and gives them their own limits back.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::hold)
}
