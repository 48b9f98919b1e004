//! The names of executions, those that roll deployments back among them.
//!
//! A deployment's id is chosen by people: any name that an execution can have, up to 80 characters. The names made here must
//! never be the same for two deployments, whatever those are called.

/// The longest name that an execution can have (Step Functions quotas).
pub const EXECUTION: usize = 80;
/// What may stand in an id beside letters and digits: tags of every service take it, tokens are ASCII, and a shell reads it as it is.
const MARKS: &str = "._-+=@";

/// Whether a deployment can be called so: its id stands in tags and tokens, and in commands that people paste.
///
/// # Errors
/// What it has to be.
pub fn check(id: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || MARKS.contains(c);
    if (1..=EXECUTION).contains(&id.chars().count()) && id.chars().all(allowed) {
        return Ok(());
    }
    Err("a deployment's id has 1 to 80 characters: letters from a to z, digits, and . _ - + = @".into())
}

/// The longest id that stands in a name as it is.
const WHOLE: usize = 60;
/// How much of a longer one does. With its number it has 64 characters, so that no id that stands there whole is like it.
const BEGINNING: usize = 47;

/// The name of the nth execution that rolls a deployment back: `shop-42-rollback-1`.
///
/// The number is always there. So the name says where the id ends: `rel` has `rel-rollback-2`, and a deployment that is called
/// `rel-rollback-2` has `rel-rollback-2-rollback-1`. Of an id that would not fit, a number computed from all of it follows its
/// beginning.
pub fn rollback(id: &str, nth: u32) -> String {
    if id.chars().count() <= WHOLE {
        return format!("{id}-rollback-{nth}");
    }
    let beginning: String = id.chars().take(BEGINNING).collect();
    format!("{beginning}-{:016x}-rollback-{nth}", fingerprint(id))
}

/// The executions of a deployment that nothing interrupts: its own, and the one that rolls it back.
pub fn executions(id: &str) -> [String; 2] {
    [id.to_owned(), rollback(id, 1)]
}

/// FNV-1a: the same in every release, which the standard library's hashes do not promise. Two that are alike are told apart by the
/// input of their executions.
pub fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn ids_are_what_every_tag_token_and_shell_takes() {
        for id in ["x", "shop-42", "rel_1.2+build=7@main", &"x".repeat(80)] {
            assert_eq!(check(id), Ok(()), "{id}");
        }
        for id in ["", "a b", "a/b", "a:b", "a\tb", "rel(1)", "rel!", "don't", "größer", &"x".repeat(81)] {
            assert!(check(id).is_err_and(|why| why.contains("1 to 80 characters")), "{id}");
        }
    }

    #[test]
    fn names_say_whose_rollback_it_is_and_fit() {
        assert_eq!(rollback("shop-42", 1), "shop-42-rollback-1");
        assert_eq!(rollback("shop-42", 20), "shop-42-rollback-20");
        let long = rollback(&"x".repeat(80), 20);
        assert!(long.starts_with(&"x".repeat(BEGINNING)) && long.ends_with("-rollback-20"), "{long}");
        for length in 1..=80 {
            for character in ["x", "ü", "-"] {
                assert!(rollback(&character.repeat(length), 999).chars().count() <= 80, "{length} {character}");
            }
        }
    }

    #[test]
    fn no_two_deployments_share_a_name_whatever_they_are_called() {
        let mut ids: Vec<String> =
            ["rel", "rel-2", "rel-rollback", "rel-rollback-1", "rel-rollback-2", "rel-rollback-1-rollback-1"]
                .map(str::to_owned)
                .to_vec();
        for length in [59, 60, 61, 64, 79, 80] {
            ids.extend([
                "x".repeat(length),
                format!("{}y", "x".repeat(length - 1)),
                format!("{}-2", "x".repeat(length - 2)),
            ]);
        }
        // As the long ones' own names have it.
        let made: Vec<String> = ids.iter().map(|id| rollback(id, 2)).collect();
        let parts = made.iter().filter_map(|name| name.strip_suffix("-rollback-2").map(str::to_owned));
        ids.extend(parts.collect::<Vec<_>>());
        ids.extend(made);
        ids.sort();
        ids.dedup();
        let mut whose = BTreeMap::new();
        for id in &ids {
            for nth in 1..=20 {
                let earlier = whose.insert(rollback(id, nth), id);
                assert_eq!(earlier, None, "{}", rollback(id, nth));
            }
        }
    }
}
