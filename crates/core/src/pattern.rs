//! Patterns as people write them for names, and IAM for ARNs: `*` is any text and `?` any character.

/// Whether a text is like this pattern, in which `*` is any text and `?` any character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and up to where it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, eaten)) => {
                    star = Some((at, eaten + 1));
                    p = at + 1;
                    t = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_and_arns() {
        for (pattern, text, is) in [
            ("shop-*", "shop-42", true),
            ("shop-*", "shop", false),
            ("*", "", true),
            ("shop-?", "shop-42", false),
            ("*-shop-*", "eu-shop-shop-1", true),
            ("shop", "shopping", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("shop.1", "shop-1", false),
            ("*", "anything", true),
            ("a:b", "a:b", true),
            ("a:b", "a:bc", false),
            ("a:*:c", "a:b:d:c", true),
            ("a:*:c", "a:c", false),
            ("x/*/*__*", "x/shop/shop__7", true),
            ("x/*/*__*", "x/shop/shop", false),
            ("alarm:*__*-*", "alarm:shop__7-high", true),
        ] {
            assert_eq!(matches(pattern, text), is, "{pattern} {text}");
        }
    }
}
