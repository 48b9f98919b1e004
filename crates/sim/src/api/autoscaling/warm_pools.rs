//! Warm pools.

use super::describe::write_instance;
use super::page_size;
use crate::api::query::{Xml, only, page, required};
use crate::world::{Refusal, Tree, WarmPool, World, unknown_group};

const SETTINGS: [&str; 4] = ["MaxGroupPreparedCapacity", "MinSize", "PoolState", "InstanceReusePolicy"];

pub(super) fn put(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &[&SETTINGS[..], &["AutoScalingGroupName"]].concat())?;
    let mut settings = form.clone();
    settings.take("AutoScalingGroupName");
    world.put_warm_pool(required(form, "AutoScalingGroupName")?, &settings)?;
    Ok(Xml::new())
}

pub(super) fn delete(world: &mut World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "ForceDelete"])?;
    world.delete_warm_pool(required(form, "AutoScalingGroupName")?, form.is_true("ForceDelete"))?;
    Ok(Xml::new())
}

pub(super) fn describe(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["AutoScalingGroupName", "MaxRecords", "NextToken"])?;
    let name = required(form, "AutoScalingGroupName")?;
    let pool = world.group(name).ok_or_else(|| unknown_group(name))?.carried.warm_pool.as_ref();
    let members = pool.map_or(&[][..], |pool| &pool.members);
    let instances: Vec<_> = members.iter().filter_map(|id| world.instance(id)).collect();
    let (instances, next) = page(instances, form.str("NextToken"), page_size(form, 50, 50)?)?;
    let mut xml = Xml::new();
    if let Some(pool) = pool {
        xml.tag("WarmPoolConfiguration", |xml| write_configuration(xml, pool));
    }
    xml.members("Instances", instances, write_instance);
    xml.maybe("NextToken", next);
    Ok(xml)
}

pub(super) fn write_configuration(xml: &mut Xml, pool: &WarmPool) {
    xml.inside(&pool.settings);
    if pool.deleting {
        xml.leaf("Status", "PendingDelete");
    }
}
