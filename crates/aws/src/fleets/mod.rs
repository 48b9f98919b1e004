//! Fleets of every kind, behind the same verbs.
//!
//! What it owns: the contract that every kind keeps ([`Kind`]), and who carries a verb out for a platform ([`Fleets`]). Each kind is
//! a folder of its own.
//!
//! What it must never do: hide a kind behind a trait object. A `match` in every verb links that verb alone into a function; a table
//! of all verbs would link all of them.

pub mod asg;
mod ecs;
mod elastigroup;
mod inherit;
mod scaling;
mod user_data;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aws_types::SdkConfig;
use crossfade_core::capacity::Size;
use crossfade_core::kinds::{Blueprint, Compute, Instances, Platform};
use crossfade_core::lane::{Counterpart, Lane};
use crossfade_core::observed::{Baggage, Fleet, HookTimes, Incident, Wake};
use crossfade_core::plan::Marked;
use crossfade_core::{Failure, Result, text};
use serde::Serialize;

use crate::ec2::Ec2;
use crate::refusal::called;
pub use inherit::{Heirs, Inherited, Known};

/// How far a deletion has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Gone,
    /// AWS is at it.
    UnderWay,
    /// Members or activities are still in the way.
    NotYet,
}

/// What new fleets are made from, as it was found.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// What its members are made from, pinned; nothing when something stands in the way.
    pub blueprint: Option<Blueprint>,
    /// What stands in the way, each with what to do.
    pub problems: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// A new fleet to be made.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Its name.
    pub name: &'a str,
    /// The base that it is a copy of.
    pub base: &'a str,
    /// What the base's members are made from.
    pub blueprint: &'a Blueprint,
    /// The image that its own members get.
    pub artifact: &'a str,
    /// The pools that it registers in.
    pub pools: &'a [String],
    /// The infrastructure definition, for its tag.
    pub infrastructure: &'a str,
    /// The revision, for its tag.
    pub revision: u32,
    /// The deployment, for its tag.
    pub deployment: &'a str,
    /// What else its members get, where they are instances.
    pub instances: Instances<'a>,
}

/// What lets a fleet scale by itself, to be given to it.
#[derive(Clone, Copy, Debug)]
pub struct Carrying<'a> {
    /// What the document says of it.
    pub compute: &'a Compute,
    /// The fleet that has it, unless the document says all of it.
    pub from: &'a str,
    /// The fleet that gets it.
    pub fleet: &'a str,
    /// The size that it is to have.
    pub size: Size,
    /// Which pools take the place of which.
    pub counterparts: &'a [Counterpart],
    /// The time, in milliseconds since 1970.
    pub now_millis: u64,
}

/// What members of a fleet run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    /// An image, as a document names it.
    pub image: String,
    /// What else it is called.
    pub called: Option<String>,
    /// How many members run it; none where the fleet has none, and what they would be made from is meant.
    pub members: usize,
    /// The container that runs it, where members have several and nothing says which one is deployed.
    pub container: Option<String>,
}

/// What a member has printed. It may hold secrets: it goes to whoever asked, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Console {
    /// What there is to know of the member, each in a sentence.
    pub notes: Vec<String>,
    /// What was printed: on an instance's console, or by each container of a task.
    pub parts: Vec<Printed>,
}

/// What was printed in one place.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Printed {
    /// Where.
    pub of: String,
    /// The last of it; nothing where there is none, and then a note says why.
    pub text: Option<String>,
    /// When AWS took it, in milliseconds since 1970.
    pub at_millis: Option<u64>,
    /// What there is to know of it, each in a sentence.
    pub notes: Vec<String>,
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.text.as_ref().map(String::len);
        f.debug_struct("Printed").field("of", &self.of).field("bytes", &bytes).field("notes", &self.notes).finish()
    }
}

/// The most of what a member has printed that is passed on, in bytes: what EC2 keeps of a console (EC2 API reference).
pub(crate) const PRINTED: usize = 64 * 1024;

/// The console of an instance, whoever has started it.
pub(crate) async fn console_of(ec2: &Ec2, instance: &str) -> Result<Console> {
    let found = ec2.console(instance).await;
    let found = found.map_err(|error| called("ec2:GetConsoleOutput", instance, &error))?;
    let mut notes = Vec::new();
    if found.text.is_none() {
        notes.push("EC2 has none yet. The first comes some minutes after the start.".to_owned());
    } else if !found.latest {
        let older = "EC2 cannot read the latest of this type of instance: this is of the time around its last start, stop or reboot.";
        notes.push(older.to_owned());
    }
    let text = found.text.map(|text| text::end(&text::printed(&text), PRINTED).to_owned());
    let printed = Printed { of: "console".into(), text, at_millis: found.at_millis, notes };
    Ok(Console { notes: Vec::new(), parts: vec![printed] })
}

/// What was made for a deployment beside its fleet.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// What the base's members are made from: next to that it was made.
    pub blueprint: &'a Blueprint,
    /// The fleet.
    pub fleet: &'a str,
    /// The image.
    pub artifact: &'a str,
    /// The deployment.
    pub deployment: &'a str,
}

/// What every kind of fleet can do. Each verb may be called twice, or after a reply was lost, with the same end.
pub(crate) trait Kind {
    /// The fleets of these names, without those that do not exist.
    async fn named(&self, names: &[&str]) -> Result<Vec<Fleet>>;
    /// Every fleet that bears the tag of this infrastructure definition (O3), in no particular order.
    async fn of(&self, infrastructure: &str) -> Result<Vec<Fleet>>;
    /// Every fleet that bears the tag of some infrastructure definition, in no particular order. Its members may be left out.
    async fn of_any(&self) -> Result<Vec<Fleet>>;
    /// What happened to a fleet since `since_millis`, newest first.
    async fn incidents(&self, name: &str, since_millis: u64) -> Result<Vec<Incident>>;
    /// What wakes a fleet that has no members.
    async fn wakes(&self, fleet: &Fleet) -> Result<Option<Wake>>;
    /// What is under way with a fleet and would be in a deployment's way, in a sentence or two.
    async fn busy(&self, fleet: &Fleet) -> Result<Option<String>>;
    /// The longest that something may hold the members of a fleet when they come or go.
    async fn hook_times(&self, name: &str) -> Result<HookTimes>;
    /// Looks at a base, and whether this image can be run as its members are; without one, at the base alone.
    async fn template(&self, compute: &Compute, lanes: &[Lane], artifact: Option<&str>) -> Result<Template>;
    /// Whether members can be made from this image, as far as that can be known.
    ///
    /// # Errors
    /// `PreflightFailed` when they cannot.
    async fn available(&self, artifact: &str) -> Result<()>;
    /// What a base carries, and what of it a fleet of this name will not get, as far as that can be known before, each in a sentence.
    async fn baggage(&self, base: &str, fleet: &str) -> Result<(Baggage, Vec<String>)>;
    /// What a new fleet takes from its base, beside what the fleet that serves has. For people who look at a plan.
    async fn inherited(&self, heirs: &Heirs<'_>) -> Result<Inherited>;
    /// Makes a fleet of size 0 as a faithful copy of its base. Existing already, because a reply was lost (P1, P3), it is adopted when
    /// its tag says that this deployment made it. Answers a line for each thing that was made.
    async fn create(&self, order: &Order<'_>) -> Result<Vec<String>>;
    /// Sets a fleet's size, so that none of its parts moves another one (P17, P18).
    async fn resize(&self, name: &str, size: Size) -> Result<()>;
    /// Puts what resizes a fleet at set times to rest, or lets it go on.
    async fn rest(&self, name: &str, rest: bool) -> Result<()>;
    /// Lets what rests of a fleet for a deployment rest for so many seconds from now on, where that has a limit. What rested before the
    /// deployment is none of its business.
    async fn rest_on(&self, before: &Fleet, seconds: u64) -> Result<()>;
    /// Lets members go that are protected from that (P28).
    async fn let_go(&self, name: &str, members: &[String]) -> Result<()>;
    /// Empties what a fleet keeps in reserve.
    async fn empty_reserve(&self, name: &str) -> Result<()>;
    /// Gives a fleet back what a deployment took, other than its size. Answers a line for each thing worth telling.
    async fn give_back(&self, fleet: &Fleet, before: &Fleet) -> Result<Vec<String>>;
    /// Lets a revision that takes over again do what was put to rest when it retired. Answers a line for each thing that it got.
    async fn wake(&self, fleet: &Fleet, base: &str) -> Result<Vec<String>>;
    /// Registers a fleet's members in these pools, as the blueprint says. Those that are attached already stay so.
    async fn attach(&self, name: &str, pools: &[String], blueprint: &Blueprint) -> Result<()>;
    /// Takes them out of these pools. Those that are not attached are gone already.
    async fn detach(&self, name: &str, pools: &[String]) -> Result<()>;
    /// Gives a fleet that serves what lets it scale by itself. What it has by the same name stays, except that it follows the fleet
    /// to another pool. Answers a line for each thing that was carried or left out, and why.
    async fn carry(&self, carrying: &Carrying<'_>) -> Result<Vec<String>>;
    /// Lets what a fleet has of its own follow it to other pools. Answers a line for each thing that changed.
    async fn follow(&self, fleet: &str, counterparts: &[Counterpart]) -> Result<Vec<String>>;
    /// Lets fleets' tags tell which of them serves, as far as this kind has such a tag. Answers a line for each.
    async fn mark(&self, fleets: &[Marked]) -> Result<Vec<String>>;
    /// Deletes a fleet that has no members, and what crossfade made for it to scale by; with force, with its members.
    async fn delete(&self, fleet: &Fleet, force: bool) -> Result<Deletion>;
    /// The image that a fleet's members are made from, where one image can be named.
    async fn image(&self, fleet: &Fleet) -> Result<Option<String>>;
    /// What a fleet's members run today, the most of them first: each image once. Without members, what they would be made from.
    async fn runs(&self, fleet: &Fleet) -> Result<Vec<Runs>>;
    /// What a member has printed, as far as AWS keeps it.
    async fn console(&self, member: &str) -> Result<Console>;
    /// Deletes what was made beside a fleet for a deployment, however far it came, unless somebody else uses it by now.
    async fn forget(&self, made: &Made<'_>) -> Result<()>;
    /// The same of fleets that are gone and were made by earlier deployments. Answers what it could not, by the name of the fleet.
    async fn forget_own(&self, fleets: &[&Fleet]) -> Result<BTreeMap<String, Failure>>;
}

/// The fleets of every platform of the account.
#[derive(Clone, Debug)]
pub struct Platforms {
    asg: Arc<asg::Groups>,
    ecs: Arc<ecs::Client>,
    spot: Arc<elastigroup::Client>,
}

impl Platforms {
    /// Those that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            asg: Arc::new(asg::Groups::new(config)),
            ecs: Arc::new(ecs::Client::new(config)),
            spot: Arc::new(elastigroup::Client::new(config)),
        }
    }

    /// The fleets of one platform.
    pub fn on(&self, platform: &Platform) -> Fleets {
        match platform {
            Platform::AutoScalingGroups => Fleets::AutoScalingGroups(self.asg.clone()),
            Platform::EcsServices { cluster } => {
                Fleets::EcsServices(ecs::Services::new(self.ecs.clone(), cluster.clone()))
            }
            Platform::Elastigroups { account } => {
                Fleets::Elastigroups(elastigroup::Groups::new(self.spot.clone(), account.clone()))
            }
        }
    }
}

/// The fleets of one platform.
#[derive(Clone, Debug)]
pub enum Fleets {
    /// Auto Scaling groups.
    AutoScalingGroups(Arc<asg::Groups>),
    /// The services of an ECS cluster.
    EcsServices(ecs::Services),
    /// The Elastigroups of a Spot account.
    Elastigroups(elastigroup::Groups),
}

/// Each verb, by whoever carries it out. What it does stands at [`Kind`].
macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident($($name:ident: $type:ty),*) -> $answer:ty;)+) => {
        impl Fleets {
            $($(#[$doc])*
            pub async fn $verb(&self, $($name: $type),*) -> Result<$answer> {
                match self {
                    Self::AutoScalingGroups(kind) => Kind::$verb(kind.as_ref(), $($name),*).await,
                    Self::EcsServices(kind) => Kind::$verb(kind, $($name),*).await,
                    Self::Elastigroups(kind) => Kind::$verb(kind, $($name),*).await,
                }
            })+
        }
    };
}

verbs! {
    /// The fleets of these names, without those that do not exist.
    named(names: &[&str]) -> Vec<Fleet>;
    /// Every fleet that bears the tag of this infrastructure definition.
    of(infrastructure: &str) -> Vec<Fleet>;
    /// Every fleet that bears the tag of some infrastructure definition. Its members may be left out.
    of_any() -> Vec<Fleet>;
    /// What happened to a fleet since then, newest first.
    incidents(name: &str, since_millis: u64) -> Vec<Incident>;
    /// What wakes a fleet that has no members.
    wakes(fleet: &Fleet) -> Option<Wake>;
    /// What is under way with a fleet and would be in a deployment's way.
    busy(fleet: &Fleet) -> Option<String>;
    /// The longest that something may hold the members of a fleet.
    hook_times(name: &str) -> HookTimes;
    /// Looks at a base, and whether this image can be run as its members are.
    template(compute: &Compute, lanes: &[Lane], artifact: Option<&str>) -> Template;
    /// Whether members can be made from this image.
    available(artifact: &str) -> ();
    /// What a base carries, and what of it a fleet will not get.
    baggage(base: &str, fleet: &str) -> (Baggage, Vec<String>);
    /// What a new fleet takes from its base, beside what the fleet that serves has.
    inherited(heirs: &Heirs<'_>) -> Inherited;
    /// Makes a fleet of size 0.
    create(order: &Order<'_>) -> Vec<String>;
    /// Sets a fleet's size.
    resize(name: &str, size: Size) -> ();
    /// Puts what resizes a fleet at set times to rest, or lets it go on.
    rest(name: &str, rest: bool) -> ();
    /// Lets what rests of a fleet rest for so many seconds from now on.
    rest_on(before: &Fleet, seconds: u64) -> ();
    /// Lets members go that are protected from that.
    let_go(name: &str, members: &[String]) -> ();
    /// Empties what a fleet keeps in reserve.
    empty_reserve(name: &str) -> ();
    /// Gives a fleet back what a deployment took.
    give_back(fleet: &Fleet, before: &Fleet) -> Vec<String>;
    /// Lets a revision that takes over again do what was put to rest.
    wake(fleet: &Fleet, base: &str) -> Vec<String>;
    /// Registers a fleet's members in these pools.
    attach(name: &str, pools: &[String], blueprint: &Blueprint) -> ();
    /// Takes them out of these pools.
    detach(name: &str, pools: &[String]) -> ();
    /// Gives a fleet that serves what lets it scale by itself.
    carry(carrying: &Carrying<'_>) -> Vec<String>;
    /// Lets what a fleet has of its own follow it to other pools.
    follow(fleet: &str, counterparts: &[Counterpart]) -> Vec<String>;
    /// Lets fleets' tags tell which of them serves.
    mark(fleets: &[Marked]) -> Vec<String>;
    /// Deletes a fleet.
    delete(fleet: &Fleet, force: bool) -> Deletion;
    /// The image that a fleet's members are made from.
    image(fleet: &Fleet) -> Option<String>;
    /// What a fleet's members run today.
    runs(fleet: &Fleet) -> Vec<Runs>;
    /// What a member has printed.
    console(member: &str) -> Console;
    /// Deletes what was made beside a fleet for a deployment.
    forget(made: &Made<'_>) -> ();
    /// The same of fleets that are gone. Answers what it could not.
    forget_own(fleets: &[&Fleet]) -> BTreeMap<String, Failure>;
}

impl Fleets {
    /// The fleet of this name, if it exists.
    pub async fn get(&self, name: &str) -> Result<Option<Fleet>> {
        Ok(self.named(&[name]).await?.into_iter().next())
    }
}
