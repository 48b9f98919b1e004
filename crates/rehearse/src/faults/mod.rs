//! What goes wrong in a run, and where: the faults of rehearsals, and of the matrix in the tests.
//!
//! What it owns: the kinds of fault ([`kind`]), the points at which they can strike ([`points`]), and the striking ([`injector`]).
//! What it must never do: judge what became of a run.

pub mod injector;
pub mod kind;
pub mod points;
