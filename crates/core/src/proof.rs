//! Proofs of who somebody is: a request to STS's GetCallerIdentity that they have signed and not sent. Whoever sends it learns from AWS
//! whose key has signed it, and can do nothing else with it.
//!
//! A header that is signed with it binds it to one question: sent with another one, AWS refuses it. So a proof is good for one answer.

/// The header that a proof is bound by.
pub const HEADER: &str = "x-crossfade-question";
/// For how long a proof is made to be good, in seconds: an answer is looked at within moments.
pub const GOOD_SECONDS: u64 = 300;
/// The most for which one is taken to be good, whatever it says: as long as STS takes it.
const GOOD_MAX_SECONDS: u64 = 900;
/// How far the clock of whoever made it may be ahead, in seconds: as far as AWS lets it.
const AHEAD_SECONDS: u64 = 300;
/// The most characters of a proof. Most of it is the token of a session.
pub const LONGEST: usize = 8_192;

/// The request that a proof signs, without what the signature adds.
pub fn request(host: &str) -> String {
    format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15")
}

/// What is to be sent to STS to look whose a proof is: the query of the request, which is none but that one.
///
/// # Errors
/// Why it proves nothing.
pub fn query<'a>(proof: &'a str, host: &str, region: &str, now_millis: u64) -> Result<&'a str, String> {
    let no = |why: &str| Err(format!("its proof {why}"));
    if proof.len() > LONGEST {
        return no("is too long");
    }
    let Some(query) = proof.strip_prefix(&format!("https://{host}/?")) else {
        return no(&format!("is no request to https://{host}"));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~%&=/+".contains(c);
    if !query.chars().all(plain) {
        return no("is no query of a URL");
    }
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for pair in query.split('&') {
        let Some((name, value)) = pair.split_once('=') else { return no("is no query of a URL") };
        if seen.iter().any(|(before, _)| *before == name) {
            return no(&format!("names {name} twice"));
        }
        seen.push((name, value));
    }
    let of = |name: &str| seen.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    let signed_headers = format!("host%3B{HEADER}");
    let wanted = [
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-SignedHeaders", signed_headers.as_str()),
    ];
    if let Some((name, _)) = wanted.iter().find(|(name, value)| of(name) != Some(value)) {
        return no(&format!("is no signed GetCallerIdentity that is bound to a question ({name})"));
    }
    let others = ["X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature", "X-Amz-Security-Token"];
    if let Some((name, _)) =
        seen.iter().find(|(name, _)| wanted.iter().all(|(it, _)| it != name) && !others.contains(name))
    {
        return no(&format!("asks for more than who made it ({name})"));
    }
    let (Some(credential), Some(date), Some(_)) = (of("X-Amz-Credential"), of("X-Amz-Date"), of("X-Amz-Signature"))
    else {
        return no("is not signed");
    };
    let day = date.get(..8).unwrap_or_default();
    if !credential.to_uppercase().ends_with(&format!("%2F{day}%2F{region}%2FSTS%2FAWS4_REQUEST").to_uppercase()) {
        return no(&format!("is not signed for sts in {region} on the day of its date"));
    }
    let Some(made) = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .ok()
        .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .and_then(|at| u64::try_from(at.timestamp().as_second()).ok())
    else {
        return no("has no date");
    };
    let good = of("X-Amz-Expires").and_then(|seconds| seconds.parse::<u64>().ok()).filter(|it| *it <= GOOD_MAX_SECONDS);
    let Some(good) = good else {
        return no(&format!("does not say for how long it is good, or for more than {GOOD_MAX_SECONDS} s"));
    };
    let now = now_millis / 1000;
    if now > made + good {
        return no(&format!("was good until {} s ago", now - made - good));
    }
    if made > now + AHEAD_SECONDS {
        return no(&format!("is dated {} s ahead", made - now));
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "sts.eu-west-1.amazonaws.com";
    /// 2026-01-05T10:00:00Z.
    const MADE: u64 = 1_767_607_200_000;

    fn proof() -> String {
        format!(
            "{}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIA%2F20260105%2Feu-west-1%2Fsts%2Faws4_request\
             &X-Amz-Date=20260105T100000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host%3Bx-crossfade-question\
             &X-Amz-Security-Token=a%2Fb%2Bc%3D&X-Amz-Signature=0a",
            request(HOST)
        )
    }

    fn read(proof: &str, now_millis: u64) -> Result<&str, String> {
        query(proof, HOST, "eu-west-1", now_millis)
    }

    #[test]
    fn a_proof_is_one_request_and_good_for_minutes() {
        let proof = proof();
        let query = read(&proof, MADE).expect("it is one");
        assert!(query.starts_with("Action=GetCallerIdentity&") && query.ends_with("X-Amz-Signature=0a"));
        for (after, good) in [(0, true), (300_000, true), (301_000, false), (-300_000, true), (-301_000, false)] {
            assert_eq!(read(&proof, MADE.saturating_add_signed(after)).is_ok(), good, "{after}");
        }
        assert_eq!(read(&proof, MADE + 310_000), Err("its proof was good until 10 s ago".into()));
    }

    #[test]
    fn anything_else_proves_nothing() {
        let whole = proof();
        let with = |from: &str, to: &str| whole.replacen(from, to, 1);
        for (proof, why) in [
            (String::new(), "no request to"),
            (with("https:", "http:"), "no request to"),
            (with("sts.eu-west-1", "sts.eu-west-1.amazonaws.com.evil.example/?https://sts"), "no request to"),
            (with("sts.eu-west-1", "sts.us-east-1"), "no request to"),
            (with("amazonaws.com/?", "amazonaws.com:443/?"), "no request to"),
            (with("amazonaws.com/?", "amazonaws.com/x?"), "no request to"),
            (with("https://", "https://a@"), "no request to"),
            (with("GetCallerIdentity", "AssumeRole"), "(Action)"),
            (with("host%3Bx-crossfade-question", "host"), "(X-Amz-SignedHeaders)"),
            (with("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "(X-Amz-Algorithm)"),
            (format!("{whole}&RoleArn=x"), "(RoleArn)"),
            (format!("{whole}&Action=AssumeRole"), "Action twice"),
            (format!("{whole}#x"), "no query"),
            (format!("{whole}&x"), "no query"),
            (format!("{whole} x"), "no query"),
            (with("eu-west-1%2Fsts", "eu-west-1%2Fiam"), "not signed for sts"),
            (with("20260105%2F", "20260104%2F"), "not signed for sts"),
            (with("X-Amz-Expires=300", "X-Amz-Expires=604800"), "for how long"),
            (with("&X-Amz-Expires=300", ""), "for how long"),
            (with("&X-Amz-Signature=0a", ""), "not signed"),
            (with("Date=20260105T100000Z", "Date=20260105T"), "no date"),
            (with("Date=20260105T100000Z", "Date=ä"), "no query"),
            (format!("{whole}{}", "x".repeat(LONGEST)), "too long"),
        ] {
            let said = read(&proof, MADE).expect_err(why);
            assert!(said.contains(why), "{why}: {said}");
        }
    }
}
