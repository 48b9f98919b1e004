//! `GetConsoleOutput`: what EC2 has of an instance's console.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::required;
use crate::api::query::{Xml, only};
use crate::world::printed::printed;

use crate::world::{Refusal, Server, Tree, World, timestamp};

/// How long after a start EC2 has what was printed until then, for whoever does not ask for the latest.
const KEPT_MILLIS: u64 = 240_000;

pub(super) fn output(world: &World, form: &Tree) -> Result<Xml, Refusal> {
    only(form, &["InstanceId", "Latest"])?;
    let id = required(form, "InstanceId")?;
    if !id.starts_with("i-") {
        return Err(Refusal::new(400, "InvalidInstanceID.Malformed", &format!("Invalid id: \"{id}\"")));
    }
    let missing = || Refusal::new(400, "InvalidInstanceID.NotFound", &format!("The instance ID '{id}' does not exist"));
    let (server, image, kind, launched) = found(world, id).ok_or_else(missing)?;
    let now = world.now_millis();
    let latest = form.is_true("Latest");
    if latest && !nitro(kind) {
        let message = "This instance type does not support retrieving the latest console logs. To retrieve the cached console logs, \
                       resend your request without the latest option.";
        return Err(Refusal::new(400, "UnsupportedOperation", message));
    }
    let kept = Some(launched + KEPT_MILLIS).filter(|kept| *kept <= now);
    let taken = if latest { Some(now) } else { kept };
    let mut xml = Xml::new();
    xml.leaf("instanceId", id).leaf("timestamp", timestamp(taken.unwrap_or(launched)));
    let lines = taken.map_or_else(Vec::new, |taken| printed(server, image, launched, taken));
    if !lines.is_empty() {
        #[allow(clippy::cast_precision_loss)]
        let line = |(at, text): &(u64, String)| format!("[{:>12.6}] {text}\r\n", (at - launched) as f64 / 1000.0);
        xml.leaf("output", STANDARD.encode(lines.iter().map(line).collect::<String>()));
    }
    Ok(xml)
}

/// An instance: its application, image and type, and when its launch began.
fn found<'a>(world: &'a World, id: &str) -> Option<(&'a Server, &'a str, &'a str, u64)> {
    if let Some(it) = world.instances.get(id) {
        return Some((&it.server, &it.image, &it.instance_type, it.launched_at));
    }
    let it = world.spot.of_instance(id)?;
    Some((&it.server, &it.image, &it.instance_type, it.created_at))
}

/// Whether a type is built on Nitro: those of the fifth generation on, and two of burstable ones (EC2 user guide).
fn nitro(kind: &str) -> bool {
    let family = kind.split('.').next().unwrap_or_default();
    let generation = family.chars().find_map(|letter| letter.to_digit(10)).unwrap_or_default();
    generation >= 5 || family.starts_with("t3") || family.starts_with("t4")
}

#[cfg(test)]
mod tests {
    use super::nitro;

    #[test]
    fn types_are_built_on_nitro_from_the_fifth_generation_on() {
        assert!(["m5.large", "m6i.large", "c7g.xlarge", "t3.micro", "t4g.small"].iter().all(|kind| nitro(kind)));
        assert!(!["m4.large", "t2.micro", "c3.large", "r4.xlarge"].iter().any(|kind| nitro(kind)));
    }
}
