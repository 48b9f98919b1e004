//! The live view on a terminal: the screen of `crossfade watch`, and what becomes of the users' requests. It is drawn on the terminal's
//! other screen; in the end how it stands is left where the command was given.

use std::time::Duration;

use crossfade_local::Installation;
use crossfade_local::watch::{FleetFrame, Frame, Happening, What};

use super::DEPLOYMENT;
use crate::say::{clock, count, line};
use crate::view::now::{FleetNow, Now, Side};
use crate::view::records::Records;
use crate::view::{View, build};
use crate::watch::screen::{fitted, fleets, one_row, unfolded};
use crate::watch::terminal::Screen;

/// A frame is shown for so long: a run of minutes is told in about a second, slowly enough to see it move.
const FRAME: Duration = Duration::from_millis(7);
/// Telling never takes longer than this in all.
const FRAMES_MAX: u32 = 180;
/// The least that it is shown on; on less, what happens is told line by line.
const LEAST: (usize, usize) = (40, 10);

/// The live view.
pub(crate) struct Live {
    installation: Installation,
    /// What is deployed, and what is to be seen.
    tells: Vec<String>,
    log: bool,
    screen: Option<Screen>,
    seen: Frame,
    at_seconds: f64,
    frames: u32,
}

impl Live {
    /// The view, where there is a terminal that it can be drawn on.
    pub(crate) fn open(installation: &Installation, tells: &[String], log: bool) -> Option<Self> {
        let screen = Some(Screen::open(LEAST)?);
        let (installation, tells) = (installation.clone(), tells.to_vec());
        Some(Self { installation, tells, log, screen, seen: Frame::default(), at_seconds: 0.0, frames: 0 })
    }

    pub(crate) fn tell(&mut self, happening: &Happening) {
        self.at_seconds = happening.at_seconds;
        match &happening.what {
            What::Frame(frame) => self.seen = frame.clone(),
            // The stages are what is drawn, whatever happens to them.
            What::Log { .. } if !self.log => return,
            _ => {}
        }
        self.draw(0);
        if self.frames < FRAMES_MAX {
            std::thread::sleep(FRAME);
            self.frames += 1;
        }
    }

    /// Does something that needs the last row of the terminal for itself.
    pub(crate) fn aside<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // Slowly again after the answer: this is where it gets interesting.
        self.frames = self.frames.min(FRAMES_MAX / 2);
        self.draw(1);
        line("");
        work()
    }

    /// Leaves how it stands where the command was given.
    pub(crate) fn end(&mut self) {
        let Some(screen) = self.screen.take() else { return };
        let (columns, _) = screen.size();
        drop(screen);
        let Some(view) = self.view() else { return };
        if self.log {
            let since = view.started_millis;
            let at = |millis: u64| clock(millis.saturating_sub(since) as f64 / 1000.0);
            view.log.iter().for_each(|entry| line(&format!("{:>7}    {}", at(entry.at_millis), entry.line)));
            line("");
        }
        let all = [unfolded(&view, columns), self.foot(&view, columns)].concat();
        all.iter().for_each(|row| line(&one_row(row, columns)));
    }

    /// Draws how it stands, and leaves so many rows at the end free.
    fn draw(&self, free: usize) {
        let (Some(screen), Some(view)) = (&self.screen, self.view()) else { return };
        let (columns, rows) = screen.size();
        let log = if self.log { view.log.clone() } else { Vec::new() };
        let view = View { log, ..view };
        screen.draw(&fitted(
            &view,
            self.tells.clone(),
            |compact| self.foot(&view, columns).split_off(usize::from(compact)),
            columns,
            rows.saturating_sub(free),
        ));
    }

    /// The deployment as its records have it, with what is to be seen from outside.
    fn view(&self) -> Option<View> {
        let records = Records::simulated(&self.installation, DEPLOYMENT)?;
        let view = build::view(&records, self.installation.sim.clock.now_millis());
        Some(View { now: Some(now(&self.seen)), ..view })
    }

    /// The fleets, and what became of the users' requests.
    fn foot(&self, view: &View, columns: usize) -> Vec<String> {
        let mut foot = vec![String::new()];
        foot.extend(view.now.iter().flat_map(|now| fleets(now, columns)));
        foot.push(format!(
            "{}  {} requests served, {} lost",
            clock(self.at_seconds),
            count(self.seen.requests_served),
            self.seen.requests_lost
        ));
        foot
    }
}

/// What the screen shows of the fleets.
fn now(frame: &Frame) -> Now {
    let sides = [(Side::Old, &frame.stable), (Side::New, &frame.candidate)];
    let fleets = sides.into_iter().filter_map(|(side, fleet)| Some(fleet_now(side, fleet.as_ref()?))).collect();
    Now { fleets, ..Now::default() }
}

fn fleet_now(side: Side, fleet: &FleetFrame) -> FleetNow {
    let count = |of: u32| usize::try_from(of).unwrap_or(usize::MAX);
    FleetNow {
        side,
        fleet: fleet.name.clone(),
        percent: Some(fleet.percent),
        healthy: fleet.healthy,
        desired: fleet.desired,
        starting: count(fleet.pending),
        leaving: count(fleet.terminating),
        reasons: std::collections::BTreeMap::new(),
    }
}
