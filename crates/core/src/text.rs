//! Texts that came from outside, as they may be shown: to a terminal, in a log, in a message.

use std::borrow::Cow;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
