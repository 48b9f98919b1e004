//! How DNS behaves where AWS leaves it open.

/// How DNS behaves where AWS leaves it open. The defaults are what one sees on AWS on an ordinary day.
#[derive(Clone, Debug)]
pub struct DnsSettings {
    /// How long a change of records takes until every name server has it: shortest, longest. Some have it at once.
    pub spread_millis: (u64, u64),
    /// For how long after a change of a zone another one of it is refused.
    pub busy_millis: u64,
    /// How many requests per second Route 53 answers for an account.
    pub requests_per_second: usize,
    /// How long a registration or deregistration in Cloud Map takes until names are answered by it.
    pub registry_millis: u64,
    /// How long Cloud Map takes to believe what it is told of an instance's health.
    pub health_millis: u64,
    /// How many resolvers there are. Clients take turns among them.
    pub resolvers: usize,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            spread_millis: (20_000, 60_000),
            busy_millis: 400,
            requests_per_second: 5,
            registry_millis: 8_000,
            health_millis: 30_000,
            resolvers: 7,
        }
    }
}
