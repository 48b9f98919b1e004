//! The stages of a plan in the making, forward or back: what each is called, how long it may take, and how long it drains.

use super::{
    Action, Adopt, Approve, Attachment, Call, Carry, Downsize, Drain, Hold, Mark, Marked, Need, Pause, Prune, Remove,
    Setup, Stage, Steer, Upscale, Verify,
};
use crate::answerers::Answerers;
use crate::capacity::Size;
use crate::document::{Approval, Document, Hook, Hooks, OnFailure, Point, Reaction, hooks_at};
use crate::kinds::dns::PROPAGATION_SECONDS;
use crate::snapshot::Snapshot;
use crate::split::{Weights, names};
use crate::text;

/// The margin that stages with a known duration get on top of it, in seconds.
pub(super) const MARGIN_SECONDS: u32 = 300;
/// How long a change may take that AWS makes at once, in seconds: retries and eventual consistency.
pub(super) const SETTLE_SECONDS: u32 = 300;

/// The stages so far.
pub(crate) struct Stages<'a> {
    snapshot: &'a Snapshot,
    /// How long a fleet may take to become steady.
    steady_seconds: u32,
    /// What the document calls the stages that come next.
    called: String,
    list: Vec<Stage>,
}

impl<'a> Stages<'a> {
    /// None yet.
    pub(crate) fn new(document: &Document, snapshot: &'a Snapshot) -> Self {
        let steady_seconds = document.timeouts.steady_state_minutes * 60;
        Self { snapshot, steady_seconds, called: String::new(), list: Vec::new() }
    }

    /// From now on stages are called so, before what they do; with nothing, by what they do alone.
    pub(crate) fn called(&mut self, name: String) {
        self.called = name;
    }

    /// All of them, in order.
    pub(crate) fn done(self) -> Vec<Stage> {
        self.list
    }

    /// Whether a fleet is to have no members by then.
    pub(crate) fn empties(&self, fleet: &str) -> bool {
        self.list.iter().any(|stage| match &stage.action {
            Action::Downsize(downsize) => downsize.fleet == fleet && downsize.size == Size::ZERO,
            _ => false,
        })
    }

    /// After the first stage that gives traffic to the candidate it serves: whether it still can is looked at from then on. The `checks`
    /// that are watched, if there are any, are looked at from that stage until the last that moves traffic, takes capacity away or
    /// pauses. Where all serve together, the candidate has traffic as soon as it is up.
    pub(crate) fn watch(&mut self, checks: bool) {
        let candidate = &self.snapshot.candidate;
        let gives = |stage: &Stage| match &stage.action {
            Action::Steer(_) | Action::Attach(_) => true,
            Action::Upscale(upscale) => self.snapshot.shared() && upscale.fleet == *candidate,
            _ => false,
        };
        let moves = |stage: &Stage| {
            let pauses = matches!(&stage.action, Action::Pause(pause) if pause.wanted);
            pauses
                || matches!(
                    stage.action,
                    Action::Steer(_) | Action::Detach(_) | Action::Downsize(_) | Action::Verify(_)
                )
        };
        let (first, last) = (self.list.iter().position(gives), self.list.iter().rposition(moves));
        let Some(first) = first else { return };
        self.list[first + 1..].iter_mut().for_each(|stage| stage.serves = true);
        if let Some(last) = last.filter(|_| checks) {
            self.list[first..=last.max(first)].iter_mut().for_each(|stage| stage.watched = true);
        }
    }

    /// What fails is tried again, or asked about, as the document wants it.
    pub(crate) fn react(&mut self, on_failure: &OnFailure) {
        for stage in &mut self.list {
            stage.reaction = on_failure.of(&stage.action).cloned().unwrap_or_default();
        }
    }

    fn push(&mut self, does: String, timeout_seconds: u32, action: Action) {
        let name = if self.called.is_empty() { does } else { format!("{}: {does}", self.called) };
        self.list.push(Stage {
            name,
            action,
            timeout_seconds,
            watched: false,
            serves: false,
            reaction: Reaction::default(),
        });
    }

    /// The candidate is made from the base.
    pub(crate) fn set_up(&mut self, target_groups: Vec<String>) {
        let snapshot = self.snapshot;
        let setup = Setup {
            fleet: snapshot.candidate.clone(),
            revision: snapshot.revision,
            base: snapshot.base.clone(),
            blueprint: snapshot.blueprint.clone(),
            artifact: snapshot.artifact.clone(),
            target_groups,
        };
        self.push(format!("Set up {}", setup.fleet), SETTLE_SECONDS, Action::Setup(setup));
    }

    /// The candidate, a kept revision, is attached to where candidates come up.
    pub(crate) fn bring_back(&mut self, target_groups: Vec<String>) {
        let adopt = Adopt { fleet: self.snapshot.candidate.clone(), target_groups };
        self.push(format!("Bring {} back", adopt.fleet), SETTLE_SECONDS, Action::Adopt(adopt));
    }

    /// The candidate, a kept revision, is attached to where it was. What was detached may drain for as long as clients stay.
    pub(crate) fn put_back(&mut self, target_groups: Vec<String>) {
        let adopt = Adopt { fleet: self.snapshot.candidate.clone(), target_groups };
        let seconds = self.snapshot.drain_seconds + MARGIN_SECONDS;
        self.push(format!("Put {} back", adopt.fleet), seconds, Action::Adopt(adopt));
    }

    /// Fleets may not change by themselves.
    pub(crate) fn hold(&mut self, fleets: Vec<String>) {
        self.push(format!("Hold {}", text::few(&fleets)), SETTLE_SECONDS, Action::Hold(Hold { fleets }));
    }

    /// And may again.
    pub(crate) fn release(&mut self, fleets: Vec<String>) {
        self.push(format!("Release {}", text::few(&fleets)), SETTLE_SECONDS, Action::Release(Hold { fleets }));
    }

    /// The candidate grows.
    pub(crate) fn upscale(&mut self, upscale: Upscale) {
        let name = format!("Upscale {} to {}", upscale.fleet, upscale.size.desired);
        self.push(name, self.steady_seconds, Action::Upscale(upscale));
    }

    /// An earlier fleet grows again. What is launched again has its own hooks to pass.
    pub(crate) fn restore(&mut self, upscale: Upscale) {
        let name = format!("Restore {} to {}", upscale.fleet, upscale.size.desired);
        let seconds = self.steady_seconds + self.snapshot.hook_times(&upscale.fleet).launching_seconds;
        self.push(name, seconds, Action::Upscale(upscale));
    }

    /// Switches get weights, once the capacity is there.
    pub(crate) fn steer(&mut self, name: String, weights: Vec<Weights>, needs: Vec<Need>) {
        // Route 53 takes its time.
        let spreads = if self.snapshot.records.is_empty() { 0 } else { PROPAGATION_SECONDS };
        self.push(name, SETTLE_SECONDS + spreads, Action::Steer(Steer { weights, needs }));
    }

    /// A fleet joins target groups.
    pub(crate) fn attach(&mut self, fleet: &str, target_groups: Vec<String>) {
        let name = format!("Attach {fleet} to {}", names(&target_groups));
        let attach = Attachment { fleet: fleet.into(), target_groups, needs: Vec::new(), drain_seconds: 0 };
        self.push(name, self.steady_seconds, Action::Attach(attach));
    }

    /// A fleet leaves target groups, once the capacity is there without it.
    pub(crate) fn detach(&mut self, fleet: &str, target_groups: Vec<String>, needs: Vec<Need>) {
        let drain_seconds = self.snapshot.deregistration_seconds;
        let name = format!("Detach {fleet} from {}", names(&target_groups));
        let detach = Attachment { fleet: fleet.into(), target_groups, needs, drain_seconds };
        self.push(name, drain_seconds + 2 * MARGIN_SECONDS, Action::Detach(detach));
    }

    /// Waits until sides without traffic have nothing left to do: at least until the load balancers' nodes know of it, however short
    /// the deregistration delay.
    pub(crate) fn drain(&mut self, target_groups: Vec<String>) {
        let seconds = self.snapshot.drain_seconds.max(self.snapshot.settle_seconds());
        let name = format!("Drain {}", names(&target_groups));
        self.push(name, seconds + MARGIN_SECONDS, Action::Drain(Drain { target_groups, seconds }));
    }

    /// A fleet becomes smaller, once the capacity is there without what it loses, and nothing is sent to where it is `idle`. One that
    /// is registered nowhere does not drain.
    pub(crate) fn downsize(&mut self, fleet: &str, size: Size, idle: Vec<String>, needs: Vec<Need>, drains: bool) {
        let drain_seconds = if drains { self.snapshot.deregistration_seconds } else { 0 };
        let hook_seconds = self.snapshot.hook_times(fleet).terminating_seconds;
        let name = format!("Downsize {fleet} to {}", size.desired);
        // Terminating a drained instance takes minutes.
        let seconds = drain_seconds + hook_seconds + 4 * MARGIN_SECONDS;
        let downsize = Downsize { fleet: fleet.into(), size, idle, needs, drain_seconds };
        self.push(name, seconds, Action::Downsize(downsize));
    }

    /// The candidate gets what lets it scale by itself.
    pub(crate) fn carry(&mut self, name: String, base: Option<String>, size: Option<Size>) {
        let carry = Carry { base, fleet: self.snapshot.candidate.clone(), size };
        self.push(name, 2 * SETTLE_SECONDS, Action::Carry(carry));
    }

    /// Tags tell which fleets serve.
    pub(crate) fn mark(&mut self, name: String, fleets: Vec<Marked>) {
        self.push(name, SETTLE_SECONDS, Action::Mark(Mark { fleets }));
    }

    /// A person is asked.
    pub(crate) fn approve(&mut self, name: String, approval: &Approval, answerers: Option<Answerers>) {
        self.ask(name, approval, answerers, false);
    }

    /// A person is asked, unless the verification before has been good.
    pub(crate) fn approve_in_doubt(&mut self, name: String, approval: &Approval, answerers: Option<Answerers>) {
        self.ask(name, approval, answerers, true);
    }

    fn ask(&mut self, name: String, approval: &Approval, answerers: Option<Answerers>, in_doubt: bool) {
        let (message, on_timeout) = (approval.message.clone(), approval.on_timeout);
        let approve = Approve { message, on_timeout, in_doubt, hook: None, answerers };
        self.push(name, approval.timeout_minutes * 60, Action::Approve(approve));
    }

    /// A hook is called, or given a token.
    pub(crate) fn call(&mut self, hook: &Hook, call: Call) {
        let at = call.at.map_or_else(String::new, |at| format!(" {}", at.in_words()));
        let (name, seconds) = (format!("Hook {}{at}", call.hook), hook.timeout_minutes * 60);
        let action = match &hook.callback {
            Some(_) => Action::Approve(Approve {
                message: format!("Waiting for the callback of {}.", call.hook),
                on_timeout: hook.on_timeout,
                in_doubt: false,
                hook: Some(call),
                answerers: None,
            }),
            None => Action::Call(call),
        };
        self.push(name, seconds, action);
    }

    /// The hooks of a point are called, in the order of their names.
    pub(crate) fn call_at(&mut self, hooks: &Hooks, point: Point) {
        for (name, hook) in hooks_at(hooks, point) {
            self.call(hook, Call { hook: name.into(), at: Some(point), traffic: None });
        }
    }

    /// Nothing happens for a while, since the document says so.
    pub(crate) fn pause(&mut self, seconds: u32) {
        self.idle(format!("Pause {seconds} s"), Pause { seconds, wanted: true });
    }

    /// Checks are looked at for a while.
    pub(crate) fn verify(&mut self, name: String, verify: Verify) {
        self.push(name, verify.seconds + verify.extend_seconds + MARGIN_SECONDS, Action::Verify(verify));
    }

    /// Nothing happens until the traffic has followed its weights.
    pub(crate) fn settle(&mut self, seconds: u32) {
        self.idle(format!("Settle {seconds} s"), Pause { seconds, wanted: false });
    }

    fn idle(&mut self, name: String, pause: Pause) {
        self.push(name, pause.seconds + MARGIN_SECONDS, Action::Pause(pause));
    }

    /// The candidate is deleted.
    pub(crate) fn remove(&mut self) {
        let Snapshot { candidate, blueprint, artifact, .. } = self.snapshot;
        let remove = Remove { fleet: candidate.clone(), blueprint: blueprint.clone(), artifact: artifact.clone() };
        self.push(format!("Remove {candidate}"), SETTLE_SECONDS + MARGIN_SECONDS, Action::Remove(remove));
    }

    /// Old fleets beyond those that are kept are deleted.
    pub(crate) fn prune(&mut self, keep: u32) {
        self.push(format!("Prune to the last {keep}"), SETTLE_SECONDS, Action::Prune(Prune { keep }));
    }
}
