//! Where a service is: the configured endpoint, or the region's own.

use aws_types::SdkConfig;
use aws_types::region::{Region, SigningRegion};
use aws_types::service_config::ServiceConfigKey;

use super::{Protocol, Service};

/// Partitions by the beginning of their regions' names: DNS suffix, dual-stack suffix. From the endpoint rules
/// of the services, which agree.
const PARTITIONS: &[(&str, &str, &str)] = &[
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-gov-", "amazonaws.com", "api.aws"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("", "amazonaws.com", "api.aws"),
];

/// Where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    url: String,
    /// Whether it was set, in the SDKs' ways, rather than taken from the region.
    pub(super) configured: bool,
}

impl Endpoint {
    /// Its URL; with a prefix, that of a host of its own.
    pub(super) fn url(&self, host_prefix: Option<&str>) -> String {
        match (host_prefix, self.url.split_once("://")) {
            (Some(prefix), Some((scheme, host))) => format!("{scheme}://{prefix}.{host}"),
            _ => self.url.clone(),
        }
    }
}

/// Where Route 53 is, which has one endpoint for all regions of a partition, and the region by which its requests are signed. By the
/// beginning of their names; from its endpoint rules.
const ROUTE_53: &[(&str, &str, &str)] = &[
    ("cn-", "route53.amazonaws.com.cn", "cn-northwest-1"),
    ("us-gov-", "route53.us-gov.amazonaws.com", "us-gov-west-1"),
    ("us-isob-", "route53.sc2s.sgov.gov", "us-isob-east-1"),
    ("us-isof-", "route53.csp.hci.ic.gov", "us-isof-south-1"),
    ("us-iso-", "route53.c2s.ic.gov", "us-iso-east-1"),
    ("eu-isoe-", "route53.cloud.adc-e.uk", "eu-isoe-west-1"),
    ("eusc-", "route53.amazonaws.eu", "eusc-de-east-1"),
    ("", "route53.amazonaws.com", "us-east-1"),
];

fn of_route_53(region: &str) -> (&'static str, &'static str) {
    let found = ROUTE_53.iter().find(|(prefix, ..)| region.starts_with(prefix));
    found.map_or(("route53.amazonaws.com", "us-east-1"), |(_, host, region)| (host, region))
}

/// The region by which requests to a service are signed.
pub(super) fn signing_region(service: &Service, region: Region) -> SigningRegion {
    match service.protocol {
        Protocol::Route53 => SigningRegion::from_static(of_route_53(region.as_ref()).1),
        _ => SigningRegion::from(region),
    }
}

/// Where the service is, or what is wrong with the configuration.
///
/// In the SDKs' order: an endpoint set in code, `AWS_ENDPOINT_URL_EC2` (or `…_S3` and so on) or the profile's, the one for
/// all services, the region's default.
pub(super) fn of(service: &Service, config: &SdkConfig) -> Result<Endpoint, String> {
    let configured = |url: &str| Ok(Endpoint { url: url.to_owned(), configured: true });
    if service.protocol != Protocol::Bearer
        && config.get_origin("endpoint_url").is_client_config()
        && let Some(url) = config.endpoint_url()
    {
        return configured(url);
    }
    let key = ServiceConfigKey::builder();
    let key = key.service_id(service.id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = key.ok().and_then(|key| config.service_config()?.load_config(key));
    // Where AWS is, or an emulator of it, is nobody's business who is none of AWS's: the token would go there.
    if service.protocol == Protocol::Bearer {
        let url = own.clone().unwrap_or_else(|| format!("https://{}", service.name));
        return Ok(Endpoint { url, configured: own.is_some() });
    }
    if let Some(url) = own.as_deref().or(config.endpoint_url()) {
        return configured(url);
    }
    let region = config.region().map(|region| region.as_ref()).unwrap_or_default();
    let (fips, dual_stack) = match service.protocol {
        // Whoever has signed has signed the plain name.
        Protocol::Presigned => (false, false),
        _ => (config.use_fips().unwrap_or_default(), config.use_dual_stack().unwrap_or_default()),
    };
    Ok(Endpoint { url: default(service, region, fips, dual_stack)?, configured: false })
}

/// The host of a service's own endpoint in a region, whatever is configured.
pub(crate) fn host_of(service: &Service, region: &str) -> Result<String, String> {
    default(service, region, false, false).map(|url| url.replacen("https://", "", 1))
}

fn default(service: &Service, region: &str, fips: bool, dual_stack: bool) -> Result<String, String> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || !region.chars().all(label) {
        return Err(format!("{region:?} is not a region: set one, such as eu-west-1"));
    }
    if service.protocol == Protocol::Route53 {
        return Ok(format!("https://{}", of_route_53(region).0));
    }
    let partition = PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix));
    let (prefix, suffix, dual) = partition.copied().unwrap_or(("", "amazonaws.com", "api.aws"));
    let (name, s3) = (service.name, service.protocol == Protocol::S3);
    // GovCloud's plain endpoints are the FIPS ones, except for S3's.
    let fips = if fips && (s3 || dual_stack || prefix != "us-gov-") { "-fips" } else { "" };
    Ok(match (dual_stack, s3) {
        (false, _) => format!("https://{name}{fips}.{region}.{suffix}"),
        (true, false) => format!("https://{name}{fips}.{region}.{dual}"),
        (true, true) => format!("https://{name}{fips}.dualstack.{region}.{suffix}"),
    })
}

#[cfg(test)]
mod tests {
    use aws_types::region::Region;
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    const fn service(id: &'static str, name: &'static str, protocol: Protocol) -> Service {
        Service { id, name, protocol }
    }

    const EC2: Service = service("EC2", "ec2", Protocol::Query);

    #[test]
    fn every_partition_has_its_endpoints() {
        // As botocore's endpoint rules resolve them, the same for EC2, CloudFormation and Systems Manager.
        for service in
            [EC2, service("CloudFormation", "cloudformation", Protocol::Query), service("SSM", "ssm", Protocol::Json)]
        {
            for (region, fips, dual_stack, expected) in [
                ("eu-west-1", false, false, ".eu-west-1.amazonaws.com"),
                ("eu-west-1", true, false, "-fips.eu-west-1.amazonaws.com"),
                ("eu-west-1", false, true, ".eu-west-1.api.aws"),
                ("eu-west-1", true, true, "-fips.eu-west-1.api.aws"),
                ("cn-north-1", false, false, ".cn-north-1.amazonaws.com.cn"),
                ("cn-north-1", false, true, ".cn-north-1.api.amazonwebservices.com.cn"),
                ("us-gov-west-1", false, false, ".us-gov-west-1.amazonaws.com"),
                ("us-gov-west-1", true, false, ".us-gov-west-1.amazonaws.com"),
                ("us-gov-west-1", true, true, "-fips.us-gov-west-1.api.aws"),
                ("us-iso-east-1", false, false, ".us-iso-east-1.c2s.ic.gov"),
                ("us-isob-east-1", false, false, ".us-isob-east-1.sc2s.sgov.gov"),
                ("us-isof-south-1", false, true, ".us-isof-south-1.api.aws.hci.ic.gov"),
                ("eu-isoe-west-1", true, true, "-fips.eu-isoe-west-1.api.cloud-aws.adc-e.uk"),
                ("eusc-de-east-1", true, false, "-fips.eusc-de-east-1.amazonaws.eu"),
            ] {
                let expected = format!("https://{}{expected}", service.name);
                assert_eq!(default(&service, region, fips, dual_stack), Ok(expected));
            }
        }
        for nowhere in ["", "eu west", "evil.example/", "EU-WEST-1"] {
            assert!(default(&EC2, nowhere, false, false).is_err(), "{nowhere}");
        }
    }

    #[test]
    fn route_53_has_one_for_each_partition() {
        let names = service("Route 53", "route53", Protocol::Route53);
        for (region, expected, signed) in [
            ("eu-west-1", "https://route53.amazonaws.com", "us-east-1"),
            ("cn-north-1", "https://route53.amazonaws.com.cn", "cn-northwest-1"),
            ("us-gov-east-1", "https://route53.us-gov.amazonaws.com", "us-gov-west-1"),
            ("eusc-de-east-1", "https://route53.amazonaws.eu", "eusc-de-east-1"),
        ] {
            assert_eq!(default(&names, region, false, false).as_deref(), Ok(expected));
            assert_eq!(signing_region(&names, Region::new(region)).as_ref(), signed);
        }
    }

    #[test]
    fn s3_has_its_own_and_one_for_each_bucket() {
        let s3 = service("S3", "s3", Protocol::S3);
        for (region, fips, dual_stack, expected) in [
            ("eu-west-1", false, false, "https://bucket.s3.eu-west-1.amazonaws.com"),
            ("us-east-1", false, false, "https://bucket.s3.us-east-1.amazonaws.com"),
            ("eu-west-1", true, false, "https://bucket.s3-fips.eu-west-1.amazonaws.com"),
            ("eu-west-1", false, true, "https://bucket.s3.dualstack.eu-west-1.amazonaws.com"),
            ("eu-west-1", true, true, "https://bucket.s3-fips.dualstack.eu-west-1.amazonaws.com"),
            ("cn-north-1", false, true, "https://bucket.s3.dualstack.cn-north-1.amazonaws.com.cn"),
            ("us-gov-west-1", true, false, "https://bucket.s3-fips.us-gov-west-1.amazonaws.com"),
        ] {
            let url = default(&s3, region, fips, dual_stack).unwrap();
            assert_eq!(Endpoint { url, configured: false }.url(Some("bucket")), expected);
        }
    }

    /// Stands for the environment and the profile.
    #[derive(Debug)]
    struct Environment;

    impl LoadServiceConfig for Environment {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == "EC2" && key.env() == "AWS_ENDPOINT_URL").then(|| "http://127.0.0.1:1".to_owned())
        }
    }

    #[test]
    fn configured_endpoints_come_first() {
        let config = SdkConfig::builder().region(Region::new("eu-west-1")).build();
        let url = |config: &SdkConfig| of(&EC2, config).map(|endpoint| (endpoint.url, endpoint.configured));
        let at = |url: &str, configured: bool| Ok((url.to_owned(), configured));
        assert_eq!(url(&config), at("https://ec2.eu-west-1.amazonaws.com", false));
        let shared = config.into_builder().endpoint_url("http://127.0.0.1:2").build();
        assert_eq!(url(&shared), at("http://127.0.0.1:2", true));
        let own = shared.into_builder().service_config(Environment).build();
        assert_eq!(url(&own), at("http://127.0.0.1:1", true));
        let mut code = own.into_builder();
        code.insert_origin("endpoint_url", aws_types::origin::Origin::shared_config());
        assert_eq!(url(&code.build()), at("http://127.0.0.1:2", true));
        assert!(url(&SdkConfig::builder().build()).is_err());
    }
}
