//! The three ways in which a run is told: JSON lines, plain lines, and bars on a terminal.

use crossfade_core::plan::Direction;
use crossfade_local::watch::{FleetFrame, Frame, Happening, What};
use serde_json::json;

use super::bars::Bars;
use crate::say::{clock, count, line};

/// Tells what happens.
pub(crate) enum Teller {
    /// One JSON object a line.
    Json,
    /// Lines for people, without a terminal.
    Plain { log: bool, held: bool },
    /// A live view.
    Bars(Bars),
}

impl Teller {
    pub(crate) fn plain(log: bool) -> Self {
        Teller::Plain { log, held: false }
    }

    pub(crate) fn tell(&mut self, happening: &Happening) {
        match self {
            Teller::Json => line(&json!(happening).to_string()),
            Teller::Plain { log, held } => plain(happening, *log, held),
            Teller::Bars(bars) => bars.tell(happening),
        }
    }

    /// Does something that needs the terminal for itself.
    pub(crate) fn aside<T>(&mut self, work: impl FnOnce() -> T) -> T {
        match self {
            Teller::Bars(bars) => bars.aside(work),
            _ => work(),
        }
    }

    pub(crate) fn end(&mut self) {
        if let Teller::Bars(bars) = self {
            bars.end();
        }
    }
}

/// `held`: a stage has just held, and how things stand then is worth a line.
fn plain(happening: &Happening, log: bool, held: &mut bool) {
    let at = format!("{:>7}", clock(happening.at_seconds));
    match &happening.what {
        What::Planned { direction: Direction::Deploy, stages } => line(&format!("{at}  plan: {}", stages.join(" · "))),
        What::Planned { direction: Direction::Rollback, stages } => {
            let stages = if stages.is_empty() { "nothing to undo".into() } else { stages.join(" · ") };
            line(&format!("{at}  rolling back: {stages}"));
        }
        What::StageHeld { name, .. } => {
            line(&format!("{at}  ✓ {name}"));
            *held = true;
        }
        What::Log { line: text } if log => line(&format!("{at}    {text}")),
        What::Decided { approved } => {
            line(&format!("{at}  operator: {}", if *approved { "approved" } else { "rejected" }));
        }
        What::Frame(frame) if std::mem::take(held) => line(&format!("           {}", in_one_line(frame))),
        What::Frame(_) | What::StageStarted { .. } | What::Log { .. } => {}
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
