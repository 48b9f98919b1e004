//! The forms in which a function is named.

/// The bare name in `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME` or an ARN, with or without a qualifier.
pub fn function_name(function: &str) -> &str {
    let rest = match function.split_once(":function:") {
        Some((_, rest)) => rest,
        None => function,
    };
    rest.split_once(':').map_or(rest, |(name, _qualifier)| name)
}

#[cfg(test)]
mod tests {
    use super::function_name;

    #[test]
    fn finds_the_name_in_every_form() {
        for form in [
            "work",
            "work:live",
            "123456789012:function:work",
            "arn:aws:lambda:us-east-1:123456789012:function:work",
            "arn:aws:lambda:us-east-1:123456789012:function:work:$LATEST",
        ] {
            assert_eq!(function_name(form), "work", "{form}");
        }
    }
}
