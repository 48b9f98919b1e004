//! How the command speaks: results on standard output, problems on standard error, colours only on a terminal.

use std::io::{IsTerminal, Write};

use crossfade_core::text::{printable, thousands};
use serde_json::json;

use crate::fold::{columns, columns_aside, folded};

pub(crate) use crate::problem::{INTERRUPTED, Problem};

/// The runtime that a command's work runs on.
pub(crate) fn runtime(builder: &mut tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Problem> {
    builder.build().map_err(|error| Problem::Here(error.to_string()))
}

/// A line of the result for people: in a terminal no wider than that. What came from outside does nothing to it.
pub(crate) fn line(text: &str) {
    styled(&folded(&printable(text), columns()));
}

/// A part of the result that something else reads, or that people take elsewhere: as it is.
pub(crate) fn verbatim(text: &str) {
    styled(&printable(text));
}

/// The same with colours of our own: nothing in it comes from outside. A reader that has gone away, such as `head`, is no reason to
/// complain.
pub(crate) fn styled(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line beside the result.
pub(crate) fn aside(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", folded(&printable(text), columns_aside()));
}

/// What went wrong.
pub(crate) fn problem(text: &str) {
    let error = console::style("error:").for_stderr().red().bold();
    let text = folded(&format!("error: {}", printable(text)), columns_aside());
    let _ = writeln!(std::io::stderr(), "{error}{}", text.trim_start_matches("error:"));
}

/// The same for scripts, on standard output: the last object there, whatever was printed before.
pub(crate) fn told(problem: Problem) {
    verbatim(&json!(problem.told()).to_string());
}

/// Whether a person sits there who can be shown something and asked.
pub(crate) fn terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks the person at the terminal whether they want it. No input at all counts as no.
///
/// # Errors
/// With the word for what was not done, when they say no or press ctrl-C.
pub(crate) async fn agreed(question: &str, nothing: &str) -> Result<(), Problem> {
    let prompt = format!("{} [y/n] ", printable(question));
    let answered = async {
        let (tell, told) = tokio::sync::oneshot::channel();
        // Whoever waits for a line hears no signal, and cannot be told to stop: a thread that nobody waits for.
        std::thread::spawn(move || tell.send(yes(&mut std::io::stderr(), &prompt)));
        told.await
    };
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {
            let _ = writeln!(std::io::stderr());
            Err(Problem::Interrupted(nothing.to_owned()))
        }
        answer = answered => match answer {
            Ok(Some(true)) => Ok(()),
            _ => Err(Problem::Refused(nothing.to_owned())),
        },
    }
}

/// Does what ctrl-C ends, also once somebody was asked: from then on the command hears of it, and does not just end.
///
/// # Errors
/// That, with what is to be said; and what goes wrong by itself.
pub(crate) async fn interruptible<T>(
    work: impl Future<Output = Result<T, Problem>>,
    unsure: &str,
) -> Result<T, Problem> {
    tokio::select! {
        biased;
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(Problem::Interrupted(unsure.to_owned())),
    }
}

/// What standard input says to this prompt: asked until it is yes or no; nothing when it has ended.
pub(crate) fn yes(out: &mut dyn Write, prompt: &str) -> Option<bool> {
    let typed = std::io::stdin().is_terminal();
    loop {
        let _ = write!(out, "{prompt}").and_then(|()| out.flush());
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        // Nobody has pressed return: what comes next would stand behind the prompt.
        if !typed || !matches!(read, Ok(1..)) {
            let _ = writeln!(out, "{}", printable(answer.trim()));
        }
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => return Some(true),
            "n" | "no" => return Some(false),
            _ => match read {
                Ok(0) => return None,
                Ok(_) => {}
                // What cannot be read is no yes.
                Err(_) => return Some(false),
            },
        }
    }
}

/// 12345 → `12,345`.
pub(crate) fn count(number: u64) -> String {
    thousands(&number.to_string())
}

/// 252.4 → `4:12`, 4000 → `1:06:40`.
pub(crate) fn clock(seconds: f64) -> String {
    let total = seconds as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// The rows with their columns below each other.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let padded = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped_and_times_are_clocks() {
        assert_eq!(super::count(1_234_567), "1,234,567");
        assert_eq!(super::count(12), "12");
        assert_eq!(super::clock(252.4), "4:12");
        assert_eq!(super::clock(4000.0), "1:06:40");
    }
}
