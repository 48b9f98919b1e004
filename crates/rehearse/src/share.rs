//! How many of the users are on the new version.

use crossfade_core::lane::Lane;
use crossfade_sim::world::World;

/// The share of the users' requests that go to the candidate, from 0 to 1: by the weights where a switch shares them out, and where it
/// shares a pool by its healthy members. Of several ways the greatest.
pub(crate) fn share(world: &World, lanes: &[Lane], candidate: &str) -> f64 {
    lanes.iter().map(|lane| of_lane(world, lane, candidate)).fold(0.0, f64::max)
}

fn of_lane(world: &World, lane: &Lane, candidate: &str) -> f64 {
    match lane.serving().filter(|_| !lane.shared()) {
        Some(switch) => {
            let routes = world.weights(switch);
            let all: u32 = routes.iter().map(|(_, weight)| weight).sum();
            let there = routes.iter().filter(|(pool, _)| pool == lane.destination()).map(|(_, weight)| weight);
            ratio(there.sum::<u32>() as usize, all as usize)
        }
        None => ratio(world.healthy_of(candidate, &lane.production), world.healthy_in(&lane.production)),
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
