//! Texts for people in the columns of their terminal: broken between words, and never in one.
//!
//! What it must never do: break a command. It is there to be copied.

use console::{Term, measure_text_width};

/// How many columns there are on standard output, where that is a terminal.
pub(crate) fn columns() -> Option<usize> {
    of(&Term::stdout())
}

/// How many columns there are on standard error, where that is a terminal.
pub(crate) fn columns_aside() -> Option<usize> {
    of(&Term::stderr())
}

fn of(term: &Term) -> Option<usize> {
    let (_, columns) = term.is_term().then(|| term.size_checked()).flatten()?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

/// A text of one or several lines, each of them in as many rows as it takes.
pub(crate) fn folded(text: &str, columns: Option<usize>) -> String {
    match columns {
        Some(columns) => text.split('\n').flat_map(|line| rows(line, columns)).collect::<Vec<_>>().join("\n"),
        None => text.to_owned(),
    }
}

/// Whether a table stands in these columns as it is.
pub(crate) fn fits(rows: &[String], columns: Option<usize>) -> bool {
    columns.is_none_or(|columns| rows.iter().all(|row| measure_text_width(row) <= columns))
}

/// What never begins a row: signs between two weights, and units.
const BOUND: [&str; 7] = [":", "→", "%", "s", "min", "h", "d"];

/// Signs before a line.
const SIGNS: [&str; 3] = ["-", "!", "?"];

/// How far a line is indented.
pub(crate) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A line in as many rows as it takes; the further ones stand below where its text begins.
pub(crate) fn rows(line: &str, columns: usize) -> Vec<String> {
    if measure_text_width(line) <= columns {
        return vec![line.to_owned()];
    }
    if is_command(line) {
        let indent = " ".repeat(indent(line));
        return match line.split_once(" # ") {
            Some((command, does)) => vec![format!("{indent}# {}", does.trim()), command.trim_end().to_owned()],
            None => vec![line.to_owned()],
        };
    }
    wrapped(line, hang(line, columns), columns)
}

/// The same, with the further rows indented so far.
pub(crate) fn wrapped(line: &str, hang: usize, columns: usize) -> Vec<String> {
    let (mut rows, mut row) = (Vec::new(), " ".repeat(indent(line)));
    let mut empty = true;
    for part in parts(line.trim_start_matches(' ')) {
        if !empty && measure_text_width(&row) + measure_text_width(part.trim_end()) > columns {
            rows.push(row.trim_end().to_owned());
            row = " ".repeat(hang);
        }
        row.push_str(part);
        // The sign of a list stays with its first word.
        empty &= SIGNS.contains(&part.trim_end());
    }
    rows.push(row.trim_end().to_owned());
    rows
}

/// The words of a text, each with the room behind it and with what is bound to it.
fn parts(text: &str) -> Vec<&str> {
    let bound = |before: &str, rest: &str| {
        let word = rest.split(' ').next().unwrap_or_default();
        // Two weights stay together.
        before.trim_end().ends_with(" :")
            || BOUND.contains(&word)
            || BOUND.contains(&word.trim_end_matches(['.', ',', ';', ':', ')']))
    };
    let begins = |at: usize| {
        at > 0 && text[..at].ends_with(' ') && !text[at..].starts_with(' ') && !bound(&text[..at], &text[at..])
    };
    let mut starts: Vec<usize> = text.char_indices().map(|(at, _)| at).filter(|&at| begins(at)).collect();
    starts.push(text.len());
    let mut from = 0;
    starts.into_iter().map(|to| &text[std::mem::replace(&mut from, to)..to]).collect()
}

/// Where the text of a line begins: behind what stands in columns before it, if that leaves more than half of the row, and behind
/// the sign of a list.
fn hang(line: &str, columns: usize) -> usize {
    let indent = indent(line);
    let text = &line[indent..];
    let begins = |at: usize| measure_text_width(&line[..at]);
    let mut columns_end = line.char_indices().map(|(at, _)| at).filter(|&at| {
        at > indent && line[..at].ends_with("  ") && !line[at..].starts_with(' ') && begins(at) * 2 <= columns
    });
    let bullet = SIGNS.iter().find(|sign| text.starts_with(&format!("{sign} "))).map_or(0, |sign| sign.len() + 1);
    columns_end.next_back().map_or(indent + bullet, begins)
}

/// Whether this is something to paste.
fn is_command(line: &str) -> bool {
    let line = line.trim_start();
    let line =
        line.split_once(": ").filter(|(what, _)| !what.contains(' ')).map_or(line, |(_, rest)| rest.trim_start());
    ["crossfade ", "aws ", "export "].iter().any(|word| line.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_row_is_wider_than_the_terminal_and_no_word_is_broken() {
        let text = "error: shop__7 is held by shop-42. Wait for it, or stop it.\n- routing.weighted[0] = \"x\": it has the wrong form";
        for columns in [24, 31, 60] {
            let shown = folded(text, Some(columns));
            let widest = shown.lines().map(measure_text_width).max();
            assert!(widest <= Some(columns), "{columns}:\n{shown}");
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&shown), words(text));
        }
        assert_eq!(folded(text, None), text);
        let arn = "the rule arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop is gone";
        assert_eq!(
            rows(arn, 40),
            ["the rule", "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop", "is gone"],
            "a terminal lets people copy it whole"
        );
    }

    #[test]
    fn what_goes_on_stands_below_where_the_text_begins() {
        let log = "  00:09:15Z  Upscale shop__7 to 4: waiting for 4 of shop__7; running 4, pending 0";
        assert_eq!(
            rows(log, 60),
            ["  00:09:15Z  Upscale shop__7 to 4: waiting for 4 of shop__7;", "             running 4, pending 0"]
        );
        assert_eq!(rows("- one two three", 9), ["- one two", "  three"]);
        assert_eq!(rows("      why it waits so long", 16), ["      why it", "      waits so", "      long"]);
        let change = "  ~ rule app/shop/…/4dc05e242e780a26  shop-a 100 : shop-b 0 → 90 : 10 → 50 : 50 → 0 : 100";
        assert_eq!(
            rows(change, 80),
            [
                "  ~ rule app/shop/…/4dc05e242e780a26  shop-a 100 : shop-b 0 → 90 : 10 →",
                "                                      50 : 50 → 0 : 100",
            ]
        );
        let made = "  + shop__7                           new, with 4 (min 4, max 8), in shop-b and more";
        assert_eq!(
            rows(made, 77)[1],
            "                                      and more",
            "below an odd number of blanks, too"
        );
        assert_eq!(rows("waiting for 4 of them, limit 90 s, and so on", 31)[0], "waiting for 4 of them, limit");
    }

    #[test]
    fn what_is_to_be_pasted_stays_one_line() {
        for command in ["  approve: crossfade approve shop-42 --stage 5", "  aws elbv2 describe-rules --rule-arns RULE"]
        {
            assert_eq!(rows(command, 20), [command]);
        }
        let told = "  crossfade rollback shop-42 --wait  # go back, once that is mended";
        assert_eq!(rows(told, 60), ["  # go back, once that is mended", "  crossfade rollback shop-42 --wait"]);
    }
}
