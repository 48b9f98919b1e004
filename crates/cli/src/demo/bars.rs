//! The live view on a terminal: the stages with their state, both fleets, the traffic.

use std::time::Duration;

use console::{Alignment, Term, pad_str, style};
use crossfade_core::plan::Direction;
use crossfade_local::watch::{FleetFrame, Frame, Happening, What};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::say::{clock, count, line};

/// A frame is shown for so long: a run of minutes is told in about a second, slowly enough to see it move.
const FRAME: Duration = Duration::from_millis(7);
/// Telling never takes longer than this in all.
const FRAMES_MAX: u32 = 180;
const BAR_CELLS: u32 = 30;

/// The live view.
pub(crate) struct Bars {
    all: MultiProgress,
    log: bool,
    stages: Vec<ProgressBar>,
    stable: ProgressBar,
    candidate: ProgressBar,
    traffic: ProgressBar,
    frames: u32,
    /// The stage that runs: its row and its name.
    running: Option<(usize, String)>,
}

impl Bars {
    pub(crate) fn new(log: bool) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(60));
        let (stable, candidate, traffic) = (row(&all), row(&all), row(&all));
        Self { all, log, stages: Vec::new(), stable, candidate, traffic, frames: 0, running: None }
    }

    pub(crate) fn tell(&mut self, happening: &Happening) {
        let at = clock(happening.at_seconds);
        match &happening.what {
            What::Planned { direction, stages } => {
                if *direction == Direction::Rollback {
                    if let Some((row, name)) = self.running.take() {
                        self.mark(row, format!("{} {name}", style("✗").red()));
                    }
                    self.stages.push(self.insert(style("Rolling back").yellow().bold().to_string()));
                }
                for name in stages {
                    self.stages.push(self.insert(format!("{} {name}", style("·").dim())));
                }
            }
            What::StageStarted { direction, index, name, .. } => {
                let row = self.row(*direction, *index);
                self.mark(row, format!("{} {}", style("▶").cyan(), style(name).bold()));
                self.running = Some((row, name.clone()));
            }
            What::StageHeld { direction, index, name, .. } => {
                let row = self.row(*direction, *index);
                self.mark(row, format!("{} {} {}", style("✓").green(), fitted(name), style(at).dim()));
            }
            What::Frame(frame) => self.show(frame, &at),
            What::Log { line: text } if self.log => {
                let _ = self.all.println(format!("{:>8}  {}", style(at).dim(), style(text).dim()));
            }
            What::Decided { .. } | What::Log { .. } => {}
        }
        if self.frames < FRAMES_MAX {
            std::thread::sleep(FRAME);
            self.frames += 1;
        }
    }

    /// Does something that needs the terminal for itself, below how things stand now.
    pub(crate) fn aside<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // Slowly again after the answer: this is where it gets interesting.
        self.frames = self.frames.min(FRAMES_MAX / 2);
        self.all.suspend(|| {
            self.rows().for_each(|row| line(&row.message()));
            work()
        })
    }

    /// Leaves the last state on the screen.
    pub(crate) fn end(&mut self) {
        self.rows().for_each(ProgressBar::abandon);
        line("");
    }

    fn rows(&self) -> impl Iterator<Item = &ProgressBar> {
        self.stages.iter().chain([&self.stable, &self.candidate, &self.traffic])
    }

    fn insert(&self, text: String) -> ProgressBar {
        let bar = self.all.insert(self.stages.len(), ProgressBar::new_spinner());
        bar.set_style(plain());
        bar.set_message(text);
        bar.tick();
        bar
    }

    /// The row of a stage: those of a rollback stand below its heading, at the end.
    fn row(&self, direction: Direction, index: usize) -> usize {
        let heading = self.stages.iter().position(|bar| bar.message().contains("Rolling back"));
        index + if direction == Direction::Deploy { 0 } else { heading.map_or(0, |heading| heading + 1) }
    }

    fn mark(&self, row: usize, text: String) {
        if let Some(bar) = self.stages.get(row) {
            bar.set_message(text);
            bar.tick();
        }
    }

    fn show(&self, frame: &Frame, at: &str) {
        for (bar, fleet) in [(&self.stable, &frame.stable), (&self.candidate, &frame.candidate)] {
            if let Some(fleet) = fleet {
                bar.set_message(fleet_row(fleet));
            } else {
                bar.set_message("");
            }
            bar.tick();
        }
        let lost = match frame.requests_lost {
            0 => style("0 lost".to_owned()).green(),
            lost => style(format!("{lost} lost")).red().bold(),
        };
        self.traffic.set_message(format!("  {:>8}  {} requests served, {lost}", at, count(frame.requests_served)));
        self.traffic.tick();
    }
}

fn fleet_row(fleet: &FleetFrame) -> String {
    let cells = (fleet.percent.min(100) * BAR_CELLS).div_ceil(100) as usize;
    let bar = format!("{}{}", "█".repeat(cells), "░".repeat(BAR_CELLS as usize - cells));
    let mut on_the_way = String::new();
    if fleet.pending > 0 {
        on_the_way.push_str(&format!(", {} starting", fleet.pending));
    }
    if fleet.terminating > 0 {
        on_the_way.push_str(&format!(", {} leaving", fleet.terminating));
    }
    format!(
        "  {:>8}  {} {:>3} %  {}/{} healthy{on_the_way}",
        fleet.name,
        style(bar).cyan(),
        fleet.percent,
        fleet.healthy,
        fleet.desired
    )
}

fn row(all: &MultiProgress) -> ProgressBar {
    let bar = all.add(ProgressBar::new_spinner());
    bar.set_style(plain());
    bar.tick();
    bar
}

/// The name of a stage, as wide as that column, so that the times stand below each other and no row wraps.
fn fitted(name: &str) -> String {
    let (_, width) = Term::stdout().size();
    let room = usize::from(width).saturating_sub(12).min(44);
    pad_str(name, room, Alignment::Left, Some("…")).into_owned()
}

/// A line that says what it is told.
fn plain() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}
