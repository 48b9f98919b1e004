//! What CloudWatch calls the metrics of load balancers and fleets, and by what dimensions it knows them.

use std::collections::BTreeMap;

use super::Platform;
use super::elb::is_network;
use crate::verification::Query;

/// What is asked of a pool, or of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// How many requests there were.
    Requests,
    /// How many its targets answered with an error of their own.
    Errors,
    /// How many no target took.
    Unreached,
    /// How long answers took, by this statistic, in seconds.
    Time(&'a str),
    /// How many targets fail their health checks.
    Unhealthy,
    /// How many requests the load balancer itself answered with an error.
    Unanswered,
}

/// `app/shop/50dc…` for the ARN of a load balancer, or of one of its listeners or rules.
pub fn load_balancer(arn: &str) -> Option<String> {
    let kinds = [":loadbalancer/", ":listener/", ":listener-rule/"];
    let rest = kinds.iter().find_map(|kind| arn.split_once(kind)).map(|(_, rest)| rest)?;
    let parts: Vec<&str> = rest.split('/').take(3).collect();
    (parts.len() == 3).then(|| parts.join("/"))
}

/// `targetgroup/shop-a/73e2…` for the ARN of a target group.
pub fn target_group(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// The metric of a load balancer, or of one of its target groups; both as dimensions name them.
pub fn of_load_balancer(balancer: &str, target_group: Option<&str>, asked: Asked<'_>) -> Query {
    let (name, stat) = match asked {
        Asked::Requests => ("RequestCount", "Sum"),
        Asked::Errors => ("HTTPCode_Target_5XX_Count", "Sum"),
        Asked::Unreached => ("TargetConnectionErrorCount", "Sum"),
        Asked::Time(stat) => ("TargetResponseTime", stat),
        Asked::Unhealthy => ("UnHealthyHostCount", "Maximum"),
        Asked::Unanswered => ("HTTPCode_ELB_5XX_Count", "Sum"),
    };
    let namespace = if counts_requests(balancer) { "AWS/ApplicationELB" } else { "AWS/NetworkELB" };
    let mut dimensions = BTreeMap::from([("LoadBalancer".to_owned(), balancer.to_owned())]);
    dimensions.extend(target_group.map(|group| ("TargetGroup".to_owned(), group.to_owned())));
    Query { namespace: namespace.into(), name: name.into(), dimensions, stat: stat.into() }
}

/// Whether a load balancer of this name counts requests, rather than connections.
pub fn counts_requests(balancer: &str) -> bool {
    !balancer.starts_with("net/") && !is_network(balancer)
}

/// How busy the processors of a fleet are, or how full its memory is, on average; nothing where its platform does not tell.
pub fn of_fleet(platform: &Platform, fleet: &str, memory: bool) -> Option<Query> {
    let (namespace, dimensions) = match platform {
        Platform::AutoScalingGroups if memory => return None,
        // CloudWatch knows no Elastigroup.
        Platform::Elastigroups { .. } => return None,
        Platform::AutoScalingGroups => ("AWS/EC2", vec![("AutoScalingGroupName", fleet)]),
        Platform::EcsServices { cluster } => {
            ("AWS/ECS", vec![("ClusterName", cluster.as_str()), ("ServiceName", fleet)])
        }
    };
    let name = if memory { "MemoryUtilization" } else { "CPUUtilization" };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Some(Query {
        namespace: namespace.into(),
        name: name.into(),
        dimensions: dimensions.into_iter().map(owned).collect(),
        stat: "Average".into(),
    })
}

/// What the platform of these fleets is called by in a placeholder.
pub fn cluster(platform: &Platform) -> Option<&str> {
    match platform {
        Platform::AutoScalingGroups | Platform::Elastigroups { .. } => None,
        Platform::EcsServices { cluster } => Some(cluster),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_balancers_and_target_groups_are_named_as_in_dimensions() {
        let of = |rest: &str| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:{rest}");
        for arn in
            ["loadbalancer/app/shop/50dc", "listener/app/shop/50dc/f2f7", "listener-rule/app/shop/50dc/f2f7/9683"]
        {
            assert_eq!(load_balancer(&of(arn)).as_deref(), Some("app/shop/50dc"), "{arn}");
        }
        assert_eq!(load_balancer(&of("targetgroup/shop-a/73e2")), None);
        assert_eq!(target_group(&of("targetgroup/shop-a/73e2")), "targetgroup/shop-a/73e2");
        assert!(counts_requests("app/shop/50dc") && !counts_requests("net/shop/50dc"));
        let query = of_load_balancer("net/shop/50dc", Some("targetgroup/a/1"), Asked::Unhealthy);
        assert_eq!((query.namespace.as_str(), query.dimensions.len()), ("AWS/NetworkELB", 2));
    }
}
