//! SAM's DefinitionSubstitutions: `${Name}` in the text of a definition.

use std::collections::BTreeMap;

/// A placeholder that cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubstitutionError {
    /// There is no value for this name.
    #[error("no value for ${{{0}}}")]
    Unknown(String),
    /// `${` without a name and a closing brace.
    #[error("a placeholder is malformed at {0:?}")]
    Malformed(String),
    /// A value that would itself leave a placeholder, or break out of the JSON string it stands in.
    #[error("the value of ${{{0}}} must hold no quotes, backslashes, line ends or placeholders")]
    BadValue(String),
}

/// Fills every `${Name}` of `text`; any that is unknown or malformed is an error.
pub fn substitute(text: &str, values: &BTreeMap<String, String>) -> Result<String, SubstitutionError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let malformed = || SubstitutionError::Malformed(format!("${{{}", after.chars().take(20).collect::<String>()));
        let (name, after) = after.split_once('}').ok_or_else(malformed)?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(malformed());
        }
        let value = values.get(name).ok_or_else(|| SubstitutionError::Unknown(name.to_owned()))?;
        if value.contains(['"', '\\', '\n', '\r']) || value.contains("${") {
            return Err(SubstitutionError::BadValue(name.to_owned()));
        }
        filled.push_str(before);
        filled.push_str(value);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_every_placeholder_or_says_which_it_cannot() {
        let values = BTreeMap::from([
            ("Arn".to_owned(), "arn:aws:x".to_owned()),
            ("Bad".to_owned(), "a\"b".to_owned()),
            ("Loop".to_owned(), "${Arn}".to_owned()),
        ]);
        assert_eq!(substitute("a ${Arn}, ${Arn}", &values), Ok("a arn:aws:x, arn:aws:x".into()));
        assert_eq!(substitute("no {} $.x $$.y", &values), Ok("no {} $.x $$.y".into()));
        assert_eq!(substitute("${Other}", &values), Err(SubstitutionError::Unknown("Other".into())));
        assert_eq!(substitute("${Bad}", &values), Err(SubstitutionError::BadValue("Bad".into())));
        assert_eq!(substitute("${Loop}", &values), Err(SubstitutionError::BadValue("Loop".into())));
        assert!(matches!(substitute("${A b}", &values), Err(SubstitutionError::Malformed(_))));
        assert!(matches!(substitute("${Arn", &values), Err(SubstitutionError::Malformed(_))));
    }
}
