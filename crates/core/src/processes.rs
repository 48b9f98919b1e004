//! The processes of a fleet that are suspended, and what that means for the part that it plays, forward and back.

use crate::observed::{ADD_TO_LOAD_BALANCER, Fleet};

/// The process that launches instances.
pub const LAUNCH: &str = "Launch";
/// The process that terminates instances.
pub const TERMINATE: &str = "Terminate";
/// The process that looks after the health of instances.
pub const HEALTH_CHECK: &str = "HealthCheck";
/// The process that replaces instances that are not healthy.
pub const REPLACE_UNHEALTHY: &str = "ReplaceUnhealthy";
/// The process by which alarms reach scaling policies.
pub const ALARM_NOTIFICATION: &str = "AlarmNotification";

/// The part that a fleet plays in a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The base: a copy of it, with the processes that somebody has suspended, grows, and shrinks again in a rollback.
    Base,
    /// A kept revision that takes over: it grows, and shrinks again in a rollback.
    Kept,
    /// An earlier fleet that shrinks, and grows back in a rollback.
    Shrinks,
    /// An earlier fleet that stays up.
    Stays,
}

/// What stands in the way of a fleet's part, each in a sentence or two. `behind` a load balancer instances have to be registered.
pub fn obstacles(part: Part, fleet: &Fleet, behind: bool) -> Vec<String> {
    let registers = (ADD_TO_LOAD_BALANCER, "new instances would never be registered with a target group");
    let needs: &[(&str, &str)] = match part {
        Part::Base => &[
            (LAUNCH, "a copy of it would never have an instance"),
            (TERMINATE, "a copy of it could not be taken back"),
            registers,
        ],
        Part::Kept => {
            &[(LAUNCH, "it could not take over"), (TERMINATE, "a rollback could not size it to 0 again"), registers]
        }
        Part::Shrinks => &[
            (TERMINATE, "it could not be downsized"),
            (LAUNCH, "a rollback could not bring its instances back"),
            registers,
        ],
        Part::Stays => &[registers],
    };
    let needs = needs.iter().filter(|(process, _)| behind || *process != ADD_TO_LOAD_BALANCER);
    // A copy does not have what AWS has suspended by itself (P22).
    let rests = |process: &str| if part == Part::Base { fleet.suspends(process) } else { fleet.rests(process) };
    needs
        .filter(|(process, _)| rests(process))
        .map(|(process, why)| {
            let who =
                if fleet.suspends(process) { "suspended" } else { "suspended by AWS, after launches that failed" };
            let the = if part == Part::Base { "The base " } else { "" };
            format!("{the}{} has the process {process} {who}: {why}. Resume it.", fleet.name)
        })
        .collect()
}

/// What is worth knowing about the suspended processes of a fleet that stand in nobody's way.
pub fn remarks(part: Part, fleet: &Fleet) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(process) = [HEALTH_CHECK, REPLACE_UNHEALTHY].into_iter().find(|process| fleet.rests(process)) {
        remarks.push(match part {
            Part::Base => format!(
                "{} has the process {process} suspended, and so has a copy of it: an instance of the new fleet that falls ill is \
                 not replaced",
                fleet.name
            ),
            _ => format!("{} has the process {process} suspended: an instance of it that is ill is not replaced", fleet.name),
        });
    }
    if matches!(part, Part::Base | Part::Kept) && fleet.rests(ALARM_NOTIFICATION) {
        remarks.push(format!(
            "{} has the process {ALARM_NOTIFICATION} suspended: the new fleet will not scale by its policies",
            fleet.name
        ));
    }
    remarks
}

/// Which of these processes do not run, for whoever waits for what they do; empty when all of them run.
pub fn suspended(fleet: &Fleet, processes: &[&str]) -> String {
    let rest: Vec<&str> = processes.iter().copied().filter(|process| fleet.rests(process)).collect();
    match rest.as_slice() {
        [] => String::new(),
        [one] => format!("; {} has the process {one} suspended: resume it", fleet.name),
        many => format!("; {} has the processes {} suspended: resume them", fleet.name, many.join(" and ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::Size;

    fn fleet(suspended: &[&str], given_up: &[&str]) -> Fleet {
        let names = |of: &[&str]| of.iter().map(|&name| name.to_owned()).collect();
        Fleet {
            name: "shop__6".into(),
            infrastructure: None,
            revision: Some(6),
            deployment: None,
            size: Size::pinned(2),
            target_groups: Vec::new(),
            sources: Vec::new(),
            members: Vec::new(),
            source: None,
            deleting: false,
            suspended: names(suspended),
            given_up: names(given_up),
            heeds_balancer: true,
            warm_pool: None,
            wakes: None,
        }
    }

    #[test]
    fn each_part_needs_its_own_processes_forward_and_back() {
        let needed = |part: Part, behind: bool| -> Vec<&str> {
            let all = [LAUNCH, TERMINATE, ADD_TO_LOAD_BALANCER, HEALTH_CHECK, REPLACE_UNHEALTHY, "AZRebalance"];
            all.into_iter().filter(|process| !obstacles(part, &fleet(&[process], &[]), behind).is_empty()).collect()
        };
        for part in [Part::Base, Part::Kept, Part::Shrinks] {
            assert_eq!(needed(part, true), [LAUNCH, TERMINATE, ADD_TO_LOAD_BALANCER], "{part:?}");
            assert_eq!(needed(part, false), [LAUNCH, TERMINATE], "{part:?}");
        }
        assert_eq!(needed(Part::Stays, true), [ADD_TO_LOAD_BALANCER]);
        assert_eq!(needed(Part::Stays, false), Vec::<&str>::new());
    }

    #[test]
    fn what_aws_has_suspended_stands_in_the_way_of_all_but_the_base() {
        let given_up = fleet(&[], &[LAUNCH]);
        assert_eq!(obstacles(Part::Base, &given_up, true), Vec::<String>::new());
        for part in [Part::Kept, Part::Shrinks] {
            let told = obstacles(part, &given_up, true).concat();
            assert!(told.contains("Launch suspended by AWS"), "{told}");
        }
    }

    #[test]
    fn what_rests_without_harm_is_remarked() {
        let ill = fleet(&[REPLACE_UNHEALTHY], &[]);
        assert!(remarks(Part::Base, &ill).concat().contains("so has a copy of it"));
        assert!(remarks(Part::Shrinks, &ill).concat().contains("is not replaced"));
        let quiet = fleet(&[ALARM_NOTIFICATION, "AZRebalance"], &[]);
        assert!(remarks(Part::Kept, &quiet).concat().contains("will not scale by its policies"));
        assert_eq!(remarks(Part::Stays, &quiet), Vec::<String>::new());
    }

    #[test]
    fn whoever_waits_is_told_which_process_does_not_run() {
        let both = fleet(&[LAUNCH, ADD_TO_LOAD_BALANCER], &[]);
        assert_eq!(
            suspended(&both, &[LAUNCH, ADD_TO_LOAD_BALANCER]),
            "; shop__6 has the processes Launch and AddToLoadBalancer suspended: resume them"
        );
        assert_eq!(suspended(&both, &[LAUNCH]), "; shop__6 has the process Launch suspended: resume it");
        assert_eq!(suspended(&both, &[TERMINATE]), "");
    }
}
