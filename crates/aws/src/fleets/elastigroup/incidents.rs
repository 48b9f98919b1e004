//! What Spot did with a group, and tried to: the log that it keeps. That it says all of it in prose only is known here alone.

use crossfade_core::observed::{Because, Happened, Incident};
use crossfade_core::{Result, text as words};
use serde_json::Value;

use super::Groups;
use super::read::{self, id, millis, text};

impl Groups {
    /// What happened to a group since then, newest first.
    pub(super) async fn happened(&self, name: &str, since_millis: u64) -> Result<Vec<Incident>> {
        let Some(group) = self.find(name).await? else { return Ok(Vec::new()) };
        // Spot's clock may be ahead of ours.
        let now = self.client.now_millis() + 60_000;
        let since = since_millis / 1000 * 1000;
        let query = format!("&fromDate={since}&toDate={now}&limit=1000");
        let lines = match self.get("GetLogs", format!("/{}/logs", id(&group)), query).await {
            Err(refused) if refused.gone() => Vec::new(),
            lines => lines.map_err(|refused| refused.failure("GetLogs", name))?,
        };
        let falls_back = read::falls_back(&group);
        let mut incidents: Vec<Incident> = lines.iter().filter_map(|line| incident(line, falls_back)).collect();
        incidents.retain(|incident| incident.at_millis >= since);
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.at_millis));
        Ok(incidents)
    }
}

/// A line of the log. What the market does not have, a group that falls back gets on demand: that is no failure yet.
fn incident(line: &Value, falls_back: bool) -> Option<Incident> {
    let at_millis = millis(text(line, "createdAt"))?;
    let said = words::one_line(text(line, "message"), words::COMMENT);
    let lower = said.to_lowercase();
    let has = |part: &str| lower.contains(part);
    let cannot = has("can't spin") || has("cant spin") || has("failed to launch");
    let hopeless = cannot && !(falls_back && has("spin spot"));
    let (what, because) = match () {
        () if hopeless || has("launched") => (Happened::Launch, Because::Other),
        () if has("scheduled task") => (Happened::Other, Because::Schedule),
        () if has("unhealthy") || has("health check") => (Happened::End, Because::Health),
        () if has("terminated") || has("detached") => (Happened::End, Because::Other),
        () => (Happened::Other, Because::Other),
    };
    let reason = hopeless.then(|| said.clone());
    // Its lines have no names: they are told apart by what they say.
    let id = said.clone();
    Some(Incident { id, at_millis, what, because, failed: hopeless, reason, said })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_log_says_in_prose_is_told_apart() {
        let of_group = |message: &str, falls_back: bool| {
            let line = json!({ "createdAt": "2026-01-05T09:00:00.000Z", "message": message });
            let incident = incident(&line, falls_back).expect("it has a time");
            (incident.what, incident.because, incident.failed)
        };
        let of = |message: &str| of_group(message, false);
        let spin = "Can't Spin Spot Instances: Code: InsufficientInstanceCapacity, Message: none left";
        assert_eq!(of(spin), (Happened::Launch, Because::Other, true));
        assert!(!of_group(spin, true).2, "it gets one on demand");
        assert!(of_group("Can't Spin On-Demand Instances: Code: InsufficientInstanceCapacity", true).2);
        assert_eq!(of("Instance i-1 was launched"), (Happened::Launch, Because::Other, false));
        assert_eq!(of("Scheduled task scale was executed"), (Happened::Other, Because::Schedule, false));
        assert_eq!(of("Instance i-1 is unhealthy"), (Happened::End, Because::Health, false));
        assert_eq!(millis("2026-01-05T09:00:00.000+0000"), millis("2026-01-05T09:00:00.000Z"));
        assert_eq!(millis("2026-01-05T09:00:00.000Z"), Some(1_767_603_600_000));
    }
}
