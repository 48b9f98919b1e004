//! Other names of a zone that lead to where a steered name leads: whoever asks for these follows none of its weights.

use std::collections::{BTreeMap, BTreeSet};

use super::DnsName;
use super::records::{Record, Records};
use crate::text;

/// What other names of a zone say of two ends that a deployment steers between, each in a sentence or two: what stands in the way, and
/// what a person should know. A name that leads to both is one that users ask for, and would stay behind. One that leads to one alone
/// may be there to look at that one.
pub fn others(
    named: &[DnsName],
    steered: &BTreeMap<String, Records>,
    zone: &str,
    listed: &[(String, Record)],
) -> (Vec<String>, Vec<String>) {
    let names: BTreeSet<String> = named.iter().filter(|it| it.zone == zone).map(DnsName::full).collect();
    let (mut problems, mut notes) = (Vec::new(), Vec::new());
    for (on, records) in steered {
        // Several names may lead to the same ends: they are looked at once.
        if steered.range::<String, _>(..on).any(|(_, before)| before.ends() == records.ends()) {
            continue;
        }
        let mut leads: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, record) in listed.iter().filter(|(name, _)| !names.contains(name)) {
            let target = record.target();
            let end = records.sides.iter().find(|side| target.as_deref() == Some(side.target.as_str()));
            if let Some(end) = end {
                leads.entry(name.trim_end_matches('.')).or_default().insert(end.target.trim_end_matches('.'));
            }
        }
        for (name, ends) in leads {
            let ends: Vec<&str> = ends.into_iter().collect();
            let led = text::few(&ends);
            if ends.len() > 1 {
                problems.push(format!(
                    "{name} leads to {led}, too, and routing.dns does not name it: whoever asks for it would be sent to where nobody serves \
                     any more. Name it in routing.dns, or delete its records."
                ));
            } else {
                notes.push(format!(
                    "{name} leads to {led}, too, and follows no weights: whoever asks for it finds nobody there once the fleet behind has \
                     gone. If users do, name it in routing.dns"
                ));
            }
        }
    }
    (problems, notes)
}

#[cfg(test)]
mod tests {
    use super::super::records::Form;
    use super::super::records::tests::{cname, side};
    use super::*;

    fn steered() -> BTreeMap<String, Records> {
        let records = Records {
            zone: "Z1".into(),
            name: "shop.example.com.".into(),
            sides: vec![side("arn:blue", "blue.shop.internal."), side("arn:green", "green.shop.internal.")],
            form: Form::Cname,
            ttl_seconds: 60,
            client_cache_seconds: 60,
            before: Vec::new(),
        };
        let of = |on: &str| (on.to_owned(), records.clone());
        BTreeMap::from([of("dns:Z1/shop.example.com"), of("dns:Z1/www.example.com")])
    }

    fn named(zone: &str) -> Vec<DnsName> {
        let of = |name: &str| DnsName {
            name: name.into(),
            zone: zone.into(),
            services: Vec::new(),
            load_balancers: Vec::new(),
            records: None,
            ttl_seconds: None,
            client_cache_seconds: 60,
        };
        ["shop.example.com", "WWW.example.com"].map(of).to_vec()
    }

    fn listed(all: &[(&str, &str)]) -> Vec<(String, Record)> {
        all.iter().map(|(name, target)| ((*name).to_owned(), cname(target, Some(1), 60))).collect()
    }

    #[test]
    fn a_name_that_leads_to_both_ends_is_refused_and_one_that_leads_to_one_is_told() {
        let both = listed(&[
            ("old.example.com.", "Blue.shop.internal"),
            ("old.example.com.", "green.shop.internal."),
            ("look.example.com.", "blue.shop.internal."),
            ("elsewhere.example.com.", "elsewhere.example.net."),
            // An alias of the name follows its weights.
            ("follows.example.com.", "shop.example.com."),
        ]);
        let (problems, notes) = others(&named("Z1"), &steered(), "Z1", &both);
        assert_eq!((problems.len(), notes.len()), (1, 1), "{problems:?} {notes:?}");
        assert!(problems[0].starts_with("old.example.com leads to"), "{problems:?}");
        assert!(notes[0].starts_with("look.example.com leads to blue.shop.internal, too"), "{notes:?}");
    }

    #[test]
    fn names_that_the_document_names_are_no_others() {
        let own = listed(&[
            ("shop.example.com.", "blue.shop.internal."),
            ("shop.example.com.", "green.shop.internal."),
            ("www.example.com.", "blue.shop.internal."),
            ("www.example.com.", "green.shop.internal."),
        ]);
        assert_eq!(others(&named("Z1"), &steered(), "Z1", &own), (Vec::new(), Vec::new()));
        // In another zone the same names are others.
        assert_eq!(others(&named("Z2"), &steered(), "Z1", &own).0.len(), 2);
    }
}
