//! Mixed-instances policies: which launch templates they name, and the same policy with others in their place.
//!
//! An override may name a launch template of its own. Those are told apart as they are written down, each once and in their
//! order: that is the order of [`LaunchSource::Mixed`].

use aws_sdk_autoscaling::types::{LaunchTemplateOverrides, LaunchTemplateSpecification, MixedInstancesPolicy};
use crossfade_core::kinds::asg::{LaunchSource, TemplateVersion};
use crossfade_core::{Failure, Kind, Result};

/// What the policy's own launch template is called in it.
pub(crate) fn template(policy: &MixedInstancesPolicy) -> Option<&LaunchTemplateSpecification> {
    policy.launch_template.as_ref()?.launch_template_specification.as_ref()
}

/// The instance types and launch templates that may be used instead of the policy's own.
pub(crate) fn overrides(policy: &MixedInstancesPolicy) -> &[LaunchTemplateOverrides] {
    policy.launch_template.as_ref().and_then(|template| template.overrides.as_deref()).unwrap_or_default()
}

/// The launch templates that overrides name themselves, each once and in their order.
pub(crate) fn own_templates(policy: &MixedInstancesPolicy) -> Vec<&LaunchTemplateSpecification> {
    let mut own = Vec::new();
    for specification in overrides(policy).iter().filter_map(|it| it.launch_template_specification.as_ref()) {
        if !own.contains(&specification) {
            own.push(specification);
        }
    }
    own
}

/// A reference to a version by id and number alone: AWS shows a template's name beside its id, and refuses to be given both.
pub(crate) fn reference(to: &TemplateVersion) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder().launch_template_id(&to.id).version(to.version.to_string()).build()
}

/// The version that a reference pins by number, if it does.
pub(crate) fn pinned(reference: &LaunchTemplateSpecification) -> Option<TemplateVersion> {
    let version = reference.version.as_deref()?.parse().ok()?;
    Some(TemplateVersion { id: reference.launch_template_id.clone()?, version })
}

/// The same policy with the versions of `to` wherever it has those of `from`. An override's own image goes: the templates
/// bring the new one.
///
/// # Errors
/// `Drifted` when the policy names other launch templates than `from`.
pub(crate) fn rewritten(
    policy: Option<&MixedInstancesPolicy>,
    base: &str,
    from: &LaunchSource,
    to: &LaunchSource,
) -> Result<MixedInstancesPolicy> {
    let (
        Some(policy),
        LaunchSource::Mixed { template: old, overrides: olds },
        LaunchSource::Mixed { template: new, overrides: news },
    ) = (policy, from, to)
    else {
        return Err(changed(base));
    };
    let own = own_templates(policy);
    let alike = |reference: &LaunchTemplateSpecification, old: &TemplateVersion| {
        reference.launch_template_id.as_ref() == Some(&old.id)
            && pinned(reference).is_none_or(|pinned| pinned.version == old.version)
    };
    let same = template(policy).is_some_and(|reference| alike(reference, old))
        && own.len() == olds.len()
        && own.len() == news.len()
        && own.iter().zip(olds).all(|(reference, old)| alike(reference, old));
    if !same {
        return Err(changed(base));
    }
    let mut policy_of_candidate = policy.clone();
    if let Some(launch_template) = &mut policy_of_candidate.launch_template {
        launch_template.launch_template_specification = Some(reference(new));
        for it in launch_template.overrides.iter_mut().flatten() {
            let at = it.launch_template_specification.as_ref().and_then(|it| own.iter().position(|own| *own == it));
            it.launch_template_specification = at.and_then(|at| news.get(at)).map(reference);
            it.image_id = None;
        }
    }
    Ok(policy_of_candidate)
}

fn changed(base: &str) -> Failure {
    Kind::Drifted.because(format!(
        "The mixed-instances policy of the base {base} names other launch templates than when the deployment began. Deploy \
         again."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_autoscaling::types::{InstanceRequirements, InstancesDistribution, LaunchTemplate};

    fn reference_to(id: &str, version: &str) -> LaunchTemplateSpecification {
        // AWS shows both.
        LaunchTemplateSpecification::builder()
            .launch_template_id(id)
            .launch_template_name(format!("name of {id}"))
            .version(version)
            .build()
    }

    fn pin(id: &str, version: u64) -> TemplateVersion {
        TemplateVersion { id: id.into(), version }
    }

    #[test]
    fn a_policy_keeps_everything_but_its_versions_and_images() {
        let requirements = InstanceRequirements::builder().build();
        let overrides = [
            LaunchTemplateOverrides::builder()
                .instance_type("m6i.large")
                .weighted_capacity("2")
                .image_id("ami-old")
                .build(),
            LaunchTemplateOverrides::builder()
                .instance_requirements(requirements.clone())
                .launch_template_specification(reference_to("lt-2", "$Latest"))
                .build(),
        ];
        let distribution = InstancesDistribution::builder().on_demand_base_capacity(3).build();
        let template = LaunchTemplate::builder()
            .launch_template_specification(reference_to("lt-1", "5"))
            .set_overrides(Some(overrides.to_vec()));
        let policy = MixedInstancesPolicy::builder()
            .launch_template(template.build())
            .instances_distribution(distribution.clone())
            .build();
        let from = LaunchSource::Mixed { template: pin("lt-1", 5), overrides: vec![pin("lt-2", 8)] };
        let to = LaunchSource::Mixed { template: pin("lt-1", 6), overrides: vec![pin("lt-2", 9)] };

        let made = rewritten(Some(&policy), "shop-base", &from, &to).unwrap();
        assert_eq!(made.instances_distribution, Some(distribution));
        assert_eq!(super::template(&made), Some(&reference(&pin("lt-1", 6))));
        let [first, second] = super::overrides(&made) else { panic!("{made:?}") };
        assert_eq!(
            (first.weighted_capacity.as_deref(), &first.image_id),
            (Some("2"), &None),
            "the new image is everybody's"
        );
        assert_eq!(first.launch_template_specification, None);
        assert_eq!(second.instance_requirements, Some(requirements));
        assert_eq!(second.launch_template_specification, Some(reference(&pin("lt-2", 9))));

        let moved = LaunchSource::Mixed { template: pin("lt-1", 4), overrides: vec![pin("lt-2", 8)] };
        assert_eq!(rewritten(Some(&policy), "shop-base", &moved, &to).unwrap_err().kind, Kind::Drifted);
        assert_eq!(rewritten(None, "shop-base", &from, &to).unwrap_err().kind, Kind::Drifted);
    }
}
