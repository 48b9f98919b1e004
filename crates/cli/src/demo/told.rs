//! The three ways in which a run is told: JSON lines, plain lines, and live on a terminal.

use crossfade_core::plan::Direction;
use crossfade_local::watch::{FleetFrame, Frame, Happening, What};
use crossfade_steps::ROLLING_BACK;
use serde_json::json;

use super::live::Live;
use crate::say::{clock, count, line, verbatim};

/// Tells what happens.
pub(crate) enum Teller {
    /// One JSON object a line.
    Json,
    /// Lines for people, without a terminal.
    Plain(Plain),
    /// A live view.
    Live(Box<Live>),
}

impl Teller {
    pub(crate) fn plain(log: bool) -> Self {
        Teller::Plain(Plain { log, ..Plain::default() })
    }

    pub(crate) fn tell(&mut self, happening: &Happening) {
        match self {
            Teller::Json => verbatim(&json!(happening).to_string()),
            Teller::Plain(plain) => plain.tell(happening).iter().for_each(|told| line(told)),
            Teller::Live(live) => live.tell(happening),
        }
    }

    /// Does something that needs the terminal for itself.
    pub(crate) fn aside<T>(&mut self, work: impl FnOnce() -> T) -> T {
        match self {
            Teller::Live(live) => live.aside(work),
            _ => work(),
        }
    }

    pub(crate) fn end(&mut self) {
        if let Teller::Live(live) = self {
            live.end();
        }
    }
}

/// How long nothing is said of a stage that waits, in seconds of the account's time.
const SILENCE: f64 = 300.0;

/// Tells it in lines.
#[derive(Default)]
pub(crate) struct Plain {
    log: bool,
    /// A stage has just held, and how things stand then is worth a line.
    held: bool,
    /// The stage that runs, and what it waits for.
    running: String,
    missing: String,
    /// Why it is rolled back.
    why: String,
    /// When something was last told.
    told_seconds: f64,
}

impl Plain {
    /// The lines for what has happened.
    fn tell(&mut self, happening: &Happening) -> Vec<String> {
        let lines = self.lines(happening);
        if !lines.is_empty() {
            self.told_seconds = happening.at_seconds;
        }
        lines
    }

    fn lines(&mut self, happening: &Happening) -> Vec<String> {
        let at = format!("{:>7}", clock(happening.at_seconds));
        match &happening.what {
            What::Planned { direction: Direction::Deploy, stages } => {
                vec![format!("{at}  plan: {}", stages.join(" · "))]
            }
            What::Planned { direction: Direction::Rollback, stages } => {
                let stages = if stages.is_empty() { "nothing to undo".into() } else { stages.join(" · ") };
                let (failed, why) = (std::mem::take(&mut self.running), std::mem::take(&mut self.why));
                let failed = (!failed.is_empty()).then(|| format!("{at}  ✗ {failed}{why}"));
                failed.into_iter().chain([format!("{at}  rolling back: {stages}")]).collect()
            }
            What::StageStarted { name, .. } => {
                (self.running, self.missing) = (name.clone(), String::new());
                Vec::new()
            }
            What::StageHeld { name, .. } => {
                self.held = true;
                vec![format!("{at}  ✓ {name}")]
            }
            What::Log { line } => {
                self.hear(line);
                if self.log { vec![format!("{at}    {line}")] } else { Vec::new() }
            }
            What::Decided { approved } => {
                vec![format!("{at}  operator: {}", if *approved { "approved" } else { "rejected" })]
            }
            What::Frame(frame) if std::mem::take(&mut self.held) => vec![format!("           {}", in_one_line(frame))],
            What::Frame(_) if happening.at_seconds >= self.told_seconds + SILENCE && !self.missing.is_empty() => {
                vec![format!("{at}  … {}: {}", self.running, self.missing)]
            }
            What::Frame(_) => Vec::new(),
        }
    }

    /// Notes what a line of the log says about the stage that runs.
    fn hear(&mut self, line: &str) {
        let of_stage = line.strip_prefix(self.running.as_str()).and_then(|rest| rest.strip_prefix(": "));
        if let Some(missing) = of_stage {
            self.missing = missing.to_owned();
        }
        if let Some(why) = line.strip_prefix(ROLLING_BACK).and_then(|rest| rest.strip_prefix(" because of ")) {
            self.why = format!(": {why}");
        }
    }
}

fn in_one_line(frame: &Frame) -> String {
    let fleets = [&frame.stable, &frame.candidate];
    let mut parts: Vec<String> = fleets.into_iter().flatten().map(fleet_line).collect();
    parts.push(format!("{} served, {} lost", count(frame.requests_served), frame.requests_lost));
    parts.join("  |  ")
}

fn fleet_line(fleet: &FleetFrame) -> String {
    format!("{} {} %, {}/{} healthy", fleet.name, fleet.percent, fleet.healthy, fleet.desired)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_long_says_for_what_and_what_failed_says_why() {
        let mut plain = Plain::default();
        let mut told = Vec::new();
        let frame = || What::Frame(Frame::default());
        let log = |line: &str| What::Log { line: line.into() };
        let started = What::StageStarted {
            direction: Direction::Deploy,
            index: 2,
            kind: crossfade_core::plan::StageKind::Upscale,
            name: "Upscale shop__7 to 4".into(),
        };
        for (at_seconds, what) in [
            (2.0, started),
            (40.0, log("Upscale shop__7 to 4: 0 of 4 healthy in shop-b")),
            (60.0, frame()),
            (301.0, frame()),
            (400.0, frame()),
            (602.0, frame()),
            (1200.0, log("Rolling back because of SteadyStateTimeout: it did not come about.")),
            (1200.0, What::Planned { direction: Direction::Rollback, stages: vec!["Downsize shop__7 to 0".into()] }),
        ] {
            told.extend(plain.tell(&Happening { at_seconds, what }));
        }
        let wanted = [
            "   5:01  … Upscale shop__7 to 4: 0 of 4 healthy in shop-b",
            "  10:02  … Upscale shop__7 to 4: 0 of 4 healthy in shop-b",
            "  20:00  ✗ Upscale shop__7 to 4: SteadyStateTimeout: it did not come about.",
            "  20:00  rolling back: Downsize shop__7 to 0",
        ];
        assert_eq!(told, wanted);
    }
}
