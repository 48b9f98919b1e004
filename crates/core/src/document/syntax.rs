//! What is wrong with a text that is neither YAML nor JSON, as a person would say it: the line, what is wrong there, and the fix.
//!
//! The languages' readers know where they stumbled, which is often a line after the mistake, and say it in the words of their
//! grammars. What they say picks the mistake; the lines around tell it.
//!
//! What it must never do: claim more than the lines show. What it does not know it tells in the reader's words.

use super::read::Problem;
use crate::text::{beginning, printable};

/// A language of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Yaml,
    Json,
}

/// What the reader of a language said.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) language: Language,
    /// The line and the column, from 1 on, where it stumbled; of JSON's the column is 0 at the end of a line.
    pub(super) at: Option<(usize, usize)>,
    /// Its words.
    pub(super) said: String,
}

impl Wrong {
    /// Whether the text was meant as JSON, of what JSON's reader said: not where something has no quotes, and not where it ends after a
    /// first text, as YAML's fields in quotes do.
    pub(super) fn means_json(&self, text: &str) -> bool {
        let unquoted = ["key must be a string", "expected value", "expected ident"];
        let field_in_quotes = text.trim_start().starts_with('"') && self.said.starts_with("trailing characters");
        !unquoted.iter().any(|words| self.said.starts_with(words)) && !field_in_quotes
    }

    /// The problem that this is with the text.
    pub(super) fn problem(&self, text: &str) -> Problem {
        let lines = Lines::of(text);
        let told = match self.language {
            Language::Json => self.json(&lines),
            Language::Yaml => self.yaml(&lines),
        };
        let (problem, fix) = told.unwrap_or_else(|| {
            let at = self.at.map_or_else(String::new, |(line, _)| format!(", in {}", lines.shown(line)));
            (format!("it is neither YAML nor JSON{at}: {}", self.said), "Correct the syntax there.".to_owned())
        });
        let [problem, fix] = [problem, fix].map(|text| printable(&text).replace('\t', "→"));
        Problem { path: String::new(), value: None, problem, fix }
    }

    fn says(&self, words: &str) -> bool {
        self.said.contains(words)
    }

    /// The line and column of what the reader was reading, which stand behind these words; both 1 where it leaves them out.
    fn context(&self, words: &str) -> Option<(usize, usize)> {
        let (_, rest) = self.said.split_once(words)?;
        let number = |after: &str| {
            let (_, rest) = rest.split_once(after)?;
            rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>().ok()
        };
        Some((number(" at line ").unwrap_or(1), number(" column ").unwrap_or(1)))
    }

    fn json(&self, lines: &Lines<'_>) -> Option<Told> {
        let (line, column) = self.at?;
        let here = lines.shown(line);
        if self.says("EOF while parsing a string") {
            return Some((format!("{here} has a text without its closing quote"), "Close it with `\"`.".into()));
        }
        if self.says("EOF while parsing") {
            return lines.unclosed();
        }
        if self.says("expected `,` or") {
            let found = lines.rest(line, column);
            let closes = if self.says("or `}`") { '}' } else { ']' };
            if found.starts_with(['}', ']']) {
                let other = &found[..1];
                return Some((
                    format!("{here} has `{other}` where `{closes}` has to come first"),
                    format!("Write `{closes}` before it, or remove it."),
                ));
            }
            // What begins its line lacks the comma at the end of the line before.
            return Some(match lines.before(line).filter(|_| lines.begins(line, column)) {
                Some(before) => (format!("{} has no comma at its end", lines.shown(before)), "Write `,` there.".into()),
                None => {
                    let found = beginning(found, 20);
                    (format!("{here} has no comma before `{found}`"), "Write `,` between the two.".into())
                }
            });
        }
        if self.says("expected `:`") {
            return Some(no_colon(&here));
        }
        if self.says("trailing characters") {
            return Some((
                format!("{here} goes on after the end of the document"),
                "Remove that, or the bracket before it that closes too early.".into(),
            ));
        }
        // A line ends within a text.
        if self.says("control character") && column == 0 {
            return Some((
                format!("{} has a text without its closing quote", lines.shown(line.saturating_sub(1))),
                "Close it with `\"`, and write `\\n` where a new line is meant.".into(),
            ));
        }
        if self.says("invalid escape") || self.says("hex escape") || self.says("surrogate") {
            return Some(bad_escape(&here, "JSON"));
        }
        None
    }

    fn yaml(&self, lines: &Lines<'_>) -> Option<Told> {
        if self.says("more than one document") {
            return lines.second_document();
        }
        let (line, column) = self.at?;
        let here = lines.shown(line);
        let indented = |line: usize| {
            lines.get(line).is_some_and(|it| it.chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t'))
        };
        if self.says("tab character") || (self.says("cannot start any token") && indented(line)) {
            return Some((
                format!("{here} is indented with a tab, and YAML takes only spaces there"),
                "Write spaces in place of the tab.".into(),
            ));
        }
        if self.says("cannot start any token") {
            let first = lines.rest(line, column).chars().next()?;
            return Some((
                format!("{here} has a value that begins with `{first}`, and YAML has another use for that"),
                "Put the whole value into quotes.".into(),
            ));
        }
        if self.says("could not find expected ':'") {
            let (line, _) = self.context("while scanning a simple key")?;
            return Some(lines.without_colon(line));
        }
        if self.says("mapping values are not allowed") {
            return lines.second_colon(line, column).or_else(|| {
                let before = lines.before(line)?;
                match lines.is_field(before) {
                    false => Some(lines.without_colon(before)),
                    true => lines.indentation(line),
                }
            });
        }
        if self.says("block sequence entries are not allowed") {
            return Some((
                format!("{here} has a list in the line of its field"),
                "Begin the list in the next line, or write it in brackets: `[…, …]`.".into(),
            ));
        }
        if self.says("did not find expected key") || self.says("did not find expected '-' indicator") {
            if !lines.begins(line, column) {
                return Some((
                    format!("{here} has something behind its value: `{}`", beginning(lines.rest(line, column), 40)),
                    "Remove it, or put the whole value into quotes.".into(),
                ));
            }
            return lines.indentation(line);
        }
        for (reading, opening, closing) in [("flow sequence", '[', ']'), ("flow mapping", '{', '}')] {
            if let Some((opened, _)) = self.context(&format!("while parsing a {reading}")) {
                return Some(lines.open(opened, line, opening, closing));
            }
        }
        if let Some((line, column)) = self.context("while scanning a quoted scalar") {
            let quote = lines.rest(line, column).chars().next()?;
            return Some((
                format!("{} has a text without its closing quote", lines.shown(line)),
                format!("Close it with `{quote}`."),
            ));
        }
        if self.says("while parsing a flow node") {
            return lines.unclosed();
        }
        if self.says("escape character") || self.says("while parsing a quoted scalar") {
            return Some(bad_escape(&here, "YAML"));
        }
        if self.says("unknown anchor") {
            return Some((
                format!(
                    "{here} has a value that begins with `*`, which means an anchor, and there is none of that name"
                ),
                "Put the whole value into quotes.".into(),
            ));
        }
        None
    }
}

/// What is wrong, and what to do.
type Told = (String, String);

fn no_colon(line: &str) -> Told {
    (format!("{line} has no colon behind a field's name"), "Write `:` between the name and its value.".into())
}

fn bad_escape(line: &str, language: &str) -> Told {
    (
        format!("{line} has a backslash in quotes that is no escape of {language}"),
        "Write `\\\\` for a backslash.".into(),
    )
}

fn spaces(count: usize) -> String {
    match count {
        0 => "not at all".into(),
        1 => "by 1 space".into(),
        many => format!("by {many} spaces"),
    }
}

/// The lines of a text, counted from 1 on.
struct Lines<'a>(Vec<&'a str>);

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self(text.lines().collect())
    }

    fn get(&self, line: usize) -> Option<&'a str> {
        self.0.get(line.checked_sub(1)?).copied()
    }

    /// A line as it is named to a person.
    fn shown(&self, line: usize) -> String {
        match self.get(line).map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => format!("line {line} (`{}`)", beginning(text, 60)),
            None => format!("line {line}"),
        }
    }

    /// What stands from a column on.
    fn rest(&self, line: usize, column: usize) -> &'a str {
        let text = self.get(line).unwrap_or_default();
        let at = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at);
        &text[at..]
    }

    /// Whether nothing stands before a column.
    fn begins(&self, line: usize, column: usize) -> bool {
        let text = self.get(line).unwrap_or_default();
        text.len() - text.trim_start().len() >= text.len() - self.rest(line, column).len()
    }

    /// Whether there is more in a line than a comment.
    fn says_something(&self, line: usize) -> bool {
        self.get(line).map(str::trim).is_some_and(|text| !text.is_empty() && !text.starts_with('#'))
    }

    /// The last line before this one that says something.
    fn before(&self, line: usize) -> Option<usize> {
        (1..line).rev().find(|before| self.says_something(*before))
    }

    fn indented_by(&self, line: usize) -> usize {
        self.get(line).map_or(0, |text| text.len() - text.trim_start_matches(' ').len())
    }

    /// A line without the signs that begin an entry of a list.
    fn content(&self, line: usize) -> &'a str {
        let mut text = self.get(line).unwrap_or_default().trim();
        while let Some(rest) = text.strip_prefix("- ") {
            text = rest.trim_start();
        }
        text
    }

    /// Whether a line has a field's name with its colon.
    fn is_field(&self, line: usize) -> bool {
        let text = self.content(line);
        text.contains(": ") || text.ends_with(':') || text.starts_with(['{', '[', '"', '\''])
    }

    /// A line that should have been a field.
    fn without_colon(&self, line: usize) -> Told {
        let (here, text) = (self.shown(line), self.content(line));
        if let Some((name, value)) = text.split_once(':').filter(|(name, value)| !name.is_empty() && !value.is_empty())
        {
            let field = beginning(&format!("{name}: {value}"), 60).into_owned();
            return (format!("{here} has no space behind its colon"), format!("Write `{field}`."));
        }
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        let plain = !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric());
        match plain {
            true => {
                let field = beginning(format!("{name}: {}", value.trim()).trim(), 60).into_owned();
                (format!("{here} has no colon behind the field's name"), format!("Write `{field}`."))
            }
            false => no_colon(&here),
        }
    }

    /// A value in which there is a colon, which makes it look like another field.
    fn second_colon(&self, line: usize, column: usize) -> Option<Told> {
        let text = self.content(line);
        let (name, value) = text.split_once(": ")?;
        let first = self.get(line)?.find(": ")?;
        let at = self.get(line)?.len() - self.rest(line, column).len();
        (at > first).then(|| {
            let value = beginning(value, 60);
            let quoted = if value.contains(['"', '\\']) { format!("'{value}'") } else { format!("\"{value}\"") };
            (
                format!("{} has a second colon, which makes its value look like another field", self.shown(line)),
                format!("Put the value into quotes: `{name}: {quoted}`."),
            )
        })
    }

    /// A line whose indentation fits none of those above.
    fn indentation(&self, line: usize) -> Option<Told> {
        let own = self.indented_by(line);
        // Outwards: the lines that the ones above stand in.
        let (mut open, mut least) = (Vec::new(), usize::MAX);
        let mut above = line;
        while let Some(before) = self.before(above) {
            let indented = self.indented_by(before);
            if indented < least {
                open.push((before, indented));
                least = indented;
            }
            above = before;
        }
        let in_list = |(other, indented): &(usize, usize)| {
            *indented == own && self.get(*other).is_some_and(|text| text.trim().starts_with("- "))
        };
        if let Some((other, _)) = open.iter().find(|it| in_list(it)) {
            return Some((
                format!(
                    "{} stands in the column of the list above ({}) and does not begin with `-`",
                    self.shown(line),
                    self.shown(*other)
                ),
                "Begin it with `- ` if it belongs to the list; otherwise indent it like the field that it stands beside.".into(),
            ));
        }
        let beside = open
            .iter()
            .find(|(_, indented)| *indented == own && self.get(line).is_some_and(|text| text.trim().starts_with("- ")));
        if let Some((other, _)) = beside {
            return Some((
                format!("{} begins a list beside the field of {}", self.shown(line), self.shown(*other)),
                "Indent it under the field that it belongs to, or remove its `- `.".into(),
            ));
        }
        let deeper = open.iter().rev().find(|(_, indented)| *indented > own);
        let (other, indented) = deeper.or(open.first()).filter(|(_, indented)| *indented != own)?;
        Some((
            format!(
                "{} is indented {}, and {} {}: what stands beside each other begins in the same column",
                self.shown(line),
                spaces(own),
                self.shown(*other),
                spaces(*indented)
            ),
            "Indent the two alike.".into(),
        ))
    }

    /// Where a second document begins; or the line that ends the first by standing further left than it began.
    fn second_document(&self) -> Option<Told> {
        let all = || (1..=self.0.len()).filter(|line| self.says_something(*line));
        let first =
            all().find(|line| !self.get(*line).is_some_and(|text| text.starts_with("---") || text.starts_with('%')))?;
        let begins = |line: &usize| self.get(*line).is_some_and(|text| text.starts_with("---"));
        if let Some(second) = all().filter(|line| *line > first).find(begins) {
            return Some((
                format!("{} begins a second document, and a file has one", self.shown(second)),
                "Write each document into a file of its own, and remove that line.".into(),
            ));
        }
        let own = self.indented_by(first);
        let left = all().filter(|line| *line > first).find(|line| self.indented_by(*line) < own)?;
        self.indentation(left)
    }

    /// A bracket of the first line that is not closed by the second.
    fn open(&self, opened: usize, noticed: usize, opening: char, closing: char) -> Told {
        let here = self.shown(opened);
        if noticed == opened {
            return (
                format!("{here} has a `{opening}` that is not closed, or no comma between what stands in it"),
                format!("Write `{closing}` at its end, and `,` between two entries."),
            );
        }
        if (noticed..=self.0.len()).any(|line| self.says_something(line)) {
            return (
                format!(
                    "{here} has a `{opening}` that is not closed before {}, and no comma stands there",
                    self.shown(noticed)
                ),
                format!("Write `{closing}` where it ends, or `,` between two entries."),
            );
        }
        (format!("{here} has a `{opening}` that is never closed"), format!("Write `{closing}` where it ends."))
    }

    /// The last bracket that is never closed.
    fn unclosed(&self) -> Option<Told> {
        let mut open: Vec<(usize, char)> = Vec::new();
        let (mut quoted, mut escaped) = (false, false);
        for (number, text) in (1..).zip(&self.0) {
            for letter in text.chars() {
                match letter {
                    _ if escaped => escaped = false,
                    '\\' if quoted => escaped = true,
                    '"' => quoted = !quoted,
                    '[' | '{' if !quoted => open.push((number, letter)),
                    ']' | '}' if !quoted => drop(open.pop()),
                    _ => {}
                }
            }
        }
        let (line, opening) = open.pop()?;
        let closing = if opening == '[' { ']' } else { '}' };
        Some(self.open(line, self.0.len() + 1, opening, closing))
    }
}

#[cfg(test)]
mod tests;
