//! Lifecycle hooks: what holds an instance on its way in and on its way out, and who lets it go.
//!
//! What it owns: the hooks of groups, the lifecycle actions of instances, their timeouts, and the application that
//! answers them. It must never start or stop an instance; `launching` and `leaving` do that when it lets go.
//!
//! Instances without hooks cost nothing: no event is scheduled for them.

use std::collections::BTreeMap;

use super::{Event, Lifecycle, Refusal, Tree, World, timestamp_seconds};

/// What a hook holds instances on: their way in.
const LAUNCHING: &str = "autoscaling:EC2_INSTANCE_LAUNCHING";
/// What a hook holds instances on: their way out.
const TERMINATING: &str = "autoscaling:EC2_INSTANCE_TERMINATING";

/// The longest that an action can be kept open by heartbeats.
const GLOBAL_SECONDS: u64 = 172_800;
/// How long an instance takes to go on once nothing holds it.
const PROCEED_MILLIS: u64 = 1_000;
/// How many hooks a group may have.
const MAX_HOOKS: usize = 50;

/// How the application answers the hooks that hold a group's instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookAnswer {
    /// `CONTINUE`, after so many seconds.
    After(u64),
    /// `ABANDON`, after so many seconds.
    Abandon(u64),
    /// Not at all: the hook's timeout decides, with the hook's default result.
    Never,
}

/// How a lifecycle action ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookResult {
    /// The instance may go on.
    Continue,
    /// It is given up.
    Abandon,
}

impl HookResult {
    /// As the API spells it.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "CONTINUE" => Ok(Self::Continue),
            "ABANDON" => Ok(Self::Abandon),
            other => Err(Refusal::validation(&format!("{other} is not a valid lifecycle action result"))),
        }
    }
}

/// One hook's hold on one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LifecycleAction {
    token: String,
    /// When its timeout runs out, unless a heartbeat comes.
    deadline: u64,
    /// When heartbeats help no more.
    ends_by: u64,
}

/// How a request names an action: by its token or by its instance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ActionName<'a> {
    Token(&'a str),
    Instance(&'a str),
}

/// A hook as it is kept: what a request gave, over what was there before, over AWS's defaults.
fn completed(given: &Tree, before: Option<&Tree>) -> Result<Tree, Refusal> {
    let mut hook = before.cloned().unwrap_or_else(|| {
        Tree::map([("HeartbeatTimeout", Tree::text(3600)), ("DefaultResult", Tree::text("ABANDON"))])
    });
    for (field, value) in given.members() {
        hook.set(field, value.clone());
    }
    if ![Some(LAUNCHING), Some(TERMINATING)].contains(&hook.str("LifecycleTransition")) {
        return Err(Refusal::validation(&format!(
            "A lifecycle hook must have a LifecycleTransition: {LAUNCHING} or {TERMINATING}"
        )));
    }
    let timeout = hook.num("HeartbeatTimeout").and_then(|seconds| u64::try_from(seconds).ok());
    let Some(timeout) = timeout.filter(|seconds| (30..=7200).contains(seconds)) else {
        return Err(Refusal::validation("HeartbeatTimeout must be between 30 and 7200 seconds"));
    };
    HookResult::parse(hook.str("DefaultResult").unwrap_or_default())?;
    hook.set("GlobalTimeout", Tree::text(GLOBAL_SECONDS.min(timeout * 100)));
    Ok(hook)
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte)) {
        return Err(Refusal::validation(&format!("'{name}' is not a valid name of a lifecycle hook")));
    }
    Ok(())
}

fn too_many() -> Refusal {
    Refusal::new(400, "LimitExceeded", &format!("A group can have at most {MAX_HOOKS} lifecycle hooks"))
}

impl World {
    /// Decides how the application answers the hooks of a group, which need not exist yet.
    pub fn answer_hooks(&mut self, group: &str, answer: HookAnswer) {
        self.hook_answers.insert(group.to_owned(), answer);
    }

    /// The same of one hook alone.
    pub fn answer_hook(&mut self, group: &str, hook: &str, answer: HookAnswer) {
        self.hook_answers.insert(format!("{group}/{hook}"), answer);
    }

    /// A topic, a queue or a role is gone from now on.
    pub fn remove_target(&mut self, arn: &str) {
        self.gone.insert(arn.to_owned());
    }

    /// Whether a topic, a queue or a role is gone.
    pub(super) fn is_gone(&self, arn: &str) -> bool {
        self.gone.contains(arn)
    }

    /// Checks hooks, by name and settings, that come with the creation of a group.
    pub(crate) fn check_hooks(&self, hooks: &[(String, Tree)]) -> Result<(), Refusal> {
        if hooks.len() > MAX_HOOKS {
            return Err(too_many());
        }
        hooks.iter().try_for_each(|(name, hook)| {
            check_name(name)?;
            self.check_recipient(hook)?;
            completed(hook, None).map(drop)
        })
    }

    /// AWS sends a test message to the target of a hook, as its role.
    fn check_recipient(&self, hook: &Tree) -> Result<(), Refusal> {
        let (Some(target), role) = (hook.str("NotificationTargetARN"), hook.str("RoleARN")) else { return Ok(()) };
        if !self.is_gone(target) && !role.is_some_and(|role| self.is_gone(role)) {
            return Ok(());
        }
        Err(Refusal::validation(&format!(
            "Unable to publish test message to notification target {target} using IAM role {}. Please check your target and role \
             configuration and try to put lifecycle hook again.",
            role.unwrap_or_default()
        )))
    }

    /// Creates a hook, or changes what the request gives of it.
    pub fn put_hook(&mut self, group: &str, name: &str, given: &Tree) -> Result<(), Refusal> {
        self.check_recipient(given)?;
        let hooks = &mut self.group_mut(group)?.carried.hooks;
        check_name(name)?;
        let hook = completed(given, hooks.get(name))?;
        if hooks.len() >= MAX_HOOKS && !hooks.contains_key(name) {
            return Err(too_many());
        }
        hooks.insert(name.to_owned(), hook);
        Ok(())
    }

    /// Deletes a hook. What it still holds is let go: given up on the way in, let through on the way out.
    pub(crate) fn delete_hook(&mut self, group: &str, name: &str) -> Result<(), Refusal> {
        let members: Vec<String> = self.group_mut(group)?.all_members().cloned().collect();
        if self.group_mut(group)?.carried.hooks.remove(name).is_none() {
            return Err(Refusal::validation(&format!("No lifecycle hook {name} found for the group {group}")));
        }
        for id in members {
            let Some(instance) = self.instances.get(&id).filter(|it| it.actions.contains_key(name)) else { continue };
            let pending = instance.lifecycle.is_pending();
            let result = if pending { HookResult::Abandon } else { HookResult::Continue };
            self.finish_action(&id, name, result, "Lifecycle Hook Deleted");
        }
        Ok(())
    }

    /// Holds an instance in `wait` if its group has hooks for that. Answers whether any holds it.
    pub(super) fn hold(&mut self, id: &str, wait: Lifecycle) -> bool {
        let transition = if wait == Lifecycle::PendingWait { LAUNCHING } else { TERMINATING };
        let Some(instance) = self.instances.get(id) else { return false };
        let Some(group) = self.groups.get(&instance.group) else { return false };
        let of_transition = |hook: &&Tree| hook.str("LifecycleTransition") == Some(transition);
        let seconds = |hook: &Tree, field| hook.num(field).and_then(|it| u64::try_from(it).ok()).unwrap_or(3600);
        let hooks: Vec<(String, u64, u64)> = group
            .carried
            .hooks
            .iter()
            .filter(|(_, hook)| of_transition(hook))
            .map(|(name, hook)| (name.clone(), seconds(hook, "HeartbeatTimeout"), seconds(hook, "GlobalTimeout")))
            .collect();
        if hooks.is_empty() {
            return false;
        }
        let of_group = self.hook_answers.get(&group.name).copied().unwrap_or(self.settings.hook_answer);
        let answers =
            |hook: &str| self.hook_answers.get(&format!("{}/{hook}", group.name)).copied().unwrap_or(of_group);
        let hooks: Vec<_> =
            hooks.into_iter().map(|(hook, timeout, global)| (answers(&hook), hook, timeout, global)).collect();
        let mut actions = BTreeMap::new();
        for (answer, hook, timeout, global) in hooks {
            let token = self.uuid();
            let action = LifecycleAction {
                token: token.clone(),
                deadline: self.now + timeout * 1000,
                ends_by: self.now + global * 1000,
            };
            let (instance, hook_name) = (id.to_owned(), hook.clone());
            let timed_out = Event::HookTimedOut { instance, hook: hook_name, token: token.clone() };
            self.schedule(action.deadline, timed_out);
            let answered = match answer {
                HookAnswer::After(seconds) => Some((seconds, HookResult::Continue)),
                HookAnswer::Abandon(seconds) => Some((seconds, HookResult::Abandon)),
                HookAnswer::Never => None,
            };
            if let Some((seconds, result)) = answered {
                let event = Event::HookAnswered { instance: id.to_owned(), hook: hook.clone(), token, result };
                self.schedule_in(seconds * 1000, event);
            }
            actions.insert(hook, action);
        }
        if let Some(instance) = self.instances.get_mut(id) {
            instance.lifecycle = wait;
            instance.actions = actions;
        }
        if let Some(activity) = self.activity_of(id) {
            activity.status = "MidLifecycleAction";
            activity.progress = 60;
        }
        true
    }

    /// The application answers.
    pub(super) fn hook_answered(&mut self, id: &str, hook: &str, token: &str, result: HookResult) {
        if self.action(id, hook).is_some_and(|action| action.token == token) {
            self.finish_action(id, hook, result, COMPLETED);
        }
    }

    /// A hook's time has run out, unless a heartbeat has come in between.
    pub(super) fn hook_timed_out(&mut self, id: &str, hook: &str, token: &str) {
        let Some(deadline) = self.action(id, hook).filter(|it| it.token == token).map(|it| it.deadline) else { return };
        if self.now < deadline {
            let (instance, hook, token) = (id.to_owned(), hook.to_owned(), token.to_owned());
            return self.schedule(deadline, Event::HookTimedOut { instance, hook, token });
        }
        let group = self.instances.get(id).and_then(|instance| self.groups.get(&instance.group));
        let default = group.and_then(|group| group.carried.hooks.get(hook)?.str("DefaultResult"));
        let result = default.and_then(|text| HookResult::parse(text).ok()).unwrap_or(HookResult::Abandon);
        self.finish_action(id, hook, result, "Heartbeat Timeout");
    }

    fn action(&self, id: &str, hook: &str) -> Option<&LifecycleAction> {
        self.instances.get(id)?.actions.get(hook)
    }

    /// The instance that a request means.
    fn held_instance(&mut self, group: &str, hook: &str, action: ActionName<'_>) -> Result<String, Refusal> {
        let members: Vec<String> = self.group_mut(group)?.all_members().cloned().collect();
        let meant = |id: &&String| match (action, self.action(id, hook)) {
            (ActionName::Token(token), Some(held)) => held.token == token,
            (ActionName::Instance(wanted), Some(_)) => *id == wanted,
            (_, None) => false,
        };
        members.iter().find(meant).cloned().ok_or_else(|| {
            let name = match action {
                ActionName::Token(token) => format!("token {token}"),
                ActionName::Instance(id) => format!("instance ID {id}"),
            };
            Refusal::validation(&format!("No active Lifecycle Action found with {name}"))
        })
    }

    /// Somebody completes an action.
    pub(crate) fn complete_action(
        &mut self,
        group: &str,
        hook: &str,
        action: ActionName<'_>,
        result: HookResult,
    ) -> Result<(), Refusal> {
        let id = self.held_instance(group, hook, action)?;
        self.finish_action(&id, hook, result, COMPLETED);
        Ok(())
    }

    /// Somebody needs more time for an action.
    pub(crate) fn record_heartbeat(&mut self, group: &str, hook: &str, action: ActionName<'_>) -> Result<(), Refusal> {
        let id = self.held_instance(group, hook, action)?;
        let timeout = self.groups.get(group).and_then(|group| group.carried.hooks.get(hook)?.num("HeartbeatTimeout"));
        let timeout = timeout.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0) * 1000;
        let now = self.now;
        if let Some(action) = self.instances.get_mut(&id).and_then(|instance| instance.actions.get_mut(hook)) {
            action.deadline = (now + timeout).min(action.ends_by);
        }
        Ok(())
    }

    /// One hook lets go of an instance. It goes on when none is left, or when it is given up.
    fn finish_action(&mut self, id: &str, hook: &str, result: HookResult, why: &str) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(action) = instance.actions.remove(hook) else { return };
        if result == HookResult::Abandon {
            instance.actions.clear();
        }
        match (instance.lifecycle, result) {
            (Lifecycle::PendingWait, HookResult::Abandon) => self.abandon_launch(id, &action.token, why),
            (Lifecycle::PendingWait | Lifecycle::TerminatingWait, _) if instance.actions.is_empty() => {
                let leaves = instance.lifecycle == Lifecycle::TerminatingWait;
                instance.lifecycle = if leaves { Lifecycle::TerminatingProceed } else { Lifecycle::PendingProceed };
                self.schedule_in(PROCEED_MILLIS, Event::Proceeded { instance: id.to_owned() });
            }
            _ => {}
        }
    }

    /// Nothing holds an instance any more.
    pub(super) fn proceeded(&mut self, id: &str) {
        match self.instances.get(id).map(|instance| instance.lifecycle) {
            Some(Lifecycle::PendingProceed) => self.arrive(id),
            Some(Lifecycle::TerminatingProceed) => self.shut_down(id),
            _ => {}
        }
    }

    /// An instance is given up before it is in service; its group tries again (P16).
    fn abandon_launch(&mut self, id: &str, token: &str, why: &str) {
        let reason = format!(
            "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token {token} was abandoned: \
             {why}"
        );
        if let Some(activity) = self.activity_of(id) {
            activity.description = format!("{}.  Status Reason: {reason}", activity.description);
            activity.message = Some(reason);
        }
        let Some(name) = self.instances.get(id).map(|instance| instance.group.clone()) else { return };
        let now = timestamp_seconds(self.now);
        let cause = format!("At {now} an instance was taken out of service in response to a failed lifecycle action.");
        self.terminate(id, &cause);
        self.reconcile_soon(&name);
    }
}

const COMPLETED: &str = "Lifecycle Action Completed with ABANDON Result";
