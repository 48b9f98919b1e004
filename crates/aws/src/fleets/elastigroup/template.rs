//! Whether new groups can be made from a template, and what stands in a deployment's way with those that run.

use crossfade_core::kinds::elastigroup::{Source, plain, read, refusals};
use crossfade_core::kinds::{Blueprint, Compute};
use crossfade_core::lane::Lane;
use crossfade_core::observed::Fleet;
use crossfade_core::{Kind, Result};
use serde_json::Value;

use super::read::{list, target_groups};
use super::{Groups, own};
use crate::fleets::Template;
use crate::fleets::user_data::decoded;

impl Groups {
    pub(super) async fn look_at(&self, compute: &Compute, lanes: &[Lane], artifact: Option<&str>) -> Result<Template> {
        let Compute::Elastigroup(asked) = compute else { return Ok(Template::default()) };
        let mut template = Template::default();
        let group = if asked.base.is_empty() {
            // That it can be read was seen with the document.
            read(&asked.definition).ok()
        } else {
            self.find(&asked.base).await?.map(plain)
        };
        let Some(group) = group else {
            template.problems.push(format!(
                "There is no Elastigroup {} in the Spot account {} in this region. Correct compute.elastigroup.base.",
                asked.base, asked.account
            ));
            return Ok(template);
        };
        let refused = refusals(&group).into_iter();
        // Those of a base are told as those of every fleet.
        template.problems.extend(refused.filter(|_| asked.base.is_empty()).map(|(what, fix)| format!("{what}. {fix}")));
        let mut pools: Vec<String> = lanes.iter().flat_map(Lane::sides).cloned().collect();
        pools.sort();
        pools.dedup();
        if pools.is_empty() && !target_groups(&group).is_empty() {
            template.notes.push("The template stands behind target groups, which new Elastigroups do not".into());
        }
        let draining_seconds = if pools.is_empty() { 0 } else { self.delay(&pools).await? };
        template.blueprint = Some(Blueprint::Elastigroup(Source {
            base: asked.base.clone(),
            definition: asked.definition.clone(),
            draining_seconds,
        }));
        if let (Some(user_data), Some(_)) = (&asked.user_data, artifact) {
            let base = decoded(group["compute"]["launchSpecification"]["userData"].as_str());
            let unfit = user_data.of(base.as_deref()).err();
            template.problems.extend(unfit.map(|why| format!("compute.elastigroup.userData: {why}.")));
        }
        if let Some(ami) = artifact {
            self.fit(ami, &group, &mut template).await?;
        }
        Ok(template)
    }

    /// Whether an image can run on what a template launches (P41).
    async fn fit(&self, ami: &str, group: &Value, template: &mut Template) -> Result<()> {
        let image = match self.client.images.image(ami).await {
            Err(failure) if failure.kind == Kind::PreflightFailed => {
                template.problems.push(failure.message);
                return Ok(());
            }
            image => image?,
        };
        let types = &group["compute"]["instanceTypes"];
        let on_demand = types["ondemand"].as_str().into_iter();
        let mut types: Vec<&str> = list(types, "spot").iter().filter_map(Value::as_str).chain(on_demand).collect();
        types.sort_unstable();
        types.dedup();
        for instance_type in types {
            let architectures = self.client.images.architectures(instance_type).await?;
            if !architectures.contains(&image.architecture) {
                template.problems.push(format!(
                    "artifact.ami = {} is built for {}, but the template launches {instance_type}, which runs {}. Build the image for \
                     that architecture, or change compute.instanceTypes of the template.",
                    image.id,
                    image.architecture,
                    architectures.join(" or ")
                ));
            }
        }
        Ok(())
    }

    /// What is under way with a group, or would cut requests off when it shrinks.
    pub(super) async fn under_way(&self, fleet: &Fleet) -> Result<Option<String>> {
        let Some(group) = self.find(&fleet.name).await? else { return Ok(None) };
        match self.roll(&group).await? {
            Some((roll, false)) => {
                return Ok(Some(format!(
                    "{} is in the roll {roll}, which replaces its instances and lets nobody resize it. Wait until it has ended, or stop it.",
                    fleet.name
                )));
            }
            Some((roll, true)) => {
                return Ok(Some(format!(
                    "{} has the roll {roll}, which has failed and lets nobody resize it until it is stopped. Stop it.",
                    fleet.name
                )));
            }
            None => {}
        }
        if fleet.target_groups.is_empty() {
            return Ok(None);
        }
        let (delay, given) =
            (self.delay(&fleet.target_groups).await?, own(fleet).map_or(0, |own| own.draining_seconds));
        if given >= delay {
            return Ok(None);
        }
        Ok(Some(format!(
            "{} ends instances {given} s after it has taken them out, and its target groups let them drain for {delay} s: what is \
             still under way then would be cut off. Set its strategy.drainingTimeout to {delay} or more.",
            fleet.name
        )))
    }
}
