//! Fills in what the document refers to, writes down what is going to be deployed, takes the lock.

fn main() -> Result<(), lambda_runtime::Error> {
    crossfade_lambda::run(crossfade_lambda::handlers::prepare)
}
