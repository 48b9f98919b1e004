//! How many points a case has to have: what a run does not pass, no fault strikes.

use super::matrix::Matrix;

/// How many points each case has at least: (case, calls, invocations, states). A run that passes fewer of them would prove less, and
/// nobody would notice. Whoever makes deployments shorter on purpose lowers them.
const FLOORS: &[(&str, usize, usize, usize)] = &[
    ("basic", 108, 10, 23),
    ("basic, rejected", 164, 21, 58),
    ("canary", 179, 18, 41),
    ("canary, rejected", 233, 29, 77),
    ("shift", 151, 14, 31),
    ("shift, rejected", 195, 22, 57),
    ("shift, ecs", 376, 17, 38),
    ("shift, ecs, rejected", 395, 24, 61),
    ("canary, ecs", 470, 22, 51),
    ("canary, ecs, rejected", 423, 25, 59),
    ("shift, elastigroup, rejected", 388, 22, 52),
    ("canary, elastigroup", 639, 22, 52),
    ("shift, elastigroup, deleting drains, rejected", 388, 22, 52),
    ("shift, elastigroup, suspension blocks, rejected", 388, 22, 52),
    ("shift, elastigroup, names contain, rejected", 388, 22, 52),
    ("shift, elastigroup, not seen for a while, rejected", 468, 24, 57),
    ("shift, elastigroup, suspensions end early, rejected", 388, 22, 52),
    ("shift, elastigroup, first end counts, rejected", 388, 22, 52),
    ("shift, elastigroup, ends untold, rejected", 388, 22, 52),
    ("shift, elastigroup, put to rest for a while, rejected", 388, 22, 52),
    ("canary, elastigroup, put to rest for a while, rejected", 676, 26, 59),
    ("shift, elastigroup, slow market, rejected", 508, 28, 69),
    ("shift, elastigroup, quick market, rejected", 346, 22, 52),
    ("shift, elastigroup, few calls, rejected", 367, 23, 57),
    ("shift, elastigroup, late tasks, rejected", 388, 22, 52),
    ("shift, elastigroup, empty market, rejected", 392, 23, 55),
    ("swap", 155, 16, 36),
    ("swap, rejected", 235, 30, 79),
    ("listener swap", 141, 12, 27),
    ("listener swap, rejected", 212, 22, 57),
    ("shift, equipped", 202, 16, 35),
    ("shift, equipped, rejected", 214, 24, 63),
    ("shift, pruning", 168, 15, 35),
    ("shift, paused", 158, 16, 34),
    ("shift, measured", 178, 26, 63),
    ("shift, hooked, rejected", 234, 29, 79),
    ("shift, dns", 466, 25, 60),
    ("shift, dns, rejected", 429, 32, 81),
    ("shift, stacks", 262, 21, 50),
    ("shift, stacks, rejected", 277, 31, 82),
    ("shift, network, rejected", 197, 23, 60),
];

/// The cases that have lost points, in words.
pub fn check_floors(matrix: &Matrix) -> Vec<String> {
    let mut shrunk = Vec::new();
    for (case, baseline) in matrix.cases.iter().zip(&matrix.baselines) {
        let name = case.name();
        let points = &baseline.points;
        let found = (points.calls.len(), points.invocations.len(), points.states.len());
        match FLOORS.iter().find(|(of, ..)| *of == name) {
            None => {
                shrunk.push(format!("{name} has no floor: add (\"{name}\", {}, {}, {})", found.0, found.1, found.2))
            }
            Some(&(_, calls, invocations, states)) => {
                if found.0 < calls || found.1 < invocations || found.2 < states {
                    let expected = (calls, invocations, states);
                    shrunk.push(format!("{name} has only {found:?} calls, invocations and states, not {expected:?}"));
                }
            }
        }
    }
    shrunk
}
