//! What programs print while they start, serve and fail: on an instance's console, or into a container's log.
//!
//! What it must never do: decide anything. It tells what other parts of the world have decided.

use super::servers::Server;

/// The lines that a program prints which begins then, with their times, up to another time. Consoles have colours and signs of markup in
/// them.
pub(crate) fn printed(server: &Server, image: &str, begun: u64, until: u64) -> Vec<(u64, String)> {
    let half = begun + server.ready_at.saturating_sub(begun) / 2;
    let serves = match server.sick {
        true => "app: every request fails: <database> refuses the connection",
        false => "app: ready on :8080",
    };
    let lines = [
        (begun, format!("boot: {image}")),
        (half, "[\u{1b}[0;32m  OK  \u{1b}[0m] Reached target <b>network</b>.".to_owned()),
        (server.ready_at, serves.to_owned()),
        (server.fails_at, "app: out of memory, killed".to_owned()),
    ];
    let until = server.stopped.map_or(until, |(at, _)| at.min(until));
    lines.into_iter().filter(|(at, _)| *at <= until).collect()
}
