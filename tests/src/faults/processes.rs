//! The processes that play the matrix, one for each processor: what plays in branches needs a process with one thread.
//!
//! It owns how they get their work and how they tell of it. It must never know what the work is.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::thread;

use fork::{Fork, fork, waitpid};

use super::branch::{Tell, over};
use super::judge::Verdict;

/// Does so many jobs. Each tells of its runs by their numbers, and `heard` is told of them here.
///
/// # Panics
/// When a process can't be made, or ends before its work. No other thread may run.
pub(super) fn in_processes(jobs: usize, job: impl Fn(usize, Tell<'_>), heard: impl Fn(usize, Option<Verdict>) + Sync) {
    let (todo, mut list) = pipe().expect("the system has a pipe");
    let mut processes = Vec::new();
    for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
        let (told, tell) = pipe().expect("the system has a pipe");
        match fork().expect("the system has a process") {
            Fork::Child => {
                drop(list);
                work(todo, tell, job);
                over();
            }
            Fork::Parent(process) => processes.push((process, told)),
        }
    }
    drop(todo);
    thread::scope(|scope| {
        for (_, told) in &processes {
            scope.spawn(|| listen(told, &heard));
        }
        for nth in 0..jobs as u32 {
            // Where nobody is left who reads it, that is said below.
            let _ = list.write_all(&nth.to_le_bytes());
        }
        drop(list);
    });
    for (process, _) in processes {
        assert_eq!(waitpid(process).expect("a process that was made can be waited for"), 0, "a process broke off");
    }
}

/// Takes one job after the other for as long as there are any.
fn work(mut todo: PipeReader, tell: PipeWriter, job: impl Fn(usize, Tell<'_>)) {
    let tell = |number: usize, verdict: Option<&Verdict>| {
        let line = serde_json::to_string(&(number, verdict)).expect("a verdict can be written");
        // The copies of this process write into the same, each when its turn comes.
        (&tell).write_all(format!("{line}\n").as_bytes()).expect("somebody listens");
    };
    // All processes read from one pipe, and so few bytes never apart.
    let mut nth = [0; 4];
    while todo.read_exact(&mut nth).is_ok() {
        job(u32::from_le_bytes(nth) as usize, &tell);
    }
}

/// Passes on what a process tells until it ends.
fn listen(told: &PipeReader, heard: &impl Fn(usize, Option<Verdict>)) {
    for line in BufReader::new(told).lines() {
        let line = line.expect("a process tells in lines");
        let (number, verdict) = serde_json::from_str(&line).expect("a process tells of verdicts");
        heard(number, verdict);
    }
}
