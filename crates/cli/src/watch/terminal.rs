//! Where the live screen is drawn, and where its keys come from: the terminal's other screen, so that what was there before comes
//! back, whatever ends it.

use std::io::{IsTerminal, Read, Write};
use std::sync::{Mutex, Once, PoisonError};

use console::{Term, style};
use crossfade_core::text::printable;
use rustix::process::{Signal as Sign, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::keys::Key;

/// How the terminal was before its keys were read one by one.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The other screen, until it is dropped.
pub(crate) struct Screen {
    term: Term,
}

impl Screen {
    /// The screen, where there is one that can be drawn on and has at least so many columns and rows.
    pub(crate) fn open((least_columns, least_rows): (usize, usize)) -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let term = Term::stdout();
        let (rows, columns) = term.size();
        let small = usize::from(columns) < least_columns || usize::from(rows) < least_rows;
        if dumb || small || !std::io::stdout().is_terminal() {
            return None;
        }
        static TOLD: Once = Once::new();
        // What a panic says is to be seen.
        TOLD.call_once(|| {
            let tell = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                tell(panic);
            }));
        });
        enter();
        Some(Self { term })
    }

    /// Its columns and rows now.
    pub(crate) fn size(&self) -> (usize, usize) {
        let (rows, columns) = self.term.size();
        (usize::from(columns), usize::from(rows))
    }

    /// Shows these rows and nothing else.
    pub(crate) fn draw(&self, rows: &[String]) {
        let mut text = "\u{1b}[H".to_owned();
        for (i, row) in rows.iter().enumerate() {
            // After the last row it would scroll.
            let end = if i + 1 < rows.len() { "\r\n" } else { "" };
            text.push_str(&format!("{}\u{1b}[K{end}", painted(&printable(row))));
        }
        text.push_str("\u{1b}[J");
        write(&text);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() {
    write("\u{1b}[?1049h\u{1b}[?25l");
}

/// Goes back to the terminal's own screen, and gives its keys back.
pub(crate) fn leave() {
    write("\u{1b}[?25h\u{1b}[?1049l");
    if let Some(before) = &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, before);
    }
}

/// What comes from whoever sits at the terminal.
pub(crate) enum Heard {
    /// A key.
    Key(Key),
    /// They are back from where ctrl-Z led them.
    Back,
    /// Somebody ends this command.
    End,
}

/// The keys of a terminal with a screen, each as it is pressed. Ctrl-C stays a signal.
pub(crate) struct Keyboard {
    keys: UnboundedReceiver<Vec<u8>>,
    stop: Signal,
    end: Signal,
}

impl Keyboard {
    /// The keyboard, where there is one.
    pub(crate) fn open() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let stop = signal(SignalKind::from_raw(Sign::TSTP.as_raw())).ok()?;
        let end = signal(SignalKind::terminate()).ok()?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(tcgetattr(&stdin).ok()?);
        one_by_one();
        let (tell, keys) = unbounded_channel();
        // Whoever waits for a key cannot be told to stop: a thread that nobody waits for.
        std::thread::spawn(move || {
            let mut bytes = [0; 64];
            while let Ok(count @ 1..) = std::io::stdin().read(&mut bytes) {
                if tell.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { keys, stop, end })
    }

    /// What comes next.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            tokio::select! {
                Some(bytes) = self.keys.recv() => {
                    if let Some(key) = Key::of(&bytes) {
                        return Heard::Key(key);
                    }
                }
                Some(()) = self.stop.recv() => {
                    leave();
                    let _ = kill_process(getpid(), Sign::STOP);
                    // From here on they are back.
                    one_by_one();
                    enter();
                    return Heard::Back;
                }
                Some(()) = self.end.recv() => return Heard::End,
                else => return std::future::pending().await,
            }
        }
    }

    /// Forgets what was typed before something was shown.
    pub(crate) fn forget(&mut self) {
        while self.keys.try_recv().is_ok() {}
    }
}

/// Lets each key come as it is pressed, and shows none.
fn one_by_one() {
    let stdin = std::io::stdin();
    let Ok(mut mode) = tcgetattr(&stdin) else { return };
    mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    mode.special_codes[SpecialCodeIndex::VMIN] = 1;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    let _ = tcsetattr(&stdin, OptionalActions::Now, &mode);
}

fn write(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The signs in their colours.
fn painted(row: &str) -> String {
    let Some((at, sign)) = row.char_indices().find(|(_, letter)| "✓▶✗?!↩█".contains(*letter)) else {
        return row.to_owned();
    };
    let end = row[at..].find(|letter| letter != sign).map_or(row.len(), |length| at + length);
    let (before, signs, after) = (&row[..at], &row[at..end], &row[end..]);
    let signs = style(signs);
    let signs = match sign {
        '✓' => signs.green(),
        '✗' | '!' => signs.red(),
        '?' | '↩' => signs.yellow(),
        _ => signs.cyan(),
    };
    format!("{before}{signs}{after}")
}
