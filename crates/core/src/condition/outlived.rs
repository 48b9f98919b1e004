//! Whether a candidate that serves still can, and who could instead.

use super::{counted, stragglers, there};
use crate::kinds::elb::short;
use crate::observed::{Fleet, Registered, Target};
use crate::snapshot::Snapshot;

/// What tells that users would be better off with the fleets that the candidate replaces, in words: nothing of the candidate is healthy
/// any more in one of `pools`, where it serves, and all that the others have, and had when the deployment began, is healthy where it is
/// registered. They may serve less than before, or nothing: what has left production by then counts once it is in service.
///
/// Where the others are ill, too, something else is the reason, and going back would help nobody.
pub fn outlived(snapshot: &Snapshot, fleets: &[Fleet], pools: &[Registered]) -> Option<String> {
    let now = |name: &str| fleets.iter().find(|fleet| fleet.name == name);
    let candidate = now(&snapshot.candidate)?;
    let place = snapshot.destination();
    let its: Vec<Registered> = of(pools, &place);
    if there(candidate, &its) > 0 {
        return None;
    }
    let mut others = Vec::new();
    for before in snapshot.stable_fleets() {
        let wanted = |fleet: &Fleet| snapshot.there_was(&fleet.name, before.size.desired).min(fleet.size.desired);
        let fleet = now(&before.name).filter(|fleet| wanted(fleet) > 0);
        let Some(fleet) = fleet else { continue };
        let has = there(fleet, &of(pools, &fleet.attached(&snapshot.production())));
        if has < wanted(fleet) {
            return None;
        }
        others.push(format!("{has} of {}", fleet.name));
    }
    if others.is_empty() {
        return None;
    }
    let ill =
        its.iter().find(|pool| there(candidate, std::slice::from_ref(pool)) == 0).map_or_else(String::new, |pool| {
            let own: Vec<&Target> = pool.targets.iter().filter(|target| candidate.has(target)).collect();
            format!(" in {}{}", short(&pool.target_group), stragglers(&own))
        });
    Some(format!(
        "{} serves, and nothing of it is healthy any more{ill}; {}. What it replaces could take all, and is healthy: {}",
        candidate.name,
        counted(candidate),
        others.join(", ")
    ))
}

/// Those of these pools.
fn of(pools: &[Registered], names: &[String]) -> Vec<Registered> {
    pools.iter().filter(|pool| names.contains(&pool.target_group)).cloned().collect()
}
