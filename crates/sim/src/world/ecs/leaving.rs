//! How tasks stop.
//!
//! What it owns: everything from the decision that a task stops until nobody lists it any more. A task that its service stops
//! leaves its target groups first, drains for as long as they say, and only then gets SIGTERM. One that somebody stops, that
//! ends by itself, or whose host is gone, does not (P90).

use super::{EcsEvent, StopCode, Task, TaskState};
use crate::world::{Stop, World};

/// How long after the end of a task that nobody has drained its targets are deregistered: shortest, longest.
const NOTICED_MILLIS: (u64, u64) = (3_000, 5_000);

impl World {
    /// A service stops one of its tasks.
    pub(super) fn stop_task(&mut self, id: &str, code: StopCode, reason: &str) {
        let Some(state) = self.mark_stopping(id, code, reason) else { return };
        if state == TaskState::Running {
            self.set_state(id, TaskState::Deactivating);
            let soon = self.between(self.settings.ecs.deregistration_millis);
            self.ecs_in(soon, EcsEvent::Leaves { task: id.to_owned() });
        } else {
            self.set_state(id, TaskState::Stopping);
            self.ecs_in(self.settings.ecs.activation_millis, EcsEvent::Leaves { task: id.to_owned() });
        }
    }

    /// Somebody stops a task, which nobody drains. Answers whether there is one that runs.
    pub fn stop_task_by_hand(&mut self, id: &str, reason: &str) -> bool {
        let stops = self.mark_stopping(id, StopCode::UserInitiated, reason).is_some();
        if stops {
            self.terminate_task(id);
            self.notice_soon(id);
            self.settle();
        }
        stops
    }

    /// AWS takes away what a task runs on. Answers whether there was one to take.
    pub fn kill_task(&mut self, id: &str) -> bool {
        let reason = match self.ecs.tasks.get(id).and_then(|task| task.host.clone()) {
            Some(host) => format!("Host EC2 (instance {host}) terminated."),
            None => "Your Fargate task was stopped by AWS.".into(),
        };
        let ran = self.ecs.tasks.get(id).is_some_and(|task| task.state < TaskState::Deprovisioning);
        if ran {
            self.mark_stopping(id, StopCode::TerminationNotice, &reason);
            self.end_server(id, Stop::Killed);
            self.notice_soon(id);
            self.set_state(id, TaskState::Deprovisioning);
            let gone = NOTICED_MILLIS.1 + self.between(self.settings.ecs.deprovision_millis);
            self.ecs_in(gone, EcsEvent::Leaves { task: id.to_owned() });
            self.settle();
        }
        ran
    }

    /// A task's essential container ends by itself.
    pub(super) fn task_exits(&mut self, id: &str) {
        if self.ecs.tasks.get(id).is_none_or(|task| !task.is_running()) {
            return;
        }
        self.note_failure(id);
        self.mark_stopping(id, StopCode::EssentialContainerExited, "Essential container in task exited");
        if let Some(task) = self.ecs.tasks.get_mut(id) {
            task.exit_code = Some(1);
        }
        self.end_server(id, Stop::Exited);
        self.notice_soon(id);
        self.set_state(id, TaskState::Stopping);
        self.ecs_in(self.settings.ecs.activation_millis, EcsEvent::Leaves { task: id.to_owned() });
    }

    /// A task's essential container ends now. Answers whether it ran.
    pub fn crash_task(&mut self, id: &str) -> bool {
        let runs = self.ecs.tasks.get(id).is_some_and(Task::is_running);
        self.task_exits(id);
        self.settle();
        runs
    }

    /// From now on a task is not meant to run any more. Answers where it stood, unless it was stopping already.
    fn mark_stopping(&mut self, id: &str, code: StopCode, reason: &str) -> Option<TaskState> {
        let now = self.now;
        let task = self.ecs.tasks.get_mut(id).filter(|task| task.is_living())?;
        task.stop = Some((code, reason.to_owned()));
        task.stopping_at = Some(now);
        let (state, key) = (task.state, task.service.clone());
        self.expect_tick(&key);
        Some(state)
    }

    fn set_state(&mut self, id: &str, state: TaskState) {
        if let Some(task) = self.ecs.tasks.get_mut(id) {
            task.state = state;
        }
    }

    /// The load balancers are going to be told that a task has gone.
    fn notice_soon(&mut self, id: &str) {
        let soon = self.between(NOTICED_MILLIS);
        self.ecs_in(soon, EcsEvent::Deregisters { task: id.to_owned() });
    }

    /// A task's targets are deregistered. Answers until when the last of them drains.
    pub(super) fn task_deregisters(&mut self, id: &str) -> Option<u64> {
        let task = self.ecs.tasks.get_mut(id).filter(|task| !task.let_go)?;
        task.let_go = true;
        let task = task.clone();
        let deregistered: Vec<(String, u64)> = task
            .targets
            .iter()
            .filter_map(|(arn, target)| Some((arn.clone(), self.deregister(arn, &target.id, Some(target.port))?)))
            .collect();
        for arn in task.registries() {
            self.map_deregister(&arn, id);
        }
        for (target_group, _) in &deregistered {
            self.tell(&task.service, &format!("deregistered 1 targets in (target-group {target_group})"));
        }
        deregistered.into_iter().map(|(_, until)| until).max()
    }

    /// A task that stops goes a step further.
    pub(super) fn task_leaves(&mut self, id: &str) {
        let Some(task) = self.ecs.tasks.get(id) else { return };
        let (state, let_go, key, deployment) = (task.state, task.let_go, task.service.clone(), task.deployment.clone());
        match state {
            TaskState::Deactivating if !let_go => {
                let drains = self.task_deregisters(id);
                if drains.is_some() {
                    let name = &key.1;
                    self.tell_plain(
                        &key,
                        &format!("(service {name}, taskSet {deployment}) has begun draining connections on 1 tasks."),
                    );
                }
                let until = drains.map_or(self.now, |until| until + self.settings.ecs.sigterm_millis);
                self.schedule(until, crate::world::Event::Ecs(EcsEvent::Leaves { task: id.to_owned() }));
            }
            TaskState::Deactivating => self.terminate_task(id),
            TaskState::Stopping => {
                self.end_server(id, Stop::Stopped);
                self.set_state(id, TaskState::Deprovisioning);
                let gone = self.between(self.settings.ecs.deprovision_millis);
                self.ecs_in(gone, EcsEvent::Leaves { task: id.to_owned() });
            }
            TaskState::Deprovisioning => self.task_has_stopped(id),
            _ => {}
        }
    }

    /// A task's containers get SIGTERM: they take no new requests, finish what they have begun, and end.
    fn terminate_task(&mut self, id: &str) {
        let now = self.now;
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        let ran = task.started_at.is_some();
        task.state = TaskState::Stopping;
        if ran {
            task.exit_code.get_or_insert(0);
        }
        if task.server.stopped.is_none() {
            task.server.stopped = Some((now, Stop::Stopped));
        }
        let definition = task.definition.clone();
        let patience = self.task_definition(&definition).map_or(30_000, super::Definition::stop_timeout_millis);
        self.traffic.reroute();
        let takes = self.between(self.settings.ecs.exit_millis).min(patience);
        self.ecs_in(takes, EcsEvent::Leaves { task: id.to_owned() });
    }

    /// A task's containers do not run any more: what they were about to answer is lost.
    fn end_server(&mut self, id: &str, why: Stop) {
        let now = self.now;
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        let why = task.server.stopped.get_or_insert((now, why)).1;
        let slot = task.server.slot;
        self.cut(slot, why.cuts());
    }

    fn task_has_stopped(&mut self, id: &str) {
        let now = self.now;
        // Nobody has told the load balancers yet, when it has never been drained.
        self.task_deregisters(id);
        let Some(task) = self.ecs.tasks.get_mut(id) else { return };
        task.state = TaskState::Stopped;
        task.stopped_at = Some(now);
        let task = task.clone();
        self.give_back_place(&task);
        self.expect_tick(&task.service);
        self.ecs_in(self.settings.ecs.stopped_millis, EcsEvent::Forgotten { task: id.to_owned() });
    }

    /// A stopped task is not listed any more.
    pub(super) fn task_forgotten(&mut self, id: &str) {
        let Some(task) = self.ecs.tasks.remove(id) else { return };
        self.ecs.addresses.retain(|_, at| at != id);
        self.map_forget(id);
        if let Some(service) = self.ecs.services.get_mut(&task.service) {
            service.tasks.retain(|it| it != id);
        }
    }
}
