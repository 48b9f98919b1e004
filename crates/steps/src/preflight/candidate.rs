//! What is deployed: a new fleet with a new image, or a kept revision.

use crossfade_core::document::Artifact;
use crossfade_core::infrastructure::{REVISION_MAX, fleet_name, next_revision};
use crossfade_core::observed::Fleet;
use crossfade_core::{Kind, Result};

use super::Look;
use crate::records::RevisionRecord;

/// The fleet that is deployed.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) revision: u32,
    pub(super) artifact: String,
}

impl Look<'_> {
    pub(super) async fn candidate(
        &mut self,
        fleets: &[Fleet],
        stable: &[&Fleet],
        history: &[RevisionRecord],
    ) -> Result<Option<Candidate>> {
        match &self.document.artifact {
            Artifact::Ami(artifact) | Artifact::Image(artifact) => {
                let known = fleets.iter().filter_map(|fleet| fleet.revision);
                let known = known.chain(history.iter().map(|record| record.revision));
                let Some(next) = next_revision(known) else {
                    self.problems.add(format!(
                        "{} has used all revision numbers up to {REVISION_MAX}.",
                        self.document.infrastructure()
                    ));
                    return Ok(None);
                };
                let revision = self.free_revision(next).await?;
                let name = fleet_name(self.document.compute.series().name, revision);
                Ok(Some(Candidate { name, revision, artifact: artifact.clone() }))
            }
            Artifact::Revision(revision) => {
                let kept = kept(*revision, fleets, stable);
                let Some(fleet) = self.problems.collect(kept)? else { return Ok(None) };
                if !fleet.sources.is_empty() {
                    self.problems.add(format!(
                        "{} stands behind {}, which would send it requests as soon as it has {}, before any shift. Detach \
                         it.",
                        fleet.name,
                        fleet.sources.join(", "),
                        self.document.compute.platform().members()
                    ));
                }
                let record = history.iter().find(|record| record.revision == *revision);
                if let Some(record) = record {
                    self.problems.collect(self.fleets.available(&record.artifact).await)?;
                }
                let of_record = record.map(|record| record.artifact.clone());
                let artifact = of_record.unwrap_or_else(|| format!("the image of {}", fleet.name));
                Ok(Some(Candidate { name: fleet.name.clone(), revision: *revision, artifact }))
            }
        }
    }

    /// The first revision from this one on whose fleet's name is free. A name that is still being deleted is left to its fate
    /// (P2).
    async fn free_revision(&mut self, mut revision: u32) -> Result<u32> {
        let (compute, series) = (&self.document.compute, self.document.compute.series().name);
        while let Some(taken) = self.fleets.get(&fleet_name(series, revision)).await? {
            if !taken.deleting {
                self.problems.add(format!(
                    "There is {} named {} already, but {} did not make it. Rename or delete it, or choose another {}.name.",
                    compute.platform().a_fleet(),
                    taken.name,
                    self.document.infrastructure(),
                    compute.path()
                ));
                break;
            }
            revision += 1;
        }
        Ok(revision)
    }
}

/// The fleet of a revision, if it is kept at size 0.
fn kept<'a>(revision: u32, fleets: &'a [Fleet], stable: &[&Fleet]) -> Result<&'a Fleet> {
    let idle = |fleet: &&Fleet| !fleet.deleting && !fleet.live();
    let refuse = |problem: String| {
        let mut kept: Vec<u32> = fleets.iter().filter(idle).filter_map(|fleet| fleet.revision).collect();
        kept.sort_unstable();
        let kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
        let kept = if kept.is_empty() { "none".into() } else { kept.join(", ") };
        Err(Kind::PreflightFailed.because(format!("artifact.revision = {revision} {problem}. Kept revisions: {kept}.")))
    };
    match fleets.iter().find(|fleet| fleet.revision == Some(revision)) {
        None => refuse("has no fleet any more, or never had one".into()),
        Some(fleet) if fleet.asleep() => refuse(format!(
            "is {}, which sleeps with {} and may wake by itself. Set its maximum to 0 and suspend its scheduled actions",
            fleet.name, fleet.size
        )),
        Some(fleet) if stable.iter().any(|stable| stable.name == fleet.name) => {
            refuse(format!("is {}, which serves already", fleet.name))
        }
        Some(fleet) if !idle(&fleet) => refuse(format!("is {}, which has {}, expected size 0", fleet.name, fleet.size)),
        Some(fleet) => Ok(fleet),
    }
}
