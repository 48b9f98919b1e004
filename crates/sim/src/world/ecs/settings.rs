//! How ECS behaves where AWS leaves it open.

/// The defaults are what one sees on AWS on an ordinary day.
#[derive(Clone, Debug)]
pub struct EcsSettings {
    /// How often the scheduler looks at a service.
    pub tick_millis: u64,
    /// How long a task is PROVISIONING, when it gets a network interface of its own: shortest, longest.
    pub provision_millis: (u64, u64),
    /// How long a task is ACTIVATING.
    pub activation_millis: u64,
    /// How long after its start a task is registered with its target groups.
    pub registration_millis: u64,
    /// How long after the decision that a task stops it is deregistered: shortest, longest.
    pub deregistration_millis: (u64, u64),
    /// How long after the end of the deregistration delay its containers get SIGTERM.
    pub sigterm_millis: u64,
    /// How long applications take to end after SIGTERM, if their `stopTimeout` allows it: shortest, longest.
    pub exit_millis: (u64, u64),
    /// How long the network interface of a stopped task takes to go: shortest, longest.
    pub deprovision_millis: (u64, u64),
    /// How long stopped tasks are listed.
    pub stopped_millis: u64,
    /// How long the scheduler waits after tasks have not come to run: at first, and at most. It doubles.
    pub backoff_millis: (u64, u64),
    /// How long the scheduler waits after it could not place a task.
    pub placement_retry_millis: u64,
    /// How many tasks the account can run on Fargate at once.
    pub fargate_tasks: usize,
}

impl Default for EcsSettings {
    fn default() -> Self {
        Self {
            tick_millis: 10_000,
            provision_millis: (5_000, 15_000),
            activation_millis: 2_000,
            registration_millis: 2_000,
            deregistration_millis: (1_300, 10_000),
            sigterm_millis: 9_500,
            exit_millis: (300, 3_000),
            deprovision_millis: (3_000, 10_000),
            stopped_millis: 3_600_000,
            backoff_millis: (10_000, 15 * 60_000),
            placement_retry_millis: 30_000,
            fargate_tasks: 1_000,
        }
    }
}
