//! The crossfade command.
fn main() {}
