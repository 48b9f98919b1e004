//! The repository's own chores: build, lint and test, in one command.

fn main() {}
