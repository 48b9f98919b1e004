//! How Spot behaves where it leaves that open.

/// What Spot does not document, or what differs from day to day.
#[derive(Clone, Debug)]
pub struct SpotSettings {
    /// How long a group takes to begin to act on another capacity.
    pub reaction_millis: u64,
    /// How long the market takes to answer a request: shortest, longest.
    pub fulfil_millis: (u64, u64),
    /// How long after a request that was not fulfilled the next attempt comes.
    pub retry_millis: u64,
    /// How often Spot looks at the health of instances.
    pub look_millis: u64,
    /// Whether the instances of a group that is deleted drain first; undocumented.
    pub delete_drains: bool,
    /// Whether `AUTO_SCALE` being suspended keeps a capacity that is asked for from being acted on; undocumented.
    pub suspension_blocks_capacity: bool,
    /// Whether a name finds groups that only contain it; undocumented.
    pub name_contains: bool,
    /// For how long after its creation a group is not found by its id.
    pub unseen_millis: u64,
    /// How long before its end a suspension with a time limit runs out already.
    pub suspensions_end_early_millis: u64,
    /// How many calls of one route are answered in a minute; unpublished.
    pub calls_per_minute: Option<usize>,
    /// How late tasks of schedules run.
    pub task_lateness_millis: u64,
}

impl Default for SpotSettings {
    fn default() -> Self {
        Self {
            reaction_millis: 2_000,
            fulfil_millis: (15_000, 45_000),
            retry_millis: 30_000,
            look_millis: 10_000,
            delete_drains: false,
            suspension_blocks_capacity: false,
            name_contains: false,
            unseen_millis: 0,
            suspensions_end_early_millis: 0,
            calls_per_minute: Some(240),
            task_lateness_millis: 20_000,
        }
    }
}
