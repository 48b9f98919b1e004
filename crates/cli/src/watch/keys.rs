//! Single keys on the live screen: what each would do is said and confirmed before it is done; what cannot be done says why. Pure.
//!
//! What a key does is what the command of that name does; the words are those of the dashboard's buttons.

use super::screen::{framed, one_row, unfolded};
use crate::dashboard::offers::{Deed, Offer, offers};
use crate::fold::rows as folded_rows;
use crate::view::now::{HealthNow, MemberNow};
use crate::view::{View, text};

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// A letter.
    Letter(char),
    /// Back to what was shown before.
    Escape,
    /// So many rows further up; down where it is less than none.
    Scroll(isize),
}

/// How many rows a page has that is scrolled.
const PAGE: isize = 10;

impl Key {
    /// The key that has sent these bytes. Several at once were pasted, or typed blindly: none of them is meant.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1b] => Some(Key::Escape),
            b"\x1b[A" | b"\x1bOA" => Some(Key::Scroll(1)),
            b"\x1b[B" | b"\x1bOB" => Some(Key::Scroll(-1)),
            b"\x1b[5~" => Some(Key::Scroll(PAGE)),
            b"\x1b[6~" => Some(Key::Scroll(-PAGE)),
            [one] if one.is_ascii_graphic() => Some(Key::Letter(char::from(one.to_ascii_lowercase()))),
            _ => None,
        }
    }
}

/// What is shown instead of the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    Log,
    Instances,
    Plan,
}

/// What comes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    /// It only changes what is shown.
    Shown,
    /// Somebody is asked whether they mean it.
    Asks,
    /// Somebody leaves; the deployment goes on.
    Leave,
    /// This is to be done.
    Do(Box<Offer>),
}

/// What is shown by the keys that were pressed.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pane: Option<Pane>,
    /// How many rows the pane is scrolled up.
    up: usize,
    /// What somebody is asked to confirm.
    asks: Option<Box<Offer>>,
    /// What came of the last key.
    pub(crate) said: Option<String>,
}

/// The keys that do something: the letter, the word before and after it, and what it does.
const DEEDS: [(char, [&str; 2], Deed); 3] =
    [('a', ["", "pprove"], Deed::Approve), ('r', ["", "eject"], Deed::Reject), ('b', ["a", "ort"], Deed::Abort)];

impl Keys {
    /// Takes a key.
    pub(crate) fn press(&mut self, key: Key, view: Option<&View>) -> Pressed {
        self.said = None;
        if let Some(offer) = self.asks.take() {
            if key == Key::Letter('y') {
                return Pressed::Do(offer);
            }
            self.said = Some("Nothing was done.".into());
            return Pressed::Shown;
        }
        match key {
            Key::Letter('q') => return Pressed::Leave,
            Key::Letter('l') => self.toggle(Pane::Log),
            Key::Letter('i') => self.toggle(Pane::Instances),
            Key::Letter('p') => self.toggle(Pane::Plan),
            Key::Escape => self.pane = None,
            Key::Scroll(rows) => self.up = self.up.saturating_add_signed(rows),
            Key::Letter(letter) => {
                let meant = DEEDS.iter().find(|(key, ..)| *key == letter);
                if let (Some((.., deed)), Some(view)) = (meant, view) {
                    return self.offer(view, *deed);
                }
            }
        }
        Pressed::Shown
    }

    fn toggle(&mut self, pane: Pane) {
        self.pane = Some(pane).filter(|pane| self.pane != Some(*pane));
        self.up = 0;
    }

    fn offer(&mut self, view: &View, deed: Deed) -> Pressed {
        let Some(offer) = offers(view, &[]).into_iter().find(|offer| offer.deed == deed) else { return Pressed::Shown };
        match &offer.void {
            Some(why) => {
                self.said = Some(why.clone());
                Pressed::Shown
            }
            None => {
                self.asks = Some(Box::new(offer));
                Pressed::Asks
            }
        }
    }

    /// The screen, row by row.
    pub(crate) fn frame(&mut self, view: &View, trouble: Option<&str>, columns: usize, rows: usize) -> Vec<String> {
        if let Some(offer) = &self.asks {
            return asks(offer, view, columns, rows);
        }
        let said = self.said.iter().flat_map(|said| folded_rows(&format!("! {said}"), columns));
        let below: Vec<String> = said.chain([self.keys(view, columns)]).collect();
        match self.pane {
            None => framed(view, trouble, Some(&below), columns, rows),
            Some(pane) => self.pane(pane, view, below, columns, rows),
        }
    }

    /// The end of what the pane shows, or what stands so many rows above.
    fn pane(&mut self, pane: Pane, view: &View, below: Vec<String>, columns: usize, rows: usize) -> Vec<String> {
        let shown: Vec<String> = match pane {
            Pane::Log => view.log.iter().map(|entry| text::entry(entry, view.as_of_millis)).collect(),
            Pane::Instances => instances(view),
            Pane::Plan => unfolded(view, columns),
        };
        let shown: Vec<String> = shown.iter().flat_map(|line| folded_rows(line, columns)).collect();
        let head = text::heading(view).first().cloned().unwrap_or_default();
        let room = rows.saturating_sub(below.len() + 2).max(1);
        self.up = self.up.min(shown.len().saturating_sub(room));
        let end = shown.len() - self.up;
        let more = shown.len() > room;
        let part = &shown[end.saturating_sub(room)..end];
        let hint = if more { "  (arrows scroll)" } else { "" };
        let mut all = vec![head, String::new()];
        all.extend_from_slice(part);
        all.extend(std::iter::repeat_n(String::new(), room - part.len().min(room)));
        all.extend(below);
        if let Some(first) = all.first_mut() {
            first.push_str(hint);
        }
        // Too low for all of it: the keys are what people look for.
        let least = all.len().saturating_sub(rows);
        all.iter().skip(least).map(|row| one_row(row, columns)).collect()
    }

    /// The keys in one row; those that can do nothing now without their brackets.
    fn keys(&self, view: &View, columns: usize) -> String {
        let offered = offers(view, &[]);
        let deed = |(key, [before, after], deed): &(char, [&str; 2], Deed)| {
            let offer = offered.iter().find(|offer| offer.deed == *deed);
            let free = offer.filter(|offer| offer.void.is_none());
            let stage = free.and_then(|offer| offer.stage).filter(|_| *deed == Deed::Approve);
            let stage = stage.map_or_else(String::new, |stage| format!(" {stage}"));
            match free {
                Some(_) => format!("{before}[{key}]{after}{stage}"),
                None => format!("{before}{key}{after}"),
            }
        };
        let mut keys: Vec<String> = DEEDS.iter().map(deed).collect();
        keys.extend(["[l]og", "[i]nstances", "[p]lan"].map(str::to_owned));
        let wide = format!("{}  [q]uit, it goes on", keys.join("  "));
        if wide.chars().count() <= columns { wide } else { format!("{} [q]uit", keys.join(" ")) }
    }
}

/// What will happen, and whether that is meant. The question is always there, however low the terminal is.
fn asks(offer: &Offer, view: &View, columns: usize, rows: usize) -> Vec<String> {
    let question = view.question.as_ref().filter(|_| offer.stage.is_some());
    let mut all = vec![text::heading(view).first().cloned().unwrap_or_default(), String::new()];
    all.push(format!("{} of {}?", offer.label, view.deployment_id));
    all.extend(question.iter().flat_map(|it| text::question(it, view.as_of_millis)));
    all.extend(offer.will.iter().map(|will| format!("  - {will}")));
    all.push(format!("  as with: {}", offer.command));
    let mut all: Vec<String> = all.iter().flat_map(|line| folded_rows(line, columns)).collect();
    let room = rows.saturating_sub(2);
    if all.len() > room {
        all.truncate(room.saturating_sub(1));
        all.push("  …".into());
    }
    all.push(String::new());
    all.push("[y]es  [n]o".into());
    let least = all.len().saturating_sub(rows);
    all.iter().skip(least).map(|row| one_row(row, columns)).collect()
}

/// The members of each fleet, those that are not well first, with why.
fn instances(view: &View) -> Vec<String> {
    let Some(now) = &view.now else { return vec!["There is nothing to be seen yet.".into()] };
    let mut lines = Vec::new();
    for fleet in &now.fleets {
        lines.push(format!("{} {}  {}", text::side(fleet.side), fleet.fleet, text::health(fleet)));
        let own = now.members.iter().filter(|member| member.fleet == fleet.fleet);
        lines.extend(own.map(member));
    }
    lines.extend(now.problem.iter().map(|why| format!("could not be read: {why}")));
    let ill = now.members.iter().find(|member| member.health == HealthNow::Unhealthy);
    lines.extend(ill.map(|member| format!("What one has printed: crossfade console {}", member.id)));
    lines
}

fn member(member: &MemberNow) -> String {
    let (mark, health) = match member.health {
        HealthNow::Unhealthy => ("✗", "unhealthy"),
        HealthNow::Starting => ("·", "starting"),
        HealthNow::Leaving => ("↩", "leaving"),
        HealthNow::Healthy => ("✓", "healthy"),
        HealthNow::Idle => ("·", "idle"),
    };
    let why = member.reason.as_ref().map_or_else(String::new, |why| format!("  {why}"));
    format!("  {mark} {}  {}  {health}{why}", member.id, member.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::theatre::{Theatre, example};

    async fn asking() -> View {
        let theatre = Theatre::new();
        theatre.start("shop-42", &example());
        theatre.asks("shop-42").await
    }

    #[test]
    fn bytes_are_keys_and_what_is_pasted_is_none() {
        assert_eq!(Key::of(b"a"), Some(Key::Letter('a')));
        assert_eq!(Key::of(b"A"), Some(Key::Letter('a')));
        assert_eq!(Key::of(b"\x1b"), Some(Key::Escape));
        assert_eq!(Key::of(b"\x1b[A"), Some(Key::Scroll(1)));
        for none in [&b"ay"[..], b"", b"\x01", b"\x1b[Z", "é".as_bytes()] {
            assert_eq!(Key::of(none), None, "{none:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_asks_before_it_does_anything_and_what_is_void_says_why() {
        let view = asking().await;
        let mut keys = Keys::default();
        assert_eq!(keys.press(Key::Letter('a'), Some(&view)), Pressed::Asks);
        let asked = keys.frame(&view, None, 80, 24).join("\n");
        for part in [
            "Approve stage 5 of shop-42?",
            "Shift 50 % to shop__7",
            "crossfade approve shop-42 --stage 5",
            "[y]es  [n]o",
        ] {
            assert!(asked.contains(part), "{part}:\n{asked}");
        }
        // Whatever is not a yes is a no.
        assert_eq!(keys.press(Key::Letter('a'), Some(&view)), Pressed::Shown);
        assert_eq!(keys.said.as_deref(), Some("Nothing was done."));
        assert_eq!(keys.press(Key::Letter('a'), Some(&view)), Pressed::Asks);
        let Pressed::Do(offer) = keys.press(Key::Letter('y'), Some(&view)) else { panic!("it is confirmed") };
        assert_eq!((offer.deed, offer.stage), (Deed::Approve, Some(5)));
        assert_eq!(keys.press(Key::Letter('q'), Some(&view)), Pressed::Leave);

        let over = View { question: None, ..view };
        assert_eq!(keys.press(Key::Letter('r'), Some(&over)), Pressed::Shown);
        assert!(keys.said.as_deref().is_some_and(|why| why.starts_with("Nothing is asked")), "{:?}", keys.said);
        let row = keys.keys(&over, 80);
        assert!(row.starts_with("approve  reject  a[b]ort  [l]og"), "{row}");
    }

    #[tokio::test(start_paused = true)]
    async fn every_screen_fits_its_terminal_with_the_keys_below() {
        let view = asking().await;
        for (columns, rows) in [(120, 40), (80, 24), (60, 16), (40, 10), (20, 4)] {
            let mut keys = Keys::default();
            for key in ['l', 'i', 'p', 'a', 'n', 'p'] {
                keys.press(Key::Letter(key), Some(&view));
                let frame = keys.frame(&view, None, columns, rows);
                assert!(frame.len() <= rows, "{key} {columns}x{rows}: {frame:#?}");
                assert!(frame.iter().all(|row| console::measure_text_width(row) <= columns), "{key}: {frame:#?}");
                let last = frame.last().map(String::as_str).unwrap_or_default();
                let wanted = if key == 'a' { "[y]es" } else { "[a]pprove 5" };
                assert!(last.starts_with(wanted), "{key} {columns}x{rows}: {last}");
                assert!(columns < 60 || key == 'a' || last.contains("[q]uit"), "{columns}: {last}");
            }
        }
    }
}
