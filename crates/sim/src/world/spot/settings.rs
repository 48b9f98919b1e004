//! How Spot behaves where it leaves that open.

/// One thing in which Spot may be otherwise than [`SpotSettings`] have it by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// The instances of a group that is deleted drain first.
    DeletingDrains,
    /// A group of which `AUTO_SCALE` is suspended does not heed its capacity.
    SuspensionBlocks,
    /// A name finds groups that only contain it.
    NamesContain,
    /// A new group is not found by its id for a while.
    Unseen,
    /// Suspensions run out long before their time.
    SuspensionsEndEarly,
    /// Whoever suspends something again does not put its end off.
    FirstEndCounts,
    /// Whoever lists what is suspended is not told until when.
    EndsUntold,
    /// The market, the health and the reaction of groups take long.
    Slow,
    /// They take no time.
    Quick,
    /// Few calls of one route are answered in a minute.
    FewCalls,
    /// Tasks of schedules run late.
    LateTasks,
    /// The market has no instances: groups fall back to on-demand ones, as far as they may.
    EmptyMarket,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Quirk; 12] = [
        Quirk::DeletingDrains,
        Quirk::SuspensionBlocks,
        Quirk::NamesContain,
        Quirk::Unseen,
        Quirk::SuspensionsEndEarly,
        Quirk::FirstEndCounts,
        Quirk::EndsUntold,
        Quirk::Slow,
        Quirk::Quick,
        Quirk::FewCalls,
        Quirk::LateTasks,
        Quirk::EmptyMarket,
    ];

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Quirk::DeletingDrains => "deleting drains",
            Quirk::SuspensionBlocks => "suspension blocks",
            Quirk::NamesContain => "names contain",
            Quirk::Unseen => "not seen for a while",
            Quirk::SuspensionsEndEarly => "suspensions end early",
            Quirk::FirstEndCounts => "first end counts",
            Quirk::EndsUntold => "ends untold",
            Quirk::Slow => "slow market",
            Quirk::Quick => "quick market",
            Quirk::FewCalls => "few calls",
            Quirk::LateTasks => "late tasks",
            Quirk::EmptyMarket => "empty market",
        }
    }

    /// The settings with it.
    pub fn of(self, mut settings: SpotSettings) -> SpotSettings {
        match self {
            Quirk::DeletingDrains => settings.delete_drains = true,
            Quirk::SuspensionBlocks => settings.suspension_blocks_capacity = true,
            Quirk::NamesContain => settings.name_contains = true,
            Quirk::Unseen => settings.unseen_millis = 45_000,
            Quirk::SuspensionsEndEarly => settings.suspensions_last_millis = Some(5 * 60_000),
            Quirk::FirstEndCounts => settings.suspensions_keep_their_end = true,
            Quirk::EndsUntold => settings.ends_untold = true,
            Quirk::Slow => {
                settings.fulfil_millis = (60_000, 150_000);
                (settings.look_millis, settings.reaction_millis) = (45_000, 20_000);
                settings.retry_millis = 120_000;
            }
            Quirk::Quick => {
                settings.fulfil_millis = (1, 2);
                (settings.look_millis, settings.reaction_millis) = (1_000, 1);
                settings.retry_millis = 5_000;
            }
            Quirk::FewCalls => settings.calls_per_minute = Some(20),
            Quirk::LateTasks => settings.task_lateness_millis = 240_000,
            Quirk::EmptyMarket => settings.market_empty = true,
        }
        settings
    }
}

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
    /// Whether a group of which `AUTO_SCALE` is suspended does not heed its capacity; undocumented.
    pub suspension_blocks_capacity: bool,
    /// Whether a name finds groups that only contain it; undocumented.
    pub name_contains: bool,
    /// For how long after its creation a group is not found by its id.
    pub unseen_millis: u64,
    /// How long a suspension with a time limit lasts at most, whatever its limit.
    pub suspensions_last_millis: Option<u64>,
    /// Whether what is suspended already keeps the end that it has when somebody suspends it again; undocumented.
    pub suspensions_keep_their_end: bool,
    /// Whether whoever lists what is suspended learns the names alone; the documentation shows no more, and whoever suspends is told more.
    pub ends_untold: bool,
    /// How many calls of one route are answered in a minute; unpublished.
    pub calls_per_minute: Option<usize>,
    /// How late tasks of schedules run.
    pub task_lateness_millis: u64,
    /// Whether the market has no instances, so that only on-demand ones can be had.
    pub market_empty: bool,
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
            suspensions_last_millis: None,
            suspensions_keep_their_end: false,
            ends_untold: false,
            calls_per_minute: Some(240),
            task_lateness_millis: 20_000,
            market_empty: false,
        }
    }
}
