//! Setting instances aside and putting them back.

use super::activities::write;
use crate::api::query::{Xml, only, required};
use crate::world::{Activity, Refusal, Tree, World};

/// The instances that a request names: at least one.
fn instances(form: &Tree) -> Result<Vec<String>, Refusal> {
    let ids = form.strings("InstanceIds");
    if ids.is_empty() { Err(Refusal::validation("At least one instance must be specified")) } else { Ok(ids) }
}

fn answer(group: &str, activities: &[Activity]) -> Xml {
    let mut xml = Xml::new();
    xml.members("Activities", activities, |xml, activity| write(xml, group, activity));
    xml
}

pub(super) fn enter(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceIds", "AutoScalingGroupName", "ShouldDecrementDesiredCapacity"])?;
    let group = required(form, "AutoScalingGroupName")?;
    let shrink = required(form, "ShouldDecrementDesiredCapacity")? == "true";
    Ok(answer(group, &world.enter_standby(group, &instances(form)?, shrink)?))
}

pub(super) fn exit(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceIds", "AutoScalingGroupName"])?;
    let group = required(form, "AutoScalingGroupName")?;
    Ok(answer(group, &world.exit_standby(group, &instances(form)?)?))
}
