//! Relays and what bends them, for people and for programs.

use std::fmt::Write as _;

use crate::command::fault::elsewhere::{Bending, Knobs, RemoteBound, RemoteServer};
use crate::report::line::JsonLine;
use crate::report::look::Look;
use crate::report::show::{count, fold, grouped, pad, safe, width};

/// Columns that a page has.
const COLUMNS: usize = 80;
/// Columns of a relay's name; a wider one has a line of its own.
const NAMES: std::ops::Range<usize> = 10..24;

/// All relays, each with what is on.
pub(super) fn list(all: &[(&RemoteServer, Knobs, Vec<String>)], look: Look) -> String {
    if all.is_empty() {
        return "no relay runs; hobnob relay :9001 :9000 starts one\n".to_owned();
    }
    let widest = all.iter().map(|(server, ..)| width(&safe(&server.name))).max().unwrap_or(0);
    let column = widest.clamp(NAMES.start, NAMES.end) + 2;
    let mut out = String::new();
    for (server, knobs, names) in all {
        let mut name = safe(&server.name);
        if width(&name) > column - 2 {
            let _ = writeln!(out, "{name}");
            name.clear();
        }
        let (sides, state) = (safe(&server.sides(look.sent())), state(server));
        let is_one = column + width(&sides) + 3 + width(&state) <= COLUMNS;
        let heads = if is_one { vec![format!("{sides}   {state}")] } else { vec![sides, state] };
        let others = names.iter().filter(|other| **other != server.name);
        let others: Vec<_> = others.map(|other| safe(other)).collect();
        let called = (!others.is_empty()).then(|| format!("also {}", others.join(", ")));
        for item in heads.into_iter().chain(called).chain([settings(&knobs.faults)]) {
            for line in fold(&item, COLUMNS - column) {
                let _ = writeln!(out, "{}{}", pad(&std::mem::take(&mut name), column), line.trim());
            }
        }
    }
    out
}

/// One relay, its faults a line each.
pub(super) fn whole(server: &RemoteServer, knobs: &Knobs, look: Look) -> String {
    let mut out = format!("{}  {}\n", safe(&server.name), safe(&server.sides(look.sent())));
    let _ = writeln!(out, "  {}   seed {}", state(server), knobs.seed);
    let faults = &knobs.faults;
    if faults.is_empty() {
        out.push_str("  no faults\n");
        return out;
    }
    let kinds = faults.iter().map(|one| width(&safe(&one.kind))).max().unwrap_or(0).max(8);
    let _ = writeln!(out, "  way   {}     hits  of", pad("fault", kinds));
    for (way, hits) in [("up", up as fn(&Bending) -> _), ("down", down)] {
        for (one, hits) in faults.iter().filter_map(|one| Some((one, hits(one)?))) {
            let (kind, setting) = (pad(&safe(&one.kind), kinds), safe(&one.setting));
            let _ = writeln!(out, "  {way:<4}  {kind}  {:>7}  {setting}", grouped(hits));
        }
    }
    out
}

fn up(bending: &Bending) -> Option<u64> {
    bending.up
}

fn down(bending: &Bending) -> Option<u64> {
    bending.down
}

/// What is on from now on.
pub(super) fn change(server: &RemoteServer, knobs: &Knobs) -> String {
    format!("{}: {}\n", safe(&server.name), settings(&knobs.faults))
}

/// `latency=1s on both ways`, `up:rate=64k   down:latency=1s`.
fn settings(bending: &[Bending]) -> String {
    let mut said: Vec<(&str, bool)> = Vec::new();
    for one in bending {
        let is_both = one.up.is_some() && one.down.is_some();
        if said.last().is_none_or(|(setting, _)| *setting != one.setting) {
            said.push((&one.setting, is_both));
        }
    }
    match said.as_slice() {
        [] => "no faults".to_owned(),
        [(setting, true)] => format!("{} on both ways", safe(setting)),
        several => several.iter().map(|(setting, _)| safe(setting)).collect::<Vec<_>>().join("   "),
    }
}

fn state(server: &RemoteServer) -> String {
    let ends = if server.state == "draining" { ", draining" } else { "" };
    format!("pid {}   {}{ends}", server.pid, count(server.sessions, "session"))
}

/// The same for programs.
pub(super) fn fields(line: &mut JsonLine<'_>, server: &RemoteServer, knobs: &Knobs) {
    line.text("name", &server.name);
    line.number("pid", u64::from(server.pid));
    line.text("service", &server.service);
    line.text("state", &server.state);
    line.number("sessions", server.sessions);
    line.objects("bound", &server.bound, bound);
    line.texts("targets", server.targets.iter().map(String::as_str));
    line.number("seed", knobs.seed);
    line.objects("faults", &knobs.faults, fault);
}

fn bound(line: &mut JsonLine<'_>, bound: &RemoteBound) {
    line.text("transport", &bound.transport);
    line.text("endpoint", &bound.endpoint);
    line.text("addr", &bound.address);
}

fn fault(line: &mut JsonLine<'_>, one: &Bending) {
    line.text("setting", &one.setting);
    line.text("kind", &one.kind);
    for (way, hits) in [("up", one.up), ("down", one.down)] {
        if let Some(hits) = hits {
            line.number(way, hits);
        }
    }
}
