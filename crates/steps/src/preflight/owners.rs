//! Whether the switches and pools may be steered, and the fleets are what their tags say.

use crossfade_core::Result;
use crossfade_core::claims::{self, Steered};
use crossfade_core::identity::identify;
use crossfade_core::infrastructure::TAG_INFRASTRUCTURE;
use crossfade_core::observed::Fleet;

use super::{Look, router};
use crate::adopt::with_adopted;
use crate::owners;
use crate::records::RevisionRecord;

impl Look<'_> {
    /// The fleets of the infrastructure definition, by their tags and by what bears these out.
    pub(super) async fn own_fleets(&mut self, history: &[RevisionRecord]) -> Result<Vec<Fleet>> {
        let infrastructure = self.document.infrastructure();
        let series = self.document.compute.series();
        let tagged = self.fleets.of(&infrastructure.to_string()).await?;
        let recorded = with_adopted(self.context, &infrastructure.to_string(), history).await?;
        let found = identify(&infrastructure, series.base, series.name, &recorded, tagged);
        found.problems.into_iter().for_each(|problem| self.problems.add(problem));
        self.notes.extend(found.notes);
        Ok(found.ours)
    }

    /// Whether every switch and pool is this infrastructure definition's to steer. Answers those that are nobody's yet.
    pub(super) async fn owners(&mut self, router: Option<&router::Router>) -> Result<Vec<Steered>> {
        let infrastructure = self.document.infrastructure().to_string();
        let lanes = router.map_or(&[][..], |router| &router.lanes);
        let mut steered = owners::of(self.context, claims::steered(&self.document.routing, lanes)).await?;
        // What is named and does not exist has been told.
        if router.is_some() {
            steered = owners::with_tags(self.context, steered).await?;
        }
        let others = match steered.iter().any(|thing| thing.owner().is_none()) {
            true => self.fleets.of_any().await?,
            false => Vec::new(),
        };
        let owners = claims::owners(&infrastructure, steered, &others);
        for (owner, things) in &owners.foreign {
            let deploying = self.context.table.lock(owner).await?.holder;
            let refusal = claims::refusal(&infrastructure, owner, things, deploying.as_deref());
            match deploying {
                Some(_) => self.problems.held(refusal),
                None => self.problems.add(refusal),
            }
        }
        if !owners.unclaimed.is_empty() {
            self.notes.push(format!(
                "Nobody has steered {} so far: from this deployment on only {infrastructure} may",
                claims::names(owners.unclaimed.iter().map(|thing| &thing.arn))
            ));
        }
        if !owners.untagged.is_empty() {
            self.notes.push(format!(
                "From now on {} will bear the tag {TAG_INFRASTRUCTURE}: only what does, the role that steers may set",
                claims::names(&owners.untagged)
            ));
        }
        if !owners.full.is_empty() {
            self.problems.add(format!(
                "{} have as many tags as AWS allows, and no room for {TAG_INFRASTRUCTURE}. Take one off.",
                claims::names(&owners.full)
            ));
        }
        Ok(owners.unclaimed)
    }
}
