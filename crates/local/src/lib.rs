//! crossfade installed in a simulated account: the shipped state machines, the shipped steps, a table and a topic.
//!
//! What it owns: the installation ([`Installation`]), what EventBridge tells it ([`rules`]), the telling of what happens in it ([`watch`]), and
//! the figures of a run ([`Summary`]). The demo, `crossfade local` and the tests all run this.
//!
//! What it must never do: play a part of crossfade or of AWS itself. It puts the two together and looks on; the only thing it
//! does of its own is what an operator does: start, approve, reject.

mod furnish;
mod installation;
mod names;
mod play;
pub mod rules;
mod summary;
pub mod watch;

pub use furnish::furnish;
pub use installation::{DEPLOY_MACHINE, FUNCTION_TIMEOUT, Installation, ROLLBACK_MACHINE, TABLE};
pub use names::Names;
pub use play::{Answer, Operator, answer, open_approval, play};
pub use summary::{Outcome, Summary, percentile};
