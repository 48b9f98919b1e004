//! Where EC2 is: the configured endpoint, or the region's own.

use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// Partitions by the beginning of their regions' names: DNS suffix, dual-stack suffix. From the endpoint rules of EC2.
const PARTITIONS: &[(&str, &str, Option<&str>)] = &[
    ("cn-", "amazonaws.com.cn", Some("api.amazonwebservices.com.cn")),
    ("us-gov-", "amazonaws.com", Some("api.aws")),
    ("us-iso-", "c2s.ic.gov", Some("api.aws.ic.gov")),
    ("us-isob-", "sc2s.sgov.gov", Some("api.aws.scloud")),
    ("us-isof-", "csp.hci.ic.gov", None),
    ("eu-isoe-", "cloud.adc-e.uk", None),
    ("eusc-", "amazonaws.eu", Some("api.amazonwebservices.eu")),
    ("", "amazonaws.com", Some("api.aws")),
];

/// EC2's URL, or what is wrong with the configuration.
///
/// In the SDKs' order: an endpoint set in code, `AWS_ENDPOINT_URL_EC2` or the profile's, the one for all services,
/// the region's default.
pub(super) fn url(config: &SdkConfig) -> Result<String, String> {
    if config.get_origin("endpoint_url").is_client_config()
        && let Some(url) = config.endpoint_url()
    {
        return Ok(url.to_owned());
    }
    let key = ServiceConfigKey::builder().service_id("EC2").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = key.ok().and_then(|key| config.service_config()?.load_config(key));
    if let Some(url) = own.as_deref().or(config.endpoint_url()) {
        return Ok(url.to_owned());
    }
    let region = config.region().map(|region| region.as_ref()).unwrap_or_default();
    default(region, config.use_fips().unwrap_or_default(), config.use_dual_stack().unwrap_or_default())
}

fn default(region: &str, fips: bool, dual_stack: bool) -> Result<String, String> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || !region.chars().all(label) {
        return Err(format!("{region:?} is not a region: set one, such as eu-west-1"));
    }
    let partition = PARTITIONS.iter().find(|(prefix, ..)| region.starts_with(prefix));
    let (prefix, suffix, dual) = partition.copied().unwrap_or(("", "amazonaws.com", Some("api.aws")));
    // GovCloud's plain endpoints are the FIPS ones.
    let host = if fips && (dual_stack || prefix != "us-gov-") { "ec2-fips" } else { "ec2" };
    let suffix = if dual_stack { dual.ok_or_else(|| format!("{region} has no dual-stack endpoints"))? } else { suffix };
    Ok(format!("https://{host}.{region}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use aws_types::region::Region;
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    #[test]
    fn every_partition_has_its_endpoints() {
        // As botocore's endpoint rules for EC2 resolve them.
        for (region, fips, dual_stack, expected) in [
            ("eu-west-1", false, false, "https://ec2.eu-west-1.amazonaws.com"),
            ("eu-west-1", true, false, "https://ec2-fips.eu-west-1.amazonaws.com"),
            ("eu-west-1", false, true, "https://ec2.eu-west-1.api.aws"),
            ("eu-west-1", true, true, "https://ec2-fips.eu-west-1.api.aws"),
            ("cn-north-1", false, false, "https://ec2.cn-north-1.amazonaws.com.cn"),
            ("cn-north-1", false, true, "https://ec2.cn-north-1.api.amazonwebservices.com.cn"),
            ("us-gov-west-1", false, false, "https://ec2.us-gov-west-1.amazonaws.com"),
            ("us-gov-west-1", true, false, "https://ec2.us-gov-west-1.amazonaws.com"),
            ("us-gov-west-1", true, true, "https://ec2-fips.us-gov-west-1.api.aws"),
            ("us-iso-east-1", false, false, "https://ec2.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", false, false, "https://ec2.us-isob-east-1.sc2s.sgov.gov"),
            ("eusc-de-east-1", true, false, "https://ec2-fips.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(default(region, fips, dual_stack).as_deref(), Ok(expected));
        }
        assert!(default("eu-isoe-west-1", false, true).is_err());
        for nowhere in ["", "eu west", "evil.example/", "EU-WEST-1"] {
            assert!(default(nowhere, false, false).is_err(), "{nowhere}");
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
        assert_eq!(url(&config).as_deref(), Ok("https://ec2.eu-west-1.amazonaws.com"));
        let shared = config.into_builder().endpoint_url("http://127.0.0.1:2").build();
        assert_eq!(url(&shared).as_deref(), Ok("http://127.0.0.1:2"));
        let own = shared.into_builder().service_config(Environment).build();
        assert_eq!(url(&own).as_deref(), Ok("http://127.0.0.1:1"));
        let mut code = own.into_builder();
        code.insert_origin("endpoint_url", aws_types::origin::Origin::shared_config());
        assert_eq!(url(&code.build()).as_deref(), Ok("http://127.0.0.1:2"));
        assert!(url(&SdkConfig::builder().build()).is_err());
    }
}
