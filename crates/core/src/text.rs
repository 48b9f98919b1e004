//! Texts that came from outside, or grow with what they tell: as they may be shown, to a terminal, in a log, in a message, and cut to
//! what keeps them.

use std::borrow::Cow;

/// The longest that somebody may call themselves, in bytes.
pub const WHO: usize = 256;
/// The longest comment, and the longest message of AWS's that is repeated, in bytes.
pub const COMMENT: usize = 2_000;
/// The longest message of a failure, in bytes. Step Functions keeps causes of up to 32,768 characters, as JSON, in which one
/// character may take two.
pub const CAUSE: usize = 10_000;
/// The longest line of a log, and the longest of what a record says of one thing, in bytes.
pub const LINE: usize = 32_000;

/// A text without characters that would do something to a terminal or hide what stands there: each is written as JSON
/// escapes it, so that JSON stays JSON. Line ends and tabs stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if acts(letter) { shown.push_str(&format!("\\u{:04x}", u32::from(letter))) } else { shown.push(letter) }
    }
    Cow::Owned(shown)
}

/// So many minutes, for people: `95 min`, `23 h 15 min`.
pub fn minutes(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (..2, _) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, rest) => format!("{hours} h {rest} min"),
    }
}

/// Whether a character does something rather than show something: control characters, and what turns the direction of writing round
/// or takes no room.
fn acts(letter: char) -> bool {
    let plain = letter == '\n' || letter == '\t';
    let turns =
        matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    (letter.is_control() && !plain) || turns
}

/// The beginning of a text, of at most so many characters; what is cut off shows as `…`.
pub fn beginning(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let end = text.char_indices().nth(longest.saturating_sub(1)).map_or(0, |(at, _)| at);
            Cow::Owned(format!("{}…", &text[..end]))
        }
    }
}

/// A text of at most so many bytes, cut between two characters; what is cut ends with how much is missing.
pub fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    // The words about the rest have to fit, too; its number has at most as many digits as the whole.
    let ending = |missing: usize| format!("… ({missing} bytes left out)");
    let kept = text.floor_char_boundary(bytes.saturating_sub(ending(text.len()).len()));
    let (kept, missing) = text.split_at(kept);
    format!("{kept}{}", ending(missing.len()))
}

/// The end of a text, of at most so many bytes: whole lines, where there are several.
pub fn end(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let (_, kept) = text.split_at(text.ceil_char_boundary(text.len() - bytes));
    kept.split_once('\n').map_or(kept, |(_, whole)| if whole.is_empty() { kept } else { whole })
}

/// What a program has printed on a terminal, as text: without colours and returns of the carriage, and with nothing left that would do
/// something to another terminal.
pub fn printed(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\r' => {}
            '\u{1b}' => match letters.next_if(|next| matches!(next, '[' | ']' | '(' | ')')) {
                // A sequence ends with a letter or one of a few signs.
                Some('[') => while letters.next().is_some_and(|next| !('@'..='~').contains(&next)) {},
                // A title ends with a bell, or with another escape.
                Some(']') => {
                    while letters.next_if(|next| *next != '\u{7}' && *next != '\u{1b}').is_some() {}
                    if letters.next() == Some('\u{1b}') {
                        letters.next_if_eq(&'\\');
                    }
                }
                // A set of characters has one letter.
                Some(_) => drop(letters.next()),
                None => {}
            },
            other => plain.push(other),
        }
    }
    printable(&plain).into_owned()
}

/// The digits of a whole number, its thousands apart: `12345` → `12,345`.
pub fn thousands(digits: &str) -> String {
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What somebody else wrote, as one line of at most so many bytes: line breaks and other control characters become spaces, so that
/// it cannot pass for a line of the log that we wrote, or steer a terminal.
pub fn one_line(text: &str, bytes: usize) -> String {
    let plain = |c: char| if acts(c) || c.is_control() { ' ' } else { c };
    let plain: String = text.chars().map(plain).collect();
    cut(plain.trim(), bytes)
}

/// The time of day of a moment, in UTC: `03:14:15Z`.
pub fn clock(millis: u64) -> String {
    let seconds = millis / 1000;
    format!("{:02}:{:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// Whether what is said now says more than what was said before, both of them `HEAD: LIST; REST`: of a look that saw less, that the rest
/// is missing is no news.
pub fn adds(before: &str, now: &str) -> bool {
    let ((head, list, rest), (known_head, known, known_rest)) = (parts(now), parts(before));
    (head, list) != (known_head, known) || !(rest.is_empty() || rest == known_rest)
}

/// What is said now, of which only that is repeated which was not said before: `HEAD: ONE, TWO; REST` after `HEAD: ONE; REST` is
/// `HEAD: TWO; 1 as before`.
pub fn changed(before: &str, now: &str) -> String {
    let ((head, list, rest), (_, known, known_rest)) = (parts(now), parts(before));
    let known: Vec<&str> = known.split(", ").collect();
    let (same, other): (Vec<&str>, Vec<&str>) = list.split(", ").partition(|one| known.contains(one));
    let rest = if rest == known_rest || rest.is_empty() { String::new() } else { format!("; {rest}") };
    match (same.len(), other.as_slice()) {
        _ if list.is_empty() => now.to_owned(),
        (0, _) => now.to_owned(),
        (same, []) => format!("{head}; {same} as before{rest}"),
        (same, other) => format!("{head}: {}; {same} as before{rest}", other.join(", ")),
    }
}

/// Head, list and rest of `HEAD: LIST; REST`; each but the head may be missing.
fn parts(said: &str) -> (&str, &str, &str) {
    let (first, rest) = said.split_once("; ").unwrap_or((said, ""));
    let (head, list) = first.split_once(": ").unwrap_or((first, ""));
    (head, list, rest)
}

/// How many of a kind a sentence names.
pub const NAMED: usize = 10;

/// As many of these as a sentence names, and how many more there are: a fleet may have a thousand members, a definition two hundred
/// fleets.
pub fn few<T: AsRef<str>>(list: &[T]) -> String {
    let named: Vec<&str> = list.iter().take(NAMED).map(AsRef::as_ref).collect();
    match list.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Ids with what is to be said of each: one by one while that can be read, otherwise how many of each kind there are.
pub fn each_or_counted(list: &[(&str, String)]) -> String {
    if list.len() <= NAMED {
        return list.iter().map(|(id, said)| format!("{id} {said}")).collect::<Vec<_>>().join(", ");
    }
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for (_, said) in list {
        match kinds.iter_mut().find(|(kind, _)| kind == said) {
            Some((_, count)) => *count += 1,
            None => kinds.push((said, 1)),
        }
    }
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    few(&kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>())
}

/// As many of these as fit into so many bytes, with `between` between them; the last says how many more there are.
pub fn some(list: &[String], between: &str, bytes: usize) -> String {
    let whole = list.join(between);
    if whole.len() <= bytes {
        return whole;
    }
    let ending = |more: usize| format!("{between}and {more} more");
    let mut room = bytes.saturating_sub(ending(list.len()).len());
    let mut shown = Vec::new();
    for one in list {
        let one = cut(one, bytes / 2);
        let needed = one.len() + between.len();
        if needed > room {
            break;
        }
        room -= needed;
        shown.push(one);
    }
    format!("{}{}", shown.join(between), ending(list.len() - shown.len()))
}

/// A heading of at most so many bytes of plain ASCII, in which `what` is never cut but whatever it is about.
pub fn heading(about: &str, what: &str, bytes: usize) -> String {
    let plain = |text: &str| text.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect::<String>();
    let (about, what) = (plain(about), plain(what));
    let room = bytes.saturating_sub(what.len() + 1);
    if about.len() <= room {
        return format!("{about} {what}");
    }
    // The beginning says whose it is, the end which one.
    let dots = "...";
    let kept = room.saturating_sub(dots.len());
    let (head, tail) = (kept.div_ceil(2), kept / 2);
    format!("{}{dots}{} {what}", &about[..head], &about[about.len() - tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_times_are_told_in_hours() {
        assert_eq!(
            [minutes(95), minutes(119), minutes(120), minutes(1395)],
            ["95 min", "119 min", "2 h", "23 h 15 min"]
        );
    }

    #[test]
    fn what_was_printed_is_text_without_what_steers_a_terminal() {
        let console =
            "[\u{1b}[0;32m  OK  \u{1b}[0m] Reached <b>target</b>.\r\n\u{1b}]0;root@shop\u{7}login:\u{1b}(B \u{8}\u{1b}";
        assert_eq!(printed(console), "[  OK  ] Reached <b>target</b>.\nlogin: \\u0008");
    }

    #[test]
    fn the_end_of_a_text_has_whole_lines() {
        assert_eq!(end("one\ntwo\nthree\n", 100), "one\ntwo\nthree\n");
        assert_eq!(end("one\ntwo\nthree\n", 8), "three\n");
        assert_eq!(end("äöü", 3), "ü");
        assert_eq!(end("one\n", 2), "e\n");
    }

    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        assert_eq!(printable("naïve 10 % → 50 %\n\tok 😀"), "naïve 10 % → 50 %\n\tok 😀");
        for (text, shown) in [
            ("\u{1b}[2J", "\\u001b[2J"),
            ("a\rb\u{7f}\u{9b}31m", "a\\u000db\\u007f\\u009b31m"),
            ("\u{202e}gnp", "\\u202egnp"),
            ("\0\u{8}", "\\u0000\\u0008"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn long_texts_are_cut_where_a_character_ends() {
        assert_eq!(beginning("äöü", 3), "äöü");
        assert_eq!(beginning("äöüß", 3), "äö…");
        assert_eq!(beginning("", 3), "");
    }

    #[test]
    fn what_is_cut_says_how_much_is_missing_and_ends_at_a_character() {
        assert_eq!(cut("short", 5), "short");
        let text = "é".repeat(1_000);
        for bytes in [40, 41, 100, 1_999] {
            let shown = cut(&text, bytes);
            assert!(shown.len() <= bytes, "{bytes}: {shown}");
            let kept = shown.chars().filter(|c| *c == 'é').count();
            assert!(shown.ends_with(&format!("… ({} bytes left out)", 2 * (1_000 - kept))), "{shown}");
        }
        assert_eq!(cut(&text, 2_000), text);
    }

    #[test]
    fn a_comment_is_one_line_whatever_it_holds() {
        let said = one_line(" fine\n2026-01-05 Approved by\tthe boss\r\u{1b}[2J\u{2028}\u{85}end ", COMMENT);
        assert_eq!(said, "fine 2026-01-05 Approved by the boss  [2J  end");
        assert!(one_line(&"x\n".repeat(100_000), COMMENT).len() <= COMMENT);
    }

    #[test]
    fn of_a_list_the_first_ones_are_named() {
        let list = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let shown = [0, 2, 10, 12].map(|length| few(&list[..length]));
        assert_eq!(shown, ["", "a, b", "a, b, c, d, e, f, g, h, i, j", "a, b, c, d, e, f, g, h, i, j and 2 more"]);
    }

    #[test]
    fn of_a_long_list_as_much_is_shown_as_fits() {
        let list: Vec<String> = (0..100).map(|n| format!("shop__{n}")).collect();
        assert_eq!(some(&list[..2], "; ", 100), "shop__0; shop__1");
        let shown = some(&list, "; ", 100);
        assert!(shown.len() <= 100 && shown.starts_with("shop__0; shop__1; "), "{shown}");
        assert!(shown.ends_with("; and 91 more"), "{shown}");
        assert!(some(&["x".repeat(1_000), "y".into()], "; ", 100).len() <= 100);
    }

    #[test]
    fn a_heading_never_loses_what_has_happened() {
        assert_eq!(heading("shop/production/base", "FAILED DIRTY", 100), "shop/production/base FAILED DIRTY");
        let long = format!("{}/production/{}-7", "shop".repeat(20), "base".repeat(20));
        let subject = heading(&long, "FAILED DIRTY", 100);
        assert_eq!(subject.len(), 100);
        assert!(subject.starts_with("shopshop") && subject.ends_with("base-7 FAILED DIRTY"), "{subject}");
        assert_eq!(heading("größe\n1", "rolled back", 100), "gre1 rolled back");
    }
}
