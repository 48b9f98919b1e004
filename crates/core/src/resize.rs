//! The sizes that fleets are set to, and which members have to make way for them.
//!
//! What nobody planned stays: a fleet that has scaled out keeps what it has (P27), and a greatest size that somebody has set is
//! left alone.

use crate::capacity::Size;
use crate::observed::Fleet;
use crate::plan::Direction;

/// The greatest size of a fleet that had `before` and has `now`: what it had, unless somebody has set another one since. A deployment
/// itself sets no maximum but what was there, and 0.
fn own_max(before: Size, now: Size) -> u32 {
    if now.max == 0 { before.max } else { now.max }
}

/// What a fleet that had `before` is held at, so that it has so much at least until the traffic is back on it.
pub fn regrown(before: Size, now: Size, desired: u32) -> Size {
    Size { min: desired, desired, max: own_max(before, now).max(desired) }
}

/// What a fleet that gets its size back is set to.
pub fn at_least(planned: Size, now: Size) -> Size {
    let desired = planned.desired.max(now.desired);
    Size { min: planned.min, desired, max: own_max(planned, now).max(desired) }
}

/// What a fleet is set to that may not fall below `floor` and may grow to `max`.
pub fn held(now: Size, floor: u32, max: u32) -> Size {
    let desired = now.desired.max(floor);
    Size { min: floor, desired, max: max.max(desired) }
}

/// What a fleet that had `before` and was held is set to in the end: its own limits. Taken back, it has what it had at least.
pub fn released(before: Size, now: Size, direction: Direction) -> Size {
    let least = match direction {
        Direction::Deploy => before.min,
        Direction::Rollback => before.desired,
    };
    let desired = now.desired.max(least);
    Size { min: before.min, desired, max: own_max(before, now).max(desired) }
}

/// What an earlier fleet shrinks to. One that has scaled out since loses only what the plan takes from it: the difference to what it
/// has been held at, which its minimum says.
pub fn shrunk(now: Size, planned: Size) -> Size {
    if planned == Size::ZERO {
        return planned;
    }
    let taken = now.min.min(now.desired).saturating_sub(planned.min);
    let desired = now.desired.saturating_sub(taken).max(planned.min);
    Size { min: planned.min, desired, max: now.max.max(desired) }
}

/// The protected members that have to lose their protection for a fleet to shrink so far (P28).
pub fn in_the_way(fleet: &Fleet, size: Size) -> Vec<String> {
    let free: u32 = fleet.serving().filter(|member| !member.protected).map(|member| member.weight).sum();
    let mut to_go = fleet.capacity().saturating_sub(size.desired).saturating_sub(free);
    let mut ids = Vec::new();
    for member in fleet.serving().filter(|member| member.protected) {
        if to_go == 0 {
            break;
        }
        to_go = to_go.saturating_sub(member.weight);
        ids.push(member.id.clone());
    }
    ids
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observed::{Member, MemberState};

    fn size(min: u32, desired: u32, max: u32) -> Size {
        Size { min, desired, max }
    }

    #[test]
    fn p27_what_has_scaled_out_keeps_what_it_has() {
        assert_eq!(at_least(size(4, 4, 8), size(0, 6, 8)), size(4, 6, 8));
        assert_eq!(held(size(2, 6, 8), 4, 8), size(4, 6, 8));
        assert_eq!(released(size(2, 4, 8), size(4, 6, 8), Direction::Deploy), size(2, 6, 8));
        assert_eq!(released(size(2, 4, 8), size(4, 6, 8), Direction::Rollback), size(2, 6, 8));
        // Held at 4, it has grown to 6 and is to lose 1 of the 4.
        assert_eq!(shrunk(size(4, 6, 8), size(3, 3, 8)), size(3, 5, 8));
    }

    #[test]
    fn a_fleet_that_was_emptied_has_no_greatest_size_of_its_own() {
        assert_eq!(at_least(size(4, 4, 8), Size::ZERO), size(4, 4, 8));
        assert_eq!(regrown(size(2, 4, 8), Size::ZERO, 4), size(4, 4, 8));
        assert_eq!(released(size(2, 4, 8), Size::ZERO, Direction::Rollback), size(2, 4, 8));
    }

    #[test]
    fn a_greatest_size_that_somebody_has_set_since_is_left() {
        assert_eq!(at_least(size(4, 4, 8), size(4, 4, 20)), size(4, 4, 20));
        assert_eq!(regrown(size(2, 4, 8), size(2, 4, 20), 4), size(4, 4, 20));
        assert_eq!(released(size(2, 4, 8), size(4, 4, 20), Direction::Deploy), size(2, 4, 20));
        assert_eq!(shrunk(size(4, 4, 20), size(2, 2, 8)), size(2, 2, 20));
    }

    #[test]
    fn all_of_a_fleet_is_all_of_it_whatever_it_has_grown_to() {
        assert_eq!(shrunk(size(4, 7, 8), Size::ZERO), Size::ZERO);
    }

    #[test]
    fn p28_only_as_many_lose_their_protection_as_have_to_go() {
        let member = |id: &str, protected: bool, weight: u32| Member {
            id: id.into(),
            targets: vec![id.into()],
            state: MemberState::Serving,
            said: "InService".into(),
            weight,
            protected,
        };
        let members =
            vec![member("i-1", true, 1), member("i-2", false, 1), member("i-3", true, 2), member("i-4", true, 1)];
        let fleet = Fleet { members, ..crate::condition::tests::fleet(&[]) };
        let ids = |desired| in_the_way(&fleet, size(0, desired, 8));
        assert_eq!(ids(5), [""; 0]);
        assert_eq!(ids(4), [""; 0], "the one that nobody protects goes");
        assert_eq!(ids(3), ["i-1"]);
        assert_eq!(ids(2), ["i-1", "i-3"]);
        assert_eq!(ids(0), ["i-1", "i-3", "i-4"]);
    }

    proptest! {
        #[test]
        fn no_size_contradicts_itself(
            (min, desired, max) in (0u32..9, 0u32..9, 0u32..9),
            (least, wanted, most) in (0u32..9, 0u32..9, 0u32..9),
            floor in 0u32..9,
        ) {
            let ordered = |a: u32, b: u32, c: u32| { let mut of = [a, b, c]; of.sort_unstable(); size(of[0], of[1], of[2]) };
            let (before, now) = (ordered(min, desired, max), ordered(least, wanted, most));
            for made in [
                regrown(before, now, floor),
                at_least(before, now),
                held(now, floor, before.max),
                released(before, now, Direction::Deploy),
                released(before, now, Direction::Rollback),
                shrunk(now, before),
            ] {
                prop_assert!(made.min <= made.desired && made.desired <= made.max, "{made:?} of {before:?} and {now:?}");
            }
        }
    }
}
