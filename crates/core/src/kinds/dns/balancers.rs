//! Load balancers as what a name leads to: the whole stack is of one colour, and the name says which.

use super::examine::Facts;
use super::records::{ALIAS_SECONDS, Alias, Form, Side};
use super::{DnsName, LoadBalancer};
use crate::kinds::elb::{balancer as called, short};
use crate::kinds::metrics::load_balancer as part;
use crate::observed::TargetGroup;
use crate::split::Weights;
use crate::text;
use crate::unnamed::reaches;

/// A load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// Its ARN.
    pub arn: String,
    /// Its name in DNS, in lower case and with its final dot.
    pub name: String,
    /// The hosted zone that an alias of it names.
    pub zone: String,
    /// Whether it has addresses of IPv6, too.
    pub dual_stack: bool,
    /// Whether only its network reaches it.
    pub internal: bool,
    /// Whether it takes requests.
    pub active: bool,
    /// Where it listens.
    pub listeners: Vec<Listens>,
}

/// A listener of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listens {
    /// Its port and protocol: `443/HTTPS`.
    pub at: String,
    /// The target groups that it and its rules forward to.
    pub forwards_to: Vec<String>,
}

/// The load balancers that the document names, as the name's records call them.
pub(super) fn sides(dns: &DnsName, facts: &Facts, form: &Form, problems: &mut Vec<String>) -> Vec<Side> {
    let mut sides = Vec::new();
    for named in &dns.load_balancers {
        match facts.balancers.iter().find(|it| it.arn == named.arn) {
            None => problems.push(format!(
                "routing.dns: the load balancer {} does not exist in this account and region. Look its ARN up with `aws elbv2 \
                 describe-load-balancers`.",
                named.arn
            )),
            Some(balancer) => sides.push(side(named, balancer, facts, form, problems)),
        }
    }
    if let [a, b] = facts.balancers.as_slice() {
        unlike(dns, a, b, problems);
    }
    sides
}

/// A load balancer as the name's records call it.
fn side(named: &LoadBalancer, balancer: &Balancer, facts: &Facts, form: &Form, problems: &mut Vec<String>) -> Side {
    let name = called(&balancer.arn);
    if !balancer.active {
        problems.push(format!("The {name} is not active yet, or not any more. Wait until it is, or use another one."));
    }
    if let Form::Alias(types) = form
        && types.iter().any(|said| said == "AAAA")
        && !balancer.dual_stack
    {
        problems.push(format!(
            "The name has AAAA records, and the {name} has no addresses of IPv6: whoever asks for these would find nothing there. Make it \
             dual-stack, or delete these records."
        ));
    }
    // Who has written it with a prefix finds it so again.
    let known = facts.records.iter().filter_map(|record| record.alias.as_ref());
    let prefixed = known.clone().any(|alias| alias.name.to_ascii_lowercase().starts_with("dualstack."));
    let prefix = if prefixed { "dualstack." } else { "" };
    Side {
        pools: named.target_groups.iter().map(|arn| arn.0.clone()).collect(),
        balancer: Some(balancer.arn.clone()),
        target: balancer.name.clone(),
        alias: Some(Alias {
            zone: balancer.zone.clone(),
            name: format!("{prefix}{}", balancer.name),
            evaluates: false,
        }),
        identifier: part(&balancer.arn).and_then(|it| it.split('/').nth(1).map(str::to_owned)).unwrap_or_default(),
        chain_seconds: if *form == Form::Cname { ALIAS_SECONDS } else { 0 },
        negative_seconds: 0,
    }
}

/// What is different at two load balancers for whoever comes by the name.
fn unlike(dns: &DnsName, a: &Balancer, b: &Balancer, problems: &mut Vec<String>) {
    let (one, other) = (called(&a.arn), called(&b.arn));
    if a.internal != b.internal {
        let (inside, outside) = if a.internal { (&one, &other) } else { (&other, &one) };
        problems.push(format!(
            "The {inside} is internal and the {outside} is not: not everybody who reaches one reaches the other. Make them alike."
        ));
    }
    // What forwards elsewhere alone is somebody else's, who shares the load balancer; what forwards nowhere may redirect our users.
    let pools: Vec<String> = dns.pools().collect();
    let ours = |it: &&Listens| it.forwards_to.is_empty() || it.forwards_to.iter().any(|to| pools.contains(to));
    let lacks = |of: &Balancer, than: &Balancer| -> Vec<String> {
        let missing = than.listeners.iter().filter(ours).filter(|it| !of.listeners.iter().any(|own| own.at == it.at));
        missing.map(|it| it.at.clone()).collect()
    };
    for (lacking, than, it) in [(a, b, &one), (b, a, &other)] {
        let missing = lacks(lacking, than);
        if !missing.is_empty() {
            problems.push(format!(
                "The {it} does not listen at {}, where the other one does: who comes there would be refused after a shift. Give both the \
                 same listeners.",
                text::few(&missing)
            ));
        }
    }
}

/// What a person should know of them.
pub(super) fn notes(dns: &DnsName, facts: &Facts) -> Vec<String> {
    if facts.balancers.is_empty() {
        return Vec::new();
    }
    vec![
        format!(
            "Whoever reaches one of the two load balancers by something else than {} follows none of its weights: name every name that \
             leads there",
            dns.name
        ),
        "A load balancer that has had no traffic is small, and grows within minutes: prefer steps to all at once"
            .into(),
    ]
}

/// Whether each target group stands behind its load balancer alone, and gets requests there. `groups` are those of the document's that
/// there are, `forwards` everything that the load balancers forward.
pub fn behind(dns: &DnsName, groups: &[TargetGroup], forwards: &[Weights]) -> Vec<String> {
    let mut problems = Vec::new();
    for balancer in &dns.load_balancers {
        let own: Vec<&Weights> = forwards.iter().filter(|it| part(&it.on) == part(&balancer.arn)).collect();
        for arn in &balancer.target_groups {
            let Some(group) = groups.iter().find(|group| group.arn == arn.0) else { continue };
            let others: Vec<String> =
                group.load_balancers.iter().filter(|it| **it != balancer.arn).map(|it| called(it)).collect();
            if !others.is_empty() {
                problems.push(format!(
                    "{} stands behind the {}, and not behind the {} alone, where the document has it: a target group of one side may get \
                     no requests of the other. Correct routing.dns, or give each load balancer target groups of its own.",
                    short(&arn.0),
                    others.join(" and the "),
                    called(&balancer.arn)
                ));
            } else if !group.load_balancers.is_empty() && !own.iter().any(|it| reaches(&it.routes, &arn.0)) {
                problems.push(format!(
                    "No rule or listener of the {} sends requests to {}: it has weight 0 there. Give it a weight: the name decides who \
                     serves.",
                    called(&balancer.arn),
                    short(&arn.0)
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::records::{Kind, Record};
    use super::super::{AsRecords, Zone, examine, lanes};
    use super::*;
    use crate::kinds::elb::TargetGroupArn;
    use crate::lane::shifted;
    use crate::observed::TargetType;
    use crate::split::{Route, percent_of};

    fn arn(rest: &str) -> String {
        format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:{rest}")
    }

    fn group(name: &str) -> String {
        arn(&format!("targetgroup/{name}/1"))
    }

    fn dns() -> DnsName {
        let side = |name: &str| LoadBalancer {
            arn: arn(&format!("loadbalancer/app/{name}/1")),
            target_groups: ["web", "admin"].map(|of| TargetGroupArn(group(&format!("{name}-{of}")))).to_vec(),
        };
        DnsName {
            name: "example.com".into(),
            zone: "Z1".into(),
            services: Vec::new(),
            load_balancers: vec![side("blue"), side("green")],
            records: None,
            ttl_seconds: None,
            client_cache_seconds: 60,
        }
    }

    fn balancer(name: &str) -> Balancer {
        Balancer {
            arn: arn(&format!("loadbalancer/app/{name}/1")),
            name: format!("{name}-1.eu-west-1.elb.amazonaws.com."),
            zone: "ZELB".into(),
            dual_stack: false,
            internal: false,
            active: true,
            listeners: vec![listens("443/HTTPS", &[&format!("{name}-web"), &format!("{name}-admin")])],
        }
    }

    fn listens(at: &str, forwards_to: &[&str]) -> Listens {
        Listens { at: at.into(), forwards_to: forwards_to.iter().map(|it| group(it)).collect() }
    }

    fn alias(name: &str, said: &str, weight: Option<u32>) -> Record {
        Record {
            kind: Kind::Alias,
            said: said.into(),
            identifier: weight.map(|_| name.to_owned()),
            weight,
            ttl_seconds: None,
            values: Vec::new(),
            alias: Some(Alias {
                zone: "ZELB".into(),
                name: format!("dualstack.{name}-1.eu-west-1.elb.amazonaws.com."),
                evaluates: false,
            }),
            besides: Vec::new(),
        }
    }

    fn txt() -> Record {
        let values = vec!["\"v=spf1 -all\"".to_owned()];
        Record { kind: Kind::Other, said: "TXT".into(), values, alias: None, ..alias("", "", None) }
    }

    fn facts(records: Vec<Record>) -> Facts {
        let zone = Some(Zone { name: "example.com.".into(), managed: None, vpcs: None });
        Facts { zone, records, registries: Vec::new(), balancers: vec![balancer("blue"), balancer("green")] }
    }

    fn weighted(a: u32, b: u32) -> Vec<Record> {
        vec![alias("blue", "A", Some(a)), alias("green", "A", Some(b))]
    }

    fn refused(change: impl FnOnce(&mut DnsName, &mut Facts)) -> String {
        let (mut dns, mut facts) = (dns(), facts(weighted(100, 0)));
        change(&mut dns, &mut facts);
        examine(&dns, &facts).expect_err("it stands in the way").join("\n")
    }

    #[test]
    fn s4_aliases_at_the_apex_share_out_two_load_balancers_and_leave_other_records_alone() {
        let mut live = weighted(100, 0);
        live.push(txt());
        let (records, _) = examine(&dns(), &facts(live.clone())).unwrap();
        assert_eq!(records.form, Form::Alias(vec!["A".into()]));
        let split = records.split(&live);
        let lanes = lanes("dns:Z1/example.com", &records, &split, &[]).unwrap();
        assert_eq!(lanes.iter().map(|it| short(&it.test)).collect::<Vec<_>>(), ["green-web", "green-admin"]);
        let weights = shifted(&lanes, |_| 30);
        assert_eq!(weights.len(), 1, "one name is set once: {weights:?}");
        for pool in ["green-web", "green-admin"] {
            assert_eq!(percent_of(&weights[0].routes, &group(pool)), 30);
        }
        let batch = records.batch(&live, &weights[0].routes).unwrap();
        assert_eq!((batch.delete, batch.create.clone()), (weighted(100, 0), weighted(70, 30)));
        assert!(records.split(&batch.create).has(&weights[0].routes));
        assert_eq!(records.settle_seconds(), 60 + 60 + 15, "an alias is kept for a minute, and then by clients");
    }

    #[test]
    fn both_types_of_addresses_move_together() {
        let both = |a, b| {
            let of = |said| vec![alias("blue", said, Some(a)), alias("green", said, Some(b))];
            [of("A"), of("AAAA")].concat()
        };
        let mut known = facts(both(100, 0));
        known.balancers.iter_mut().for_each(|it| it.dual_stack = true);
        let (records, _) = examine(&dns(), &known).unwrap();
        let split = records.split(&both(100, 0));
        assert_eq!(split.routes.len(), 2, "{split:?}");
        let weights = shifted(&lanes("dns:Z1/example.com", &records, &split, &[]).unwrap(), |_| 10);
        let batch = records.batch(&both(100, 0), &weights[0].routes).unwrap();
        assert_eq!((batch.delete.len(), batch.create), (4, both(90, 10)));
        // Somebody has set one type alone.
        let mut live = both(90, 10);
        live[2].weight = Some(0);
        live[3].weight = Some(100);
        let split = records.split(&live);
        assert!(split.altered.is_some() && split.weight(&group("green-web")) == 100, "{split:?}");
        let uneven = refused(|_, facts| {
            facts.balancers.iter_mut().for_each(|it| it.dual_stack = true);
            facts.records = both(100, 0);
            facts.records[2].weight = Some(50);
        });
        assert!(uneven.contains("different ways"), "{uneven}");
        assert!(refused(|_, facts| facts.records = both(100, 0)).contains("no addresses of IPv6"));
    }

    #[test]
    fn names_become_aliases_and_come_back_as_they_were() {
        let cname = Record {
            kind: Kind::Cname,
            said: "CNAME".into(),
            ttl_seconds: Some(300),
            values: vec!["Blue-1.eu-west-1.elb.amazonaws.com".into()],
            alias: None,
            ..alias("", "", None)
        };
        let www = DnsName { name: "www.example.com".into(), ..dns() };
        let (kept, _) = examine(&www, &facts(vec![cname.clone()])).unwrap();
        assert_eq!(
            (kept.form.clone(), kept.ttl_seconds, kept.settle_seconds()),
            (Form::Cname, 300, 300 + 60 + 60 + 15)
        );
        let www = DnsName { records: Some(AsRecords::Alias), ..www };
        let (records, _) = examine(&www, &facts(vec![cname.clone()])).unwrap();
        assert_eq!(records.settle_seconds(), 300 + 60 + 15, "what was kept of the name counts");
        let before = records.split(&records.before);
        let lanes = lanes("dns:Z1/www.example.com", &records, &before, &[]).unwrap();
        let batch = records.batch(std::slice::from_ref(&cname), &shifted(&lanes, |_| 10)[0].routes).unwrap();
        assert_eq!(batch.delete, std::slice::from_ref(&cname));
        assert!(batch.create.iter().all(|it| it.said == "A" && it.ttl_seconds.is_none()), "{batch:?}");
        assert_eq!(records.batch(&batch.create, &before.routes).unwrap().create, [cname]);
    }

    #[test]
    fn what_would_break_the_weights_or_lose_requests_is_refused() {
        let evaluates = refused(|_, facts| facts.records[1].alias.as_mut().unwrap().evaluates = true);
        assert!(evaluates.contains("EvaluateTargetHealth") && evaluates.contains("against the weights"), "{evaluates}");
        assert!(refused(|_, facts| facts.records[0].besides.push("HealthCheckId".into())).contains("HealthCheckId"));
        assert!(
            refused(|_, facts| facts.records.push(alias("third", "A", Some(0)))).contains("neither of the two load")
        );
        assert!(refused(|dns, _| dns.records = Some(AsRecords::Cname)).contains("apex"));
        assert!(refused(|dns, _| dns.ttl_seconds = Some(30)).contains("ttlSeconds"));
        assert!(refused(|_, facts| drop(facts.balancers.pop())).contains("does not exist"));
        assert!(refused(|_, facts| facts.balancers[1].internal = true).contains("green is internal and"));
        assert!(refused(|_, facts| facts.balancers[1].active = false).contains("green is not active"));
        for forwards_to in [&[][..], &["blue-web"]] {
            let deaf = refused(|_, facts| facts.balancers[0].listeners.push(listens("80/HTTP", forwards_to)));
            assert!(deaf.contains("green does not listen at 80/HTTP"), "{deaf}");
        }
        // Somebody else shares one of them.
        let mut shared = facts(weighted(100, 0));
        shared.balancers[0].listeners.push(listens("9005/TCP", &["other-team"]));
        assert!(examine(&dns(), &shared).is_ok());
    }

    #[test]
    fn target_groups_stand_behind_their_own_load_balancer_and_get_its_requests() {
        let groups = |of: &str| {
            let group = |it: &str| TargetGroup {
                arn: group(&format!("{of}-{it}")),
                drain_seconds: 30,
                targets: TargetType::Instance,
                health_checks: true,
                load_balancers: vec![arn(&format!("loadbalancer/app/{of}/1"))],
            };
            ["web", "admin"].map(group)
        };
        let mut all = [groups("blue"), groups("green")].concat();
        let rule = |of: &str, it: &str, weight| Weights {
            on: arn(&format!("listener-rule/app/{of}/1/2/3")),
            routes: vec![Route::to(group(&format!("{of}-{it}")), weight), Route::to("other", 1)],
        };
        let mut forwards: Vec<Weights> =
            ["blue", "green"].iter().flat_map(|of| ["web", "admin"].map(|it| rule(of, it, 1))).collect();
        assert_eq!(behind(&dns(), &all, &forwards), [""; 0]);
        forwards[3] = rule("green", "admin", 0);
        all[0].load_balancers.push(arn("loadbalancer/app/green/1"));
        let said = behind(&dns(), &all, &forwards).join("\n");
        assert!(said.contains("blue-web stands behind the load balancer green"), "{said}");
        assert!(said.contains("green sends requests to green-admin"), "{said}");
    }
}
