//! The processes of a fleet that are suspended, and what that means for the part that it plays, forward and back.

use super::Own;
use crate::kinds::{Ability, Part};

/// The process that launches instances.
pub(super) const LAUNCH: &str = "Launch";
/// The process that terminates instances.
pub(super) const TERMINATE: &str = "Terminate";
/// The process that looks after the health of instances.
pub(super) const HEALTH_CHECK: &str = "HealthCheck";
/// The process that replaces instances that are not healthy.
pub(super) const REPLACE_UNHEALTHY: &str = "ReplaceUnhealthy";
/// The process by which alarms reach scaling policies.
const ALARM_NOTIFICATION: &str = "AlarmNotification";
/// The process that carries out scheduled actions.
pub const SCHEDULED_ACTIONS: &str = "ScheduledActions";
/// The process that registers new instances with target groups.
const ADD_TO_LOAD_BALANCER: &str = "AddToLoadBalancer";

/// The process that does what a fleet is able to.
pub(super) fn name(ability: Ability) -> &'static str {
    match ability {
        Ability::Launching => LAUNCH,
        Ability::Ending => TERMINATE,
        Ability::Registering => ADD_TO_LOAD_BALANCER,
        Ability::Schedules => SCHEDULED_ACTIONS,
    }
}

/// What stands in the way of a fleet's part, each in a sentence or two. `behind` a load balancer instances have to be registered.
pub(in crate::kinds) fn obstacles(part: Part, own: &Own, fleet: &str, behind: bool) -> Vec<String> {
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
    let rests = |process: &str| if part == Part::Base { own.suspends(process) } else { own.rests(process) };
    needs
        .filter(|(process, _)| rests(process))
        .map(|(process, why)| {
            let who = if own.suspends(process) { "suspended" } else { "suspended by AWS, after launches that failed" };
            let the = if part == Part::Base { "The base " } else { "" };
            format!("{the}{fleet} has the process {process} {who}: {why}. Resume it.")
        })
        .collect()
}

/// What is worth knowing about the suspended processes of a fleet that stand in nobody's way.
pub(in crate::kinds) fn remarks(part: Part, own: &Own, fleet: &str) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(process) = [HEALTH_CHECK, REPLACE_UNHEALTHY].into_iter().find(|process| own.rests(process)) {
        remarks.push(match part {
            Part::Base => format!(
                "{fleet} has the process {process} suspended, and so has a copy of it: an instance of the new fleet that falls ill is \
                 not replaced"
            ),
            _ => format!("{fleet} has the process {process} suspended: an instance of it that is ill is not replaced"),
        });
    }
    if matches!(part, Part::Base | Part::Kept) && own.rests(ALARM_NOTIFICATION) {
        remarks.push(format!(
            "{fleet} has the process {ALARM_NOTIFICATION} suspended: the new fleet will not scale by its policies"
        ));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(suspended: &[&str], given_up: &[&str]) -> Own {
        let names = |of: &[&str]| of.iter().map(|&name| name.to_owned()).collect();
        Own { suspended: names(suspended), given_up: names(given_up), heeds_balancer: true, warm_pool: None }
    }

    #[test]
    fn each_part_needs_its_own_processes_forward_and_back() {
        let needed = |part: Part, behind: bool| -> Vec<&str> {
            let all = [LAUNCH, TERMINATE, ADD_TO_LOAD_BALANCER, HEALTH_CHECK, REPLACE_UNHEALTHY, "AZRebalance"];
            all.into_iter()
                .filter(|process| !obstacles(part, &own(&[process], &[]), "shop__6", behind).is_empty())
                .collect()
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
        let given_up = own(&[], &[LAUNCH]);
        assert_eq!(obstacles(Part::Base, &given_up, "shop__6", true), Vec::<String>::new());
        for part in [Part::Kept, Part::Shrinks] {
            let told = obstacles(part, &given_up, "shop__6", true).concat();
            assert!(told.contains("Launch suspended by AWS"), "{told}");
        }
    }

    #[test]
    fn what_rests_without_harm_is_remarked() {
        let ill = own(&[REPLACE_UNHEALTHY], &[]);
        assert!(remarks(Part::Base, &ill, "shop__6").concat().contains("so has a copy of it"));
        assert!(remarks(Part::Shrinks, &ill, "shop__6").concat().contains("is not replaced"));
        let quiet = own(&[ALARM_NOTIFICATION, "AZRebalance"], &[]);
        assert!(remarks(Part::Kept, &quiet, "shop__6").concat().contains("will not scale by its policies"));
        assert_eq!(remarks(Part::Stays, &quiet, "shop__6"), Vec::<String>::new());
    }

    #[test]
    fn whoever_waits_is_told_which_process_does_not_run() {
        let both = own(&[LAUNCH, ADD_TO_LOAD_BALANCER], &[]);
        assert_eq!(
            both.hindered("shop__6", &[Ability::Launching, Ability::Registering]),
            "; shop__6 has the processes Launch and AddToLoadBalancer suspended: resume them"
        );
        assert_eq!(
            both.hindered("shop__6", &[Ability::Launching]),
            "; shop__6 has the process Launch suspended: resume it"
        );
        assert_eq!(both.hindered("shop__6", &[Ability::Ending]), "");
    }
}
