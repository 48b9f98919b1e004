//! The alarms that policies of the groups or checks of the document name.

use std::collections::BTreeSet;

use crossfade_core::Result;

use super::asking::{Of, borrowed, numbered};
use super::spelling::{list, tags, text};
use super::{Alarm, Cloning};

/// The most alarms that one call names (CloudWatch API reference).
const AT_ONCE: usize = 100;

impl Cloning<'_> {
    /// Reads them with their tags.
    pub(super) async fn alarms(&mut self) -> Result<()> {
        let policies = self.state.groups.iter().flat_map(|group| &group.policies);
        let of_services = self.state.services.iter().flat_map(|service| &service.policies);
        let policies = policies.chain(of_services);
        let of_policies = policies.flat_map(|policy| list(policy, "Alarms")).map(|it| text(it, "AlarmName").to_owned());
        let of_checks = self.document.verification.checks.values().filter_map(|check| check.alarm.clone());
        let names: BTreeSet<String> = of_policies.chain(of_checks).collect();
        for names in names.into_iter().collect::<Vec<_>>().chunks(AT_ONCE) {
            self.named_alarms(names).await?;
        }
        Ok(())
    }

    async fn named_alarms(&mut self, names: &[String]) -> Result<()> {
        for (kind, wanted) in [("MetricAlarm", "MetricAlarms"), ("CompositeAlarm", "CompositeAlarms")] {
            let mut asked = numbered("AlarmNames.member", names);
            asked.push(("AlarmTypes.member.1".into(), kind.into()));
            asked.push(("MaxRecords".into(), "100".into()));
            let (action, on) = ("DescribeAlarms", names.join(", "));
            let found = self.asking.list(Of::CloudWatch, action, &on, wanted, &borrowed(&asked)).await;
            for alarm in self.or_say(found, "alarms")? {
                let arn = text(&alarm, "AlarmArn");
                if kind == "CompositeAlarm" {
                    self.state
                        .not_modelled
                        .push(format!("what the composite alarm {} looks at", text(&alarm, "AlarmName")));
                }
                let of = [("ResourceARN", arn)];
                let answer = self.asking.list(Of::CloudWatch, "ListTagsForResource", arn, "Tags", &of).await;
                let tags = tags(&self.or_say(answer, "tags of alarms")?);
                self.state.alarms.push(Alarm { alarm, tags });
            }
        }
        Ok(())
    }
}
