//! The tag that tells which service serves: written, and read only to be put back (K27, P49).

use crossfade_core::Result;
use crossfade_core::infrastructure::TAG_VERSION;
use crossfade_core::plan::Marked;
use serde_json::{Value, json};

use super::Services;
use super::client::{ecs_failure, text};

impl Services {
    /// Sets the tag of each service, or takes it off. A service that is gone needs none.
    pub(super) async fn tell(&self, fleets: &[Marked]) -> Result<Vec<String>> {
        let names: Vec<&str> = fleets.iter().map(|marked| marked.fleet.as_str()).collect();
        let services = self.services(&names).await?;
        let mut lines = Vec::new();
        for Marked { fleet, version } in fleets {
            let Some(arn) =
                services.iter().find(|it| text(it, "serviceName") == fleet).map(|it| text(it, "serviceArn"))
            else {
                continue;
            };
            let (done, line) = match version {
                Some(version) => {
                    let tag = json!({ "key": TAG_VERSION, "value": version });
                    let ask = json!({ "resourceArn": arn, "tags": [tag] });
                    let answer = self.client.ecs("TagResource", &ask).await;
                    let failed = |error| ecs_failure("TagResource", fleet, &error);
                    (answer.map_err(failed), format!("Tagged {fleet} {TAG_VERSION} = {version}"))
                }
                None => {
                    let ask = json!({ "resourceArn": arn, "tagKeys": [TAG_VERSION] });
                    let answer = self.client.ecs("UntagResource", &ask).await;
                    let failed = |error| ecs_failure("UntagResource", fleet, &error);
                    (answer.map_err(failed), format!("Took {TAG_VERSION} off {fleet}"))
                }
            };
            let _: Value = done?;
            lines.push(line);
        }
        Ok(lines)
    }
}
