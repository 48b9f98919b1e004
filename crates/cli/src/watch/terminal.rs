//! Where the live screen is drawn: the terminal's other screen, so that what was there before comes back.

use std::io::{IsTerminal, Write};

use console::{Term, style};
use crossfade_core::text::printable;

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
        write("\u{1b}[?1049h\u{1b}[?25l");
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

/// Goes back to the terminal's own screen.
pub(crate) fn leave() {
    write("\u{1b}[?25h\u{1b}[?1049l");
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
