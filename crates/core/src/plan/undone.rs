//! What follows when a stage fails: the stages of the rollback that would be planned then, by the rollback's own plan.
//!
//! What it owns: what a deployment has begun by each of its stages. It must never decide what is undone.

use super::changes::Account;
use super::{Action, Plan, StageKind};
use crate::document::Document;
use crate::observed::Fleet;
use crate::rollback::{self, Splits, Touched};
use crate::snapshot::Snapshot;
use crate::split::Split;

impl Plan {
    /// For each stage the names of the stages that follow when it fails, once all of it is done and found wanting: what is undone then.
    /// Nothing where a stage never fails a deployment.
    pub fn undone(&self, document: &Document, snapshot: &Snapshot) -> Vec<Vec<String>> {
        let (mut account, mut touched) = (Account::of(snapshot), Touched::default());
        let each = self.stages.iter().map(|stage| {
            begin(&mut touched, &stage.action, snapshot);
            account.after(&stage.action, snapshot);
            if stage.action.kind() == StageKind::Prune || stage.action.kind() == StageKind::Tell {
                return Vec::new();
            }
            let back =
                rollback::plan(document, snapshot, &touched, &live(&account, snapshot), &splits(&account, snapshot));
            back.map_or_else(|_| Vec::new(), |back| back.stages.into_iter().map(|stage| stage.name).collect())
        });
        each.collect()
    }
}

/// What a stage writes down before it changes anything.
fn begin(touched: &mut Touched, action: &Action, snapshot: &Snapshot) {
    match action {
        Action::Setup(_) => touched.candidate = true,
        Action::Adopt(adopt) => {
            touched.candidate = true;
            touched.attached.insert(adopt.fleet.clone());
        }
        Action::Hold(hold) => touched.held.extend(hold.fleets.iter().map(|fleet| (fleet.clone(), 0))),
        Action::Release(hold) => touched.held.retain(|fleet, _| !hold.fleets.contains(fleet)),
        Action::Upscale(upscale) if upscale.fleet == snapshot.candidate => touched.grown = true,
        Action::Upscale(upscale) => _ = touched.fleets.insert(upscale.fleet.clone()),
        Action::Downsize(downsize) => _ = touched.fleets.insert(downsize.fleet.clone()),
        Action::Attach(attachment) | Action::Detach(attachment) => {
            touched.attached.insert(attachment.fleet.clone());
        }
        Action::Carry(_) => touched.carried = true,
        Action::Mark(_) => touched.marked = true,
        Action::Steer(steer) => {
            for weights in &steer.weights {
                touched.routes.entry(weights.on.clone()).or_default().push(weights.routes.clone());
            }
        }
        Action::Approve(_)
        | Action::Call(_)
        | Action::Pause(_)
        | Action::Verify(_)
        | Action::Drain(_)
        | Action::Remove(_)
        | Action::Prune(_) => {}
    }
}

/// The fleets as they are by then.
fn live(account: &Account, snapshot: &Snapshot) -> Vec<Fleet> {
    let like = snapshot.stable_fleet().or(snapshot.fleets.first());
    let fleets = account.sizes().filter_map(|(name, size, behind)| {
        let known = snapshot.fleet(name).cloned();
        let made = || like.map(|fleet| Fleet { members: Vec::new(), wakes: None, ..fleet.clone() });
        let fleet = known.or_else(made)?;
        Some(Fleet { name: name.to_owned(), size, target_groups: behind.to_vec(), ..fleet })
    });
    fleets.collect()
}

/// The weights as they are by then.
fn splits(account: &Account, snapshot: &Snapshot) -> Splits {
    let now = |on: &String| Split { routes: account.routes(on).to_vec(), sticky_seconds: None, altered: None };
    snapshot.weights.iter().map(|weights| (weights.on.clone(), now(&weights.on))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;
    use crate::rollback::tests::{document, fleet, snapshot};

    #[test]
    fn what_is_undone_is_what_a_rollback_would_do() {
        let snapshot = snapshot(vec![fleet(6, 4)]);
        let document = Document { rollback: Default::default(), ..document() };
        let plan = plan::deploy(&document, &snapshot, None).expect("it can be planned");
        let undone = plan.undone(&document, &snapshot);
        let of = |kind: StageKind| {
            let at = plan.stages.iter().position(|stage| stage.action.kind() == kind).expect("there is one");
            undone[at].clone()
        };
        assert_eq!(of(StageKind::Setup), ["Remove shop__7"]);
        assert_eq!(of(StageKind::Hold), ["Remove shop__7", "Release shop__6"]);
        assert_eq!(of(StageKind::Upscale), ["Downsize shop__7 to 0", "Remove shop__7", "Release shop__6"]);
        let shifted = [
            "Restore weights prod 100 : stage 0",
            "Drain stage",
            "Downsize shop__7 to 0",
            "Remove shop__7",
            "Release shop__6",
        ];
        assert_eq!(of(StageKind::ShiftWeight), shifted);
        assert_eq!(of(StageKind::Downsize), [&["Restore shop__6 to 4"][..], &shifted].concat());
        assert_eq!(of(StageKind::Prune), Vec::<String>::new(), "it never fails a deployment");
    }
}
