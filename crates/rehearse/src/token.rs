//! The word by which a run of a rehearsal is played again.
//!
//! It says all that it takes, in words of its own: what goes wrong, and where. So one can be written by hand.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::faults::injector::Injection;
use crate::faults::kind::{Kind, Place};
use crate::image::Image;
use crate::press::Press;

/// The word by which a run is played again: `reply-lost.132`, `image.never-healthy`, `press.abort.1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token(String);

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// A fault, where it strikes.
    Fault(Injection),
    /// An image.
    Image(Image),
    /// A word to go back, at the nth moment.
    Press(Press, usize),
}

impl Token {
    #[cfg(test)]
    pub(crate) fn of(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn of_fault(injection: Injection) -> Self {
        Self(format!("{}.{}", slug(injection.kind.name()), injection.at))
    }

    pub(crate) fn of_image(image: Image) -> Self {
        Self(format!("image.{}", slug(image.name())))
    }

    pub(crate) fn of_press(press: Press, nth: usize) -> Self {
        Self(format!("press.{}.{nth}", slug(press.name())))
    }

    /// What it stands for.
    pub(crate) fn meant(&self) -> Option<Meant> {
        let parts: Vec<&str> = self.0.split('.').collect();
        match parts.as_slice() {
            ["image", name] => Image::ALL.iter().find(|it| slug(it.name()) == *name).map(|it| Meant::Image(*it)),
            ["press", name, nth] => {
                let press = Press::ALL.iter().find(|it| slug(it.name()) == *name)?;
                Some(Meant::Press(*press, nth.parse().ok()?))
            }
            [.., nth] => {
                let at = nth.parse().ok()?;
                let kind = self.0.strip_suffix(&format!(".{nth}"))?;
                let kind = Kind::ALL.iter().find(|it| slug(it.name()) == kind && it.place() != Place::Throughout)?;
                Some(Meant::Fault(Injection { kind: *kind, at }))
            }
            [] => None,
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let token = Self(text.trim().to_owned());
        match token.meant() {
            Some(_) => Ok(token),
            None => {
                Err("expected a word that a rehearsal has printed, such as reply-lost.132 or image.never-healthy"
                    .into())
            }
        }
    }
}

/// A name in small letters, with hyphens for all else.
fn slug(name: &str) -> String {
    let words = name.to_lowercase();
    words.split(|sign: char| !sign.is_ascii_alphanumeric()).filter(|it| !it.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_has_a_word_of_its_own_and_is_found_by_it() {
        let faults = Kind::ALL.iter().filter(|kind| kind.place() != Place::Throughout);
        for &kind in faults {
            let injection = Injection { kind, at: 7 };
            assert_eq!(Token::of_fault(injection).meant(), Some(Meant::Fault(injection)), "{}", kind.name());
        }
        for &image in Image::ALL {
            assert_eq!(Token::of_image(image).meant(), Some(Meant::Image(image)));
        }
        for &press in Press::ALL {
            assert_eq!(Token::of_press(press, 2).meant(), Some(Meant::Press(press, 2)));
        }
        assert_eq!(Token::of_fault(Injection { kind: Kind::ReplyLost, at: 132 }).to_string(), "reply-lost.132");
        assert!("nonsense".parse::<Token>().is_err() && "reply-lost.x".parse::<Token>().is_err());
    }
}
