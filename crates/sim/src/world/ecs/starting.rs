//! A task's life until it runs.
//!
//! What it owns: in which order a starting task goes through its states, what it then listens on, and when it is registered with
//! its service's target groups.

use serde_json::Value;

use super::events::named;
use super::placement::Place;
use super::{Definition, EcsEvent, ServiceKey, StopCode, Task, TaskState};
use crate::world::servers::{FlawsSince, Server};
use crate::world::{Stop, TargetKey, World};

impl World {
    /// Starts tasks of a deployment, as many as can be placed. `already`: they have been running for a while.
    pub(super) fn start_tasks(&mut self, key: &ServiceKey, deployment: &str, count: u32, already: bool) {
        let mut started = Vec::new();
        for _ in 0..count {
            match self.start_task(key, deployment, already) {
                Ok(Some(id)) => started.push(id),
                Ok(None) => return,
                Err(trouble) => {
                    self.tell_trouble(key, &trouble);
                    let until = self.now + self.settings.ecs.placement_retry_millis;
                    if let Some(service) = self.ecs.services.get_mut(key) {
                        service.rests_until = service.rests_until.max(until);
                    }
                    break;
                }
            }
        }
        if !started.is_empty() && !already {
            let replaced = self.ecs.services.get_mut(key).map_or(0, |service| {
                let replaced = service.replaces.min(started.len());
                service.replaces -= replaced;
                replaced
            });
            let mut what = format!("has started {} tasks: {}.", started.len(), named(&started));
            if replaced > 0 {
                what.push_str(&format!(" Amazon ECS replaced {replaced} tasks due to an unhealthy status."));
            }
            self.tell(key, &what);
        }
    }

    fn start_task(&mut self, key: &ServiceKey, deployment: &str, already: bool) -> Result<Option<String>, String> {
        let Some(service) = self.ecs.services.get(key) else { return Ok(None) };
        let Some(of) = service.deployments.iter().find(|it| it.id == deployment) else { return Ok(None) };
        let Some(definition) = self.task_definition(&of.definition).cloned() else { return Ok(None) };
        let (config, tags) = (of.config.clone(), service.task_tags(&definition));
        let behaviour = self.behaviour_of(&definition);
        if let Some(trouble) = behaviour.placement_failure.filter(|_| !already) {
            return Err(trouble);
        }
        let Place { host, zone, ports } = self.place(key, &definition, &config)?;
        let id = self.hex(32);
        let slot = self.next_slot();
        let address = (definition.network_mode() == "awsvpc").then(|| self.ecs.next_address());
        let mut task = Task {
            id: id.clone(),
            arn: format!("arn:aws:ecs:{}:{}:task/{}/{id}", self.region, self.account, key.0),
            service: key.clone(),
            deployment: deployment.to_owned(),
            definition: definition.arn.clone(),
            state: TaskState::Provisioning,
            server: Server {
                ready_at: u64::MAX,
                fails_at: u64::MAX,
                sick: false,
                stopped: None,
                flaws: FlawsSince::default(),
                slot,
            },
            address,
            host,
            zone,
            targets: Vec::new(),
            ports,
            protected_until: None,
            stop: None,
            exit_code: None,
            ill: None,
            tags,
            config,
            created_at: self.now,
            pull_at: None,
            pulled_at: None,
            started_at: None,
            stopping_at: None,
            stopped_at: None,
            let_go: false,
            has_health_check: definition.has_health_check(),
        };
        task.targets = targets_of(&task);
        let own_address = task.address.is_some();
        self.ecs.tasks.insert(id.clone(), task);
        if let Some(service) = self.ecs.services.get_mut(key) {
            service.tasks.push(id.clone());
        }
        if already {
            self.assume_running(&id);
        } else {
            let first = if own_address { self.between(self.settings.ecs.provision_millis) } else { 0 };
            self.ecs_in(first, EcsEvent::Starts { task: id.clone() });
        }
        Ok(Some(id))
    }

    /// A task that starts goes a step further.
    pub(super) fn task_starts(&mut self, id: &str) {
        let Some(task) = self.ecs.tasks.get(id).filter(|task| task.is_living()) else { return };
        let Some(definition) = self.task_definition(&task.definition).cloned() else { return };
        let behaviour = self.behaviour_of(&definition);
        let (state, now) = (task.state, self.now);
        match state {
            TaskState::Provisioning => {
                let (shortest, longest) = behaviour.pull_seconds;
                let pull = self.between((shortest * 1000, longest * 1000));
                self.step_task(id, TaskState::Pending, |task| task.pull_at = Some(now));
                self.ecs_in(pull, EcsEvent::Starts { task: id.to_owned() });
            }
            TaskState::Pending => match behaviour.start_failure {
                Some(reason) => self.fail_to_start(id, &reason),
                None => {
                    self.step_task(id, TaskState::Activating, |task| task.pulled_at = Some(now));
                    self.ecs_in(self.settings.ecs.activation_millis, EcsEvent::Starts { task: id.to_owned() });
                }
            },
            TaskState::Activating => {
                let (shortest, longest) = behaviour.boot_seconds;
                let ready_at = now + self.between((shortest * 1000, longest * 1000));
                self.run_task(id, &definition, ready_at);
                if let Some(seconds) = behaviour.exits_after_seconds {
                    self.ecs_in(seconds * 1000, EcsEvent::Exits { task: id.to_owned() });
                }
                self.ecs_in(self.settings.ecs.registration_millis, EcsEvent::Registers { task: id.to_owned() });
            }
            _ => {}
        }
    }

    fn step_task(&mut self, id: &str, state: TaskState, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.ecs.tasks.get_mut(id) {
            task.state = state;
            change(task);
        }
    }

    /// A task's containers have started.
    fn run_task(&mut self, id: &str, definition: &Definition, ready_at: u64) {
        let (now, behaviour) = (self.now, self.behaviour_of(definition));
        self.step_task(id, TaskState::Running, |task| {
            task.started_at = Some(now);
            task.server.ready_at = ready_at;
            task.server.sick = !behaviour.passes_health_checks;
            task.server.flaws = behaviour.flaws.of(ready_at);
            task.server.fails_at = behaviour.fails_after_seconds.map_or(u64::MAX, |seconds| ready_at + seconds * 1000);
        });
        let Some(task) = self.ecs.tasks.get(id) else { return };
        let key = task.service.clone();
        for (_, target) in task.targets.clone() {
            self.ecs.addresses.insert(target, id.to_owned());
        }
        if let Some(service) = self.ecs.services.get_mut(&key) {
            service.start_failures = 0;
        }
        self.expect_tick(&key);
    }

    /// A task that runs is registered with its target groups.
    pub(super) fn task_registers(&mut self, id: &str) {
        let Some(task) = self.ecs.tasks.get(id).filter(|task| task.is_running()).cloned() else { return };
        for (target_group, target) in &task.targets {
            self.register(target_group, &target.id, Some(target.port));
        }
        for arn in task.registries() {
            self.map_register(&arn, id, !task.has_health_check, false);
        }
        self.tell_targets(&task, "registered");
        self.expect_tick(&task.service);
    }

    /// A task never comes to run.
    fn fail_to_start(&mut self, id: &str, reason: &str) {
        let Some(task) = self.ecs.tasks.get(id) else { return };
        let key = task.service.clone();
        if let Some(service) = self.ecs.services.get_mut(&key) {
            service.failed_starts += 1;
        }
        self.note_failure(id);
        self.stop_task(id, StopCode::TaskFailedToStart, reason);
    }

    /// A task has been running, registered and healthy for a while: for accounts that are looked at for the first time.
    fn assume_running(&mut self, id: &str) {
        let Some(task) = self.ecs.tasks.get(id) else { return };
        let Some(definition) = self.task_definition(&task.definition).cloned() else { return };
        let (now, targets) = (self.now, task.targets.clone());
        self.run_task(id, &definition, now);
        self.step_task(id, TaskState::Running, |task| (task.pull_at, task.pulled_at) = (Some(now), Some(now)));
        for (target_group, target) in targets {
            self.register(&target_group, &target.id, Some(target.port));
            self.assume_healthy(&target_group, &target.id);
        }
        let task = self.ecs.tasks.get(id).map(|task| (task.registries(), task.has_health_check));
        for arn in task.iter().flat_map(|(arns, _)| arns) {
            self.map_register(arn, id, task.as_ref().is_some_and(|(_, check)| !check), true);
        }
    }

    /// From now on a task's application answers every request with an error. Answers whether there is such a task.
    pub fn sicken_task(&mut self, id: &str) -> bool {
        let now = self.now;
        let Some(task) = self.ecs.tasks.get_mut(id) else { return false };
        task.server.fails_at = task.server.fails_at.min(now);
        let slot = task.server.slot;
        self.cut(slot, Stop::Exited.cuts());
        self.settle();
        true
    }
}

/// As what a task is registered with which target groups.
pub(super) fn targets_of(task: &Task) -> Vec<(String, TargetKey)> {
    let of = |balancer: &Value| {
        let target_group = balancer["targetGroupArn"].as_str()?.to_owned();
        let container = balancer["containerName"].as_str()?.to_owned();
        let port = u16::try_from(balancer["containerPort"].as_u64()?).ok()?;
        let target = match (&task.address, &task.host) {
            (Some(address), _) => TargetKey { id: address.clone(), port },
            (None, Some(host)) => TargetKey { id: host.clone(), port: *task.ports.get(&(container, port))? },
            (None, None) => return None,
        };
        Some((target_group, target))
    };
    task.config.get("loadBalancers").and_then(Value::as_array).into_iter().flatten().filter_map(of).collect()
}

impl super::Ecs {
    /// The next address of a network interface: none is given twice.
    fn next_address(&mut self) -> String {
        loop {
            self.given += 1;
            let number = self.given + 9;
            let address = format!("10.0.{}.{}", number / 250, number % 250 + 4);
            // Tasks that were there from the start have theirs already.
            if !self.addresses.keys().any(|target| target.id == address) {
                return address;
            }
        }
    }
}
