//! Requests on their way through the load balancers, each one served or lost.
//!
//! What it owns: the arrival of requests, the choice of target group and target, and the count of what became of
//! them. It must never influence anything but the metrics that somebody reads or has set an alarm on: without these, a world
//! with traffic and one without have the same history.
//!
//! How it is quick: between two events nothing about the routes changes, so that they are worked out once per change
//! and a request costs a handful of comparisons. Nothing here is random: target groups take turns by their weights,
//! targets take turns, clients take turns, and which requests a flawed application answers with errors follows from their number.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::balancers::{forwards, stickiness};
use super::dns::{Address, Ask, Door, Lookup, Missing};
use super::minutes::Busy;
use super::{Health, Server, Stop, Target, TargetKey, Tree, World};

/// Where requests come from.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficSource {
    /// The listener that they arrive at.
    pub listener_arn: String,
    /// The rule that they match; the listener's default action without one.
    pub rule_arn: Option<String>,
    /// How many arrive per second, evenly spaced.
    pub requests_per_second: f64,
    /// How long each takes to be answered.
    pub request_millis: u64,
    /// How many clients they come from, in turns. Clients keep the cookie that ties them to a target group.
    pub clients: u32,
}

/// Why a request was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    NoListener,
    NotForwarded,
    AllWeightsZero,
    NoTargets,
    Booting,
    Sick,
    Failed,
    Terminated,
    CutOff,
    DelayOver,
    Killed,
    TaskStopped,
    TaskCutOff,
    Nobody,
    NoName,
}

impl Cause {
    fn text(self) -> &'static str {
        match self {
            Self::NoListener => "there is no such listener or rule",
            Self::NotForwarded => "the rule does not forward",
            Self::AllWeightsZero => "all weights are 0",
            Self::NoTargets => "the target group has no target to send it to",
            Self::Booting => "the application had not started yet",
            Self::Sick => "the application answers with errors",
            Self::Failed => "the application had failed",
            Self::Terminated => "the instance had been terminated",
            Self::CutOff => "the instance was terminated with the request in flight",
            Self::DelayOver => "the deregistration delay was over with the request in flight",
            Self::Killed => "AWS had taken the instance away",
            Self::TaskStopped => "the task had been stopped",
            Self::TaskCutOff => "the task was stopped with the request in flight",
            Self::Nobody => "there is nothing at the target's address",
            Self::NoName => "the name leads nowhere",
        }
    }
}

/// Whose fault a lost request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Blame {
    /// Whoever routed it.
    Operator,
    /// AWS took an instance that the load balancer had every reason to trust.
    Aws,
    /// The application failed on an instance that the load balancer had every reason to trust.
    Application,
}

/// How many requests met which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficTotals {
    /// Answered properly.
    pub served: u64,
    /// Answered with an error, by an application that passes its health checks: it is what was deployed that is bad, not how.
    pub errors: u64,
    /// Sent, because of how groups, targets and weights had been set, to something that could not answer.
    pub lost: u64,
    /// Lost because AWS took an instance away: in flight then, or sent to it before the checks noticed.
    pub lost_by_aws: u64,
    /// Lost because a healthy application failed by itself: in flight then, or sent to it before the checks noticed.
    pub lost_by_application: u64,
}

/// Requests lost for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub cause: &'static str,
    /// The target group that they were sent to, when there was one.
    pub target_group: Option<String>,
    /// How many.
    pub count: u64,
    /// When the first one arrived.
    pub first_millis: u64,
    /// When the last one arrived.
    pub last_millis: u64,
    /// Whether AWS or the application is to blame, rather than whoever set up the routes.
    pub excused: bool,
}

/// What has become of all requests so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficReport {
    /// All requests.
    pub totals: TrafficTotals,
    /// Requests that have been sent to a target and not answered yet.
    pub in_flight: u64,
    /// The requests that were sent to each target group, by ARN.
    pub target_groups: BTreeMap<String, TrafficTotals>,
    /// The lost ones by cause and target group, those that count against nobody included.
    pub losses: Vec<Loss>,
}

/// All sources and what became of their requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic {
    /// The least that any route has been able to carry while requests arrived.
    least_capacity: Option<f64>,
    sources: Vec<Source>,
    /// The listeners at which requests are counted, by number.
    shores: Vec<String>,
    names: Vec<String>,
    /// The numbers of target groups by their ARNs.
    numbers: BTreeMap<String, usize>,
    ledger: Ledger,
    stale: Stale,
}

/// Which routes have to be worked out anew: of a thousand sources a change concerns one.
#[derive(Clone, Debug, Default)]
struct Stale {
    all: bool,
    /// Those of what arrives at these listeners, or matches these rules.
    on: BTreeSet<String>,
    /// Those that lead to the target groups of these numbers.
    to: BTreeSet<usize>,
}

impl Stale {
    fn is_none(&self) -> bool {
        !self.all && self.on.is_empty() && self.to.is_empty()
    }

    /// Whether the route of a source may be another one now. What asks for a name may be led anywhere.
    fn concerns(&self, source: &Source) -> bool {
        let on = |arn: &str| self.on.contains(arn);
        let to = |route: &Route| route.branches.iter().any(|branch| self.to.contains(&branch.group));
        let spec = &source.spec;
        self.all
            || source.asks.is_some()
            || on(&spec.listener_arn)
            || spec.rule_arn.as_deref().is_some_and(on)
            || source.route.as_ref().map_or(true, to)
    }
}

/// How often, first and last when.
#[derive(Clone, Debug)]
struct Tally {
    count: u64,
    first: u64,
    last: u64,
}

#[derive(Clone, Debug, Default)]
struct Ledger {
    totals: TrafficTotals,
    by_group: Vec<TrafficTotals>,
    /// The requests that each server answered.
    by_slot: Vec<u64>,
    /// The same of the minute that is not over yet, for whoever measures.
    minute: Busy,
    losses: BTreeMap<(Cause, Blame, Option<usize>), Tally>,
}

impl Ledger {
    fn answered(&mut self, flight: &Flight) {
        let add = |totals: &mut TrafficTotals| match flight.error {
            true => totals.errors += 1,
            false => totals.served += 1,
        };
        add(&mut self.totals);
        add(&mut self.by_group[flight.group]);
        self.minute.answered(flight.source, flight.group, flight.slot, (flight.takes, flight.luck, flight.error));
        let slot = flight.slot as usize;
        if self.by_slot.len() <= slot {
            self.by_slot.resize(slot + 1, 0);
        }
        self.by_slot[slot] += 1;
    }

    fn lost(&mut self, cause: Cause, blame: Blame, (source, group): (usize, Option<usize>), at: u64) {
        self.minute.lost(source, group, cause == Cause::Sick);
        let add = |totals: &mut TrafficTotals| match blame {
            Blame::Operator => totals.lost += 1,
            Blame::Aws => totals.lost_by_aws += 1,
            Blame::Application => totals.lost_by_application += 1,
        };
        add(&mut self.totals);
        if let Some(group) = group {
            add(&mut self.by_group[group]);
        }
        let tally = self.losses.entry((cause, blame, group)).or_insert(Tally { count: 0, first: at, last: at });
        *tally = Tally { count: tally.count + 1, first: tally.first.min(at), last: tally.last.max(at) };
    }
}

#[derive(Clone, Debug)]
struct Source {
    number: usize,
    /// The number of its listener.
    shore: usize,
    spec: TrafficSource,
    started_at: u64,
    stopped_at: Option<u64>,
    sent: u64,
    route: Result<Route, Cause>,
    /// Who asks for a name instead, and the numbers of what it leads to.
    asks: Option<(Ask, Lookup, BTreeMap<String, usize>)>,
    /// Where it arrives at each load balancer that the name leads to, and what happens there.
    doors: Vec<Arrival>,
    flight: VecDeque<Flight>,
    /// Per client, the target group that its cookie names and until when.
    cookies: Vec<Option<(usize, u64)>>,
}

/// One of several listeners at which the requests of a source may arrive.
#[derive(Clone, Debug)]
struct Arrival {
    door: Door,
    /// The number of the listener.
    shore: usize,
    route: Result<Route, Cause>,
}

/// A request that a target is working on.
#[derive(Clone, Debug)]
struct Flight {
    since: u64,
    until: u64,
    source: usize,
    group: usize,
    slot: u32,
    trusted: bool,
    /// How long it takes by its application alone, and how lucky it is among others of its kind.
    takes: u64,
    luck: u8,
    /// Whether it is answered with an error.
    error: bool,
}

#[derive(Clone, Debug, Default)]
struct Route {
    sticky: Option<u64>,
    branches: Vec<Branch>,
}

/// One target group of a route.
#[derive(Clone, Debug)]
struct Branch {
    group: usize,
    weight: u32,
    /// How much of its turn it has saved up.
    credit: i64,
    turn: usize,
    candidates: Vec<Candidate>,
}

/// One target that the load balancer would choose, and what it can really do.
#[derive(Clone, Debug)]
struct Candidate {
    /// None when there is nothing at its address.
    server: Option<Server>,
    /// Whether the load balancer holds it for healthy (or was told not to check), rather than choosing it for want of
    /// anything better.
    trusted: bool,
}

impl Candidate {
    /// Which server answers a request that arrives at `at` and usually takes `takes`, and how long it takes; or why it is lost.
    fn answerer(&self, at: u64, takes: u64) -> Result<(&Server, u64), Cause> {
        let server = self.server.as_ref().ok_or(Cause::Nobody)?;
        match server.stopped {
            Some((_, Stop::Killed)) => return Err(Cause::Killed),
            Some((_, Stop::Terminated)) => return Err(Cause::Terminated),
            Some((_, Stop::Stopped)) => return Err(Cause::TaskStopped),
            Some((_, Stop::Exited)) => return Err(Cause::Failed),
            None => {}
        }
        let takes = takes + takes * u64::from(server.flaws.slower_percent) / 100;
        if server.sick {
            Err(Cause::Sick)
        } else if at < server.ready_at {
            Err(Cause::Booting)
        } else if at + takes > server.fails_at {
            Err(Cause::Failed)
        } else {
            Ok((server, takes))
        }
    }
}

/// What decides of a request's luck: nothing but which one it is.
fn dice(source: u64, nth: u64) -> u64 {
    let mixed = (nth ^ (source << 48)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A request that is sent to somebody.
struct Sent {
    at: u64,
    source: usize,
    group: usize,
    dice: u64,
    takes: u64,
    background_per_mille: u32,
}

impl Sent {
    /// A load balancer passes it on to the target whose turn it is.
    fn through(
        self,
        route: &mut Result<Route, Cause>,
        client: usize,
        cookies: &mut Vec<Option<(usize, u64)>>,
        flights: &mut VecDeque<Flight>,
        ledger: &mut Ledger,
    ) {
        let (at, source) = (self.at, self.source);
        let route = match route {
            Ok(route) => route,
            Err(cause) => return ledger.lost(*cause, Blame::Operator, (source, None), at),
        };
        let Some(branch) = route.choose(client, at, cookies) else {
            return ledger.lost(Cause::AllWeightsZero, Blame::Operator, (source, None), at);
        };
        if branch.candidates.is_empty() {
            return ledger.lost(Cause::NoTargets, Blame::Operator, (source, Some(branch.group)), at);
        }
        branch.turn = (branch.turn + 1) % branch.candidates.len();
        Sent { group: branch.group, ..self }.to(&branch.candidates[branch.turn], flights, ledger);
    }

    /// It is answered, or lost.
    fn to(self, candidate: &Candidate, flights: &mut VecDeque<Flight>, ledger: &mut Ledger) {
        let Sent { at, source, group, dice, takes, background_per_mille } = self;
        let trusted = candidate.trusted;
        match candidate.answerer(at, takes) {
            Err(cause) => ledger.lost(cause, blame(cause, trusted), (source, Some(group)), at),
            Ok((server, takes)) => {
                let per_mille = server.flaws.errors_at(at).max(background_per_mille);
                let (since, until, luck) = (at, at + takes, (dice >> 32) as u8);
                let error = dice % 1000 < u64::from(per_mille);
                takes_off(
                    flights,
                    Flight { since, until, source, group, slot: server.slot, trusted, takes, luck, error },
                );
            }
        }
    }
}

/// In the order in which they are answered: a slow one stays behind.
fn takes_off(flights: &mut VecDeque<Flight>, flight: Flight) {
    let place = flights.iter().rposition(|it| it.until <= flight.until).map_or(0, |it| it + 1);
    flights.insert(place, flight);
}

fn blame(cause: Cause, trusted: bool) -> Blame {
    match cause {
        Cause::Killed if trusted => Blame::Aws,
        Cause::Failed if trusted => Blame::Application,
        _ => Blame::Operator,
    }
}

impl Source {
    fn time_of(&self, nth: u64) -> u64 {
        self.started_at + (nth as f64 * 1000.0 / self.spec.requests_per_second) as u64
    }

    /// Lets all requests arrive that are due before `until`.
    fn run(&mut self, until: u64, background_per_mille: u32, ledger: &mut Ledger) {
        let end = self.stopped_at.map_or(until, |stopped| stopped.min(until));
        let (clients, takes) = (u64::from(self.spec.clients.max(1)), self.spec.request_millis);
        loop {
            let at = self.time_of(self.sent);
            if at >= end {
                break;
            }
            self.land(at, ledger);
            let client = (self.sent % clients) as usize;
            let dice = dice(self.number as u64, self.sent);
            self.sent += 1;
            if self.asks.is_some() {
                self.ask(client, at, dice, background_per_mille, ledger);
                continue;
            }
            let sent = Sent { at, source: self.shore, group: 0, dice, takes, background_per_mille };
            sent.through(&mut self.route, client, &mut self.cookies, &mut self.flight, ledger);
        }
        self.land(until, ledger);
    }

    /// Sends a request to where the name leads, as far as whoever sends it knows.
    fn ask(&mut self, client: usize, at: u64, dice: u64, background_per_mille: u32, ledger: &mut Ledger) {
        let (source, takes) = (self.shore, self.spec.request_millis);
        let Some((ask, lookup, groups)) = &mut self.asks else { return };
        let address = match lookup.address(client, at, ask.client_cache_millis) {
            Ok(address) => address,
            // It is there by now, and leads to nobody.
            Err(missing) if ask.needed || missing == Missing::Behind => {
                return ledger.lost(Cause::NoName, Blame::Operator, (source, None), at);
            }
            Err(_) => return,
        };
        let sent = Sent { at, source, group: 0, dice, takes, background_per_mille };
        match address {
            Address::Task { service, task } => {
                let Some(group) = groups.get(&service).copied() else { return };
                // Whoever was told of it had every reason to trust it.
                let candidate = Candidate { server: lookup.server(&service, &task).cloned(), trusted: true };
                Sent { group, ..sent }.to(&candidate, &mut self.flight, ledger);
            }
            Address::Balancer(balancer) => match self.doors.iter_mut().find(|it| it.door.balancer == balancer) {
                Some(Arrival { shore, route, .. }) => {
                    Sent { source: *shore, ..sent }.through(route, client, &mut self.cookies, &mut self.flight, ledger)
                }
                None => ledger.lost(Cause::NoListener, Blame::Operator, (source, None), at),
            },
        }
    }

    /// Counts the requests that have been answered by `now`.
    fn land(&mut self, now: u64, ledger: &mut Ledger) {
        while self.flight.front().is_some_and(|flight| flight.until <= now) {
            if let Some(flight) = self.flight.pop_front() {
                ledger.answered(&flight);
            }
        }
    }
}

impl Route {
    /// How many instances' worth of requests it can carry.
    fn carries(&self, now: u64) -> f64 {
        let total: u32 = self.branches.iter().map(|branch| branch.weight).sum();
        let fit = |it: &&Candidate| it.trusted && it.server.as_ref().is_some_and(|server| server.answers(now));
        let shares = self.branches.iter().filter(|branch| branch.weight > 0).map(|branch| {
            let fit = branch.candidates.iter().filter(fit).count();
            fit as f64 * f64::from(total) / f64::from(branch.weight)
        });
        shares.reduce(f64::min).unwrap_or(0.0)
    }

    /// The target group for a client's request: the one its cookie names, weights or not, else the one whose turn
    /// it is.
    ///
    /// A cookie lasts as long as group stickiness says from the first request on, and is void when its target group
    /// has left the rule.
    fn choose(&mut self, client: usize, at: u64, cookies: &mut Vec<Option<(usize, u64)>>) -> Option<&mut Branch> {
        let Some(duration) = self.sticky else {
            let index = self.turn()?;
            return self.branches.get_mut(index);
        };
        if cookies.len() <= client {
            cookies.resize(client + 1, None);
        }
        let held = cookies[client]
            .filter(|(_, until)| at < *until)
            .and_then(|(group, _)| self.branches.iter().position(|branch| branch.group == group));
        let index = match held {
            Some(index) => index,
            None => {
                let index = self.turn()?;
                cookies[client] = Some((self.branches[index].group, at + duration * 1000));
                index
            }
        };
        self.branches.get_mut(index)
    }

    /// Smooth weighted round robin: over any hundred requests each target group gets its share to within one.
    fn turn(&mut self) -> Option<usize> {
        let total: i64 = self.branches.iter().map(|branch| i64::from(branch.weight)).sum();
        if total == 0 {
            return None;
        }
        let mut best: Option<usize> = None;
        for index in 0..self.branches.len() {
            let branch = &mut self.branches[index];
            branch.credit += i64::from(branch.weight);
            if branch.weight > 0 && best.is_none_or(|best| self.branches[best].credit < self.branches[index].credit) {
                best = Some(index);
            }
        }
        if let Some(index) = best {
            self.branches[index].credit -= total;
        }
        best
    }
}

impl Traffic {
    /// To be called when any route may have changed.
    pub(super) fn reroute(&mut self) {
        self.stale.all = true;
    }

    /// To be called when what a listener or rule does has changed.
    pub(super) fn reroute_on(&mut self, listener_or_rule: &str) {
        self.stale.on.insert(listener_or_rule.to_owned());
    }

    /// To be called when the targets of a target group have changed. Where no route has led so far, none has to be worked out.
    pub(super) fn reroute_to(&mut self, target_group: &str) {
        self.stale.to.extend(self.numbers.get(target_group));
    }

    /// What a server was working on is lost.
    pub(super) fn cut(&mut self, slot: u32, cause: Cause, now: u64) {
        for source in &mut self.sources {
            source.land(now, &mut self.ledger);
            for flight in source.flight.iter().filter(|flight| flight.slot == slot) {
                // A request that was in flight had met an instance that worked, whatever the checks thought of it.
                let trusted = flight.trusted || cause == Cause::Killed;
                self.ledger.lost(cause, blame(cause, trusted), (flight.source, Some(flight.group)), flight.since);
            }
            source.flight.retain(|flight| flight.slot != slot);
        }
    }

    /// What a server was working on for one target group is lost.
    pub(super) fn cut_in(&mut self, arn: &str, slot: u32, now: u64) {
        let Some(group) = self.numbers.get(arn).copied() else { return };
        for source in &mut self.sources {
            source.land(now, &mut self.ledger);
            for flight in source.flight.iter().filter(|flight| flight.slot == slot && flight.group == group) {
                self.ledger.lost(Cause::DelayOver, Blame::Operator, (flight.source, Some(group)), flight.since);
            }
            source.flight.retain(|flight| flight.slot != slot || flight.group != group);
        }
    }

    /// The requests so far: what each server answered, by slot, and what was sent to each target group, by ARN.
    pub(super) fn counts(&self) -> (Vec<u64>, BTreeMap<String, u64>) {
        let sent = |it: &TrafficTotals| it.served + it.errors + it.lost + it.lost_by_aws + it.lost_by_application;
        let sent = self.names.iter().cloned().zip(self.ledger.by_group.iter().map(sent)).collect();
        (self.ledger.by_slot.clone(), sent)
    }

    /// Whether there is anybody whose requests could be measured.
    pub(super) fn is_silent(&self) -> bool {
        self.sources.is_empty()
    }

    /// What the minute that is not over has seen so far.
    pub(super) fn busy(&self) -> &Busy {
        &self.ledger.minute
    }

    /// The same, and the next one begins.
    pub(super) fn end_minute(&mut self) -> Busy {
        std::mem::take(&mut self.ledger.minute)
    }

    /// The target groups by the numbers that they have there.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The listener of a number.
    pub(super) fn listener(&self, shore: usize) -> &str {
        self.shores.get(shore).map_or("", String::as_str)
    }

    /// Numbers a listener.
    fn shore(&mut self, listener: &str) -> usize {
        self.shores.push(listener.to_owned());
        self.shores.len() - 1
    }

    fn index(&mut self, arn: &str) -> usize {
        if let Some(number) = self.numbers.get(arn) {
            return *number;
        }
        self.numbers.insert(arn.to_owned(), self.names.len());
        self.names.push(arn.to_owned());
        self.ledger.by_group.push(TrafficTotals::default());
        self.names.len() - 1
    }
}

impl World {
    /// From now on requests arrive. Answers the source's number.
    pub fn add_traffic(&mut self, source: TrafficSource) -> usize {
        let shore = self.traffic.shore(&source.listener_arn);
        self.traffic.sources.push(Source {
            number: self.traffic.sources.len(),
            shore,
            spec: source,
            started_at: self.now,
            stopped_at: None,
            sent: 0,
            route: Err(Cause::NoListener),
            asks: None,
            doors: Vec::new(),
            flight: VecDeque::new(),
            cookies: Vec::new(),
        });
        self.traffic.reroute();
        self.traffic.sources.len() - 1
    }

    /// From now on requests arrive by a name: `on` is `dns:ZONE/NAME`. Clients keep an address for `client_cache_millis` longer than DNS
    /// allows, and the name is `needed` unless nobody uses it before it is there. Where it leads to a load balancer, they come through one
    /// of the `doors`. Answers the source's number.
    pub fn add_name_traffic(
        &mut self,
        on: &str,
        source: TrafficSource,
        client_cache_millis: u64,
        needed: bool,
        doors: Vec<Door>,
    ) -> usize {
        let number = self.add_traffic(source);
        let (zone, name) = on.trim_start_matches("dns:").split_once('/').unwrap_or((on, ""));
        let ask = Ask { zone: zone.to_owned(), name: name.to_owned(), client_cache_millis, needed };
        let arrival = |door: Door| {
            let (shore, route) = (self.traffic.shore(&door.listener), Err(Cause::NoListener));
            Arrival { door, shore, route }
        };
        let doors = doors.into_iter().map(arrival).collect();
        let source = &mut self.traffic.sources[number];
        (source.asks, source.doors) = (Some((ask, Lookup::default(), BTreeMap::new())), doors);
        number
    }

    /// From now on a source sends no more. What is in flight is still answered.
    pub fn stop_traffic(&mut self, source: usize) {
        let now = self.now;
        if let Some(source) = self.traffic.sources.get_mut(source) {
            source.stopped_at.get_or_insert(now);
        }
    }

    /// What has become of all requests so far.
    pub fn traffic(&self) -> TrafficReport {
        let Traffic { sources, names, ledger, .. } = &self.traffic;
        TrafficReport {
            totals: ledger.totals,
            in_flight: sources.iter().map(|source| source.flight.len() as u64).sum(),
            target_groups: names.iter().cloned().zip(ledger.by_group.iter().copied()).collect(),
            losses: ledger
                .losses
                .iter()
                .map(|((cause, blame, group), tally)| Loss {
                    cause: cause.text(),
                    target_group: group.map(|group| names[group].clone()),
                    count: tally.count,
                    first_millis: tally.first,
                    last_millis: tally.last,
                    excused: *blame != Blame::Operator,
                })
                .collect(),
        }
    }

    /// The least healthy capacity that requests have met so far, in instances: as many as would have to be behind a single target
    /// group to carry as much. With weights, each target group has to carry its share alone: 4 healthy instances at 50 % carry as much
    /// as 8. Nothing before the first request.
    pub fn least_capacity(&self) -> Option<f64> {
        self.traffic.least_capacity
    }

    /// Lets all requests arrive that are due before `until`.
    pub(super) fn route_traffic(&mut self, until: u64) {
        if self.traffic.sources.is_empty() {
            return;
        }
        if !self.traffic.stale.is_none() {
            self.work_out_routes();
            let now = self.now;
            let carried = self.traffic.sources.iter().filter(|source| source.stopped_at.is_none_or(|at| at > now));
            let carried = carried.filter_map(|source| match &source.asks {
                Some((ask, lookup, _)) => {
                    let behind = |balancer: &str| {
                        let arrival = source.doors.iter().find(|it| it.door.balancer == balancer);
                        arrival.map_or(0.0, |arrival| carries(&arrival.route, now))
                    };
                    lookup.carries(now, behind).or(ask.needed.then_some(0.0))
                }
                None => Some(carries(&source.route, now)),
            });
            let least = carried.chain(self.traffic.least_capacity).reduce(f64::min);
            self.traffic.least_capacity = least;
        }
        let background = self.settings.background_errors_per_mille;
        let Traffic { sources, ledger, .. } = &mut self.traffic;
        for source in sources {
            source.run(until, background, ledger);
        }
    }

    fn work_out_routes(&mut self) {
        let stale = std::mem::take(&mut self.traffic.stale);
        for number in 0..self.traffic.sources.len() {
            if !stale.concerns(&self.traffic.sources[number]) {
                continue;
            }
            if let Some((ask, mut lookup, mut groups)) = self.traffic.sources[number].asks.take() {
                lookup.learn(self.known(&ask));
                for arn in lookup.services() {
                    let group = self.traffic.index(&arn);
                    groups.insert(arn, group);
                }
                let mut doors = std::mem::take(&mut self.traffic.sources[number].doors);
                for Arrival { door, route, .. } in &mut doors {
                    let renewed = self.arrival(&door.listener, door.rule.as_deref());
                    goes_on(route, renewed);
                }
                let source = &mut self.traffic.sources[number];
                (source.asks, source.doors) = (Some((ask, lookup, groups)), doors);
                continue;
            }
            let spec = &self.traffic.sources[number].spec;
            let renewed = self.arrival(&spec.listener_arn.clone(), spec.rule_arn.clone().as_deref());
            goes_on(&mut self.traffic.sources[number].route, renewed);
        }
    }

    /// What becomes of requests that arrive at a listener, and match a rule.
    fn arrival(&mut self, listener: &str, rule: Option<&str>) -> Result<Route, Cause> {
        match self.actions_for(listener, rule) {
            None => Err(Cause::NoListener),
            Some(actions) => self.route(&actions),
        }
    }

    fn actions_for(&self, listener: &str, rule: Option<&str>) -> Option<Tree> {
        let listener = self.listeners.get(listener)?;
        match rule {
            None => Some(listener.routes(self.now).clone()),
            Some(rule) if rule == listener.default_rule => Some(listener.routes(self.now).clone()),
            // Requests that matched a rule which is gone fall through to the default action.
            Some(rule) => {
                Some(self.rules.get(rule).map_or_else(|| listener.routes(self.now), |it| it.routes(self.now)).clone())
            }
        }
    }

    fn route(&mut self, actions: &Tree) -> Result<Route, Cause> {
        let forwards = forwards(actions);
        if forwards.is_empty() {
            return Err(Cause::NotForwarded);
        }
        let branches = forwards
            .into_iter()
            .map(|(arn, weight)| {
                let group = self.traffic.index(&arn);
                Branch { group, weight, credit: 0, turn: 0, candidates: self.candidates(&arn) }
            })
            .collect();
        Ok(Route { sticky: stickiness(actions), branches })
    }

    /// The targets that the load balancer would choose from: the healthy ones, or all of them when none is (fail
    /// open). Draining ones never.
    fn candidates(&self, arn: &str) -> Vec<Candidate> {
        let Some(group) = self.target_groups.get(arn) else { return Vec::new() };
        let reached =
            |key: &TargetKey, target: &Target| target.health != Health::Unused || self.serves_zone_of(arn, key);
        let registered = group.targets.iter().filter(|(_, target)| target.health != Health::Draining);
        let registered: Vec<_> = registered.filter(|(key, target)| reached(key, target)).collect();
        let fit = |health: Health| matches!(health, Health::Healthy | Health::Unavailable);
        let any_fit = registered.iter().any(|(_, target)| fit(target.health));
        registered
            .into_iter()
            .filter(|(_, target)| !any_fit || fit(target.health))
            .map(|(key, target)| Candidate { server: self.server(key).cloned(), trusted: fit(target.health) })
            .collect()
    }
}

/// How many instances' worth of requests can be carried.
fn carries(route: &Result<Route, Cause>, now: u64) -> f64 {
    route.as_ref().map_or(0.0, |route| route.carries(now))
}

/// Whose turn it is survives a change of targets; a change of weights starts anew.
fn goes_on(route: &mut Result<Route, Cause>, renewed: Result<Route, Cause>) {
    let before = std::mem::replace(route, renewed);
    if let (Ok(route), Ok(before)) = (route, before) {
        let shares = |route: &Route| route.branches.iter().map(|it| (it.group, it.weight)).collect::<Vec<_>>();
        if shares(route) == shares(&before) {
            for (branch, before) in route.branches.iter_mut().zip(before.branches) {
                (branch.credit, branch.turn) = (before.credit, before.turn);
            }
        }
    }
}
