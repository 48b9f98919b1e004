//! What goes wrong in the account of `crossfade local` because somebody wants to see it: said by a parameter, so that the AWS CLI can say
//! it as well as the dashboard.
//!
//! Only what crossfade's functions call goes wrong: whoever looks on still sees everything.

use std::sync::Arc;

use crossfade_sim::{Effect, Fault, Faults, Request, Service, Sim, effect};
use crossfade_steps::FUNCTIONS;
use serde_json::{Value, json};

/// The parameter that says what goes wrong.
pub(crate) const FAULT: &str = "/crossfade/local/fault";

/// What goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Wrong {
    /// Nothing.
    #[default]
    Nothing,
    /// Every change of a load balancer is refused.
    Denied,
    /// Every other call to groups, instances and load balancers is one too many.
    Throttled,
    /// AWS takes this instance away.
    Kill(String),
    /// This instance answers every request with an error from now on.
    Sicken(String),
}

impl Wrong {
    fn read(text: &str) -> Option<Self> {
        Some(match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["none"] => Wrong::Nothing,
            ["deny"] => Wrong::Denied,
            ["throttle"] => Wrong::Throttled,
            ["kill", id] => Wrong::Kill((*id).to_owned()),
            ["sicken", id] => Wrong::Sicken((*id).to_owned()),
            _ => return None,
        })
    }
}

impl Faults for Wrong {
    fn strike(&self, nth: usize, request: &Request) -> Option<Fault> {
        request.caller.as_deref().filter(|caller| FUNCTIONS.contains(caller))?;
        let refuse = |status, code: &str, message: String| Some(Fault::Refuse { status, code: code.into(), message });
        match (self, request.service) {
            (Wrong::Denied, Service::ElasticLoadBalancing) if effect(&request.operation) == Effect::Mutate => {
                let message = format!("Not authorized to perform elasticloadbalancing:{}", request.operation);
                refuse(403, "AccessDenied", message)
            }
            (Wrong::Throttled, Service::AutoScaling | Service::Ec2 | Service::ElasticLoadBalancing)
                if nth.is_multiple_of(2) =>
            {
                refuse(400, "Throttling", "Rate exceeded".into())
            }
            _ => None,
        }
    }
}

/// What was asked for so far.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Which version of the parameter was read.
    version: u64,
    /// What goes wrong since then, in the words that ask for it.
    pub(crate) goes_wrong: String,
}

impl Asked {
    /// Lets go wrong what is asked for, once for each time that it is.
    pub(crate) fn follow(&mut self, sim: &Sim) {
        let ask = Request::json(Service::Ssm, "GetParameter", json!({ "Name": FAULT }));
        let answer = sim.parameters().handle(&ask, sim.clock.now_millis());
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let parameter = &answer["Parameter"];
        let version = parameter["Version"].as_u64().unwrap_or_default();
        if version == self.version {
            return;
        }
        self.version = version;
        let Some(wrong) = parameter["Value"].as_str().and_then(Wrong::read) else { return };
        match &wrong {
            Wrong::Kill(id) => {
                sim.world().kill_instance(id);
            }
            Wrong::Sicken(id) => {
                sim.world().sicken_instance(id);
            }
            Wrong::Nothing => {
                sim.set_faults(None);
                self.goes_wrong.clear();
            }
            Wrong::Denied | Wrong::Throttled => {
                self.goes_wrong = parameter["Value"].as_str().unwrap_or_default().trim().to_owned();
                sim.set_faults(Some(Arc::new(wrong)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_wrong_is_asked_for_by_a_parameter_once_each_and_strikes_functions_alone() {
        let sim = Sim::new(crossfade_sim::Settings::default());
        let mut asked = Asked::default();
        asked.follow(&sim);
        assert_eq!(asked.goes_wrong, "", "nobody has asked");
        for (said, goes_wrong) in
            [("deny", "deny"), ("nonsense", "deny"), ("kill i-none", "deny"), ("none", ""), ("throttle", "throttle")]
        {
            sim.parameters().define(FAULT, "String", said);
            asked.follow(&sim);
            assert_eq!(asked.goes_wrong, goes_wrong, "{said}");
        }
        let called = |wrong: Wrong, caller: &str, operation: &str| {
            let request =
                Request { caller: Some(caller.into()), ..Request::query(Service::ElasticLoadBalancing, operation, []) };
            wrong.strike(0, &request).is_some()
        };
        assert!(called(Wrong::Denied, "shift-weight", "ModifyRule"));
        assert!(!called(Wrong::Denied, "shift-weight", "DescribeRules"));
        assert!(called(Wrong::Throttled, "shift-weight", "DescribeRules"));
        assert!(!called(Wrong::Denied, "local", "ModifyRule"), "whoever looks on is not struck");
        assert_eq!(Wrong::read("kill i-1 i-2"), None);
    }
}
