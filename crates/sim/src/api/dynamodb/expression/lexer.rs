//! Splits an expression into tokens.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, a function or an attribute's name.
    Word(String),
    /// `#name`, with the sign.
    Name(String),
    /// `:value`, with the colon.
    Value(String),
    /// An index between brackets.
    Number(usize),
    /// Punctuation or an operator.
    Symbol(&'static str),
}

impl Token {
    /// The token as it was written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Symbol(symbol) => (*symbol).to_owned(),
        }
    }
}

/// Longer symbols first.
const SYMBOLS: [&str; 14] = ["<>", "<=", ">=", "<", ">", "=", "(", ")", ",", ".", "[", "]", "+", "-"];

/// All tokens of an expression, or the text at which it stops making sense.
pub(super) fn tokens(expression: &str) -> Result<Vec<Token>, String> {
    let mut tokens = vec![];
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let word_end = |from: usize| {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            rest[from..].find(|c| !word(c)).map_or(rest.len(), |at| from + at)
        };
        let (token, length) = match first {
            '#' | ':' => {
                let end = word_end(1);
                if end == 1 {
                    return Err(rest.to_owned());
                }
                let text = rest[..end].to_owned();
                (if first == '#' { Token::Name(text) } else { Token::Value(text) }, end)
            }
            '0'..='9' => {
                let end = word_end(0);
                (Token::Number(rest[..end].parse().map_err(|_| rest.to_owned())?), end)
            }
            'a'..='z' | 'A'..='Z' | '_' => (Token::Word(rest[..word_end(0)].to_owned()), word_end(0)),
            _ => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
                let symbol = symbol.ok_or_else(|| rest.to_owned())?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}
