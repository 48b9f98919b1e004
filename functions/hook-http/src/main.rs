//! Posts to an endpoint on behalf of `hook`, and reaches nothing else.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run_reaching_out(crossfade_lambda::handlers::hook_http)
}
