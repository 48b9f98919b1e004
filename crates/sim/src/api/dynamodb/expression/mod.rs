//! DynamoDB's expressions: conditions, filters, key conditions, updates and projections.
//!
//! They are parsed completely before an item is looked at, so that a request with a mistake is refused whatever the
//! table holds, as DynamoDB does it.

mod condition;
mod lexer;
mod parser;
mod path;
mod placeholders;
mod update;

pub(super) use condition::{Comparison, Condition, Operand, begins_with};
pub(super) use parser::{parse_condition, parse_projection, parse_update};
pub(super) use path::{Path, project};
pub(super) use placeholders::Placeholders;
pub(super) use update::Update;
