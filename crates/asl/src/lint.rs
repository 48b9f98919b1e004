pub struct Rule; pub const RULES: &[Rule] = &[];
pub fn lint(_: &crate::StateMachine) -> Vec<crate::Problem> { vec![] }
