//! `hobnob doctor`: what this machine allows.

mod check;
#[cfg(feature = "nats")]
mod cluster;
mod machine;
mod network;
mod origin;

use std::fmt::Write as _;

use hobnob::engine::Limits;
use hobnob::error::Result;
use hobnob::socket::{self, Interface};
use hobnob::spec::show_duration;
use serde_json::{Value, json};

use crate::args::{COMMON, Flag, FlagGroup, Usage, switch, value};
use crate::job::{Job, Verb};
use crate::process::say;
use crate::report::look::{Look, Paint};
use crate::report::show::{fold, grouped, pad, safe, size, width};
use check::Check;

/// Columns before the text of a check, and where that stands below its name.
const INDENT: usize = 30;
const BELOW: usize = 5;
/// Columns of an interface's name.
const NAMES: usize = 12;
/// Descriptors that a server keeps back for what is not a session.
const SPARE_FILES: u64 = 64;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "doctor",
        words: "",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(EXAMINING), FlagGroup::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../../help/doctor.md"),
    },
    run,
};

/// The flags of `doctor`.
const EXAMINING: &[Flag] = &[
    switch("config", None, "each setting, and where its value comes from"),
    value("cluster", "URL", "what the NATS servers at nats://HOST:PORT[,..] can do for a room"),
    value("cluster-auth", "FILE", "USER:PASSWORD or a token for them"),
    value("cluster-ca", "FILE", "who alone vouches for them (PEM)"),
];

fn run(job: &Job) -> Result<u8> {
    if job.is_on("config") {
        return origin::run(job);
    }
    if let Some(servers) = job.text("cluster") {
        return examine(job, servers);
    }
    let checks: Vec<_> = network::checks().into_iter().chain(machine::checks(job)).collect();
    let interfaces = socket::interfaces();
    if job.is_on("json") {
        return say(&format!("{}\n", as_json(&checks, interfaces.as_deref().unwrap_or_default())));
    }
    let mut out = String::new();
    for check in &checks {
        tell(&mut out, check, job.out);
    }
    let _ = writeln!(out, "\n{}", job.out.paint(Paint::Bold, "interfaces"));
    match &interfaces {
        Ok(all) => all.iter().for_each(|one| tell_interface(&mut out, one, job.out)),
        Err(error) => {
            let _ = writeln!(out, "  not known: {}", safe(error.message()));
        }
    }
    let _ = writeln!(out, "\n{}", job.out.paint(Paint::Bold, "limits of a server"));
    for (name, value) in limits() {
        tell_from(&mut out, 0, &format!("  {name}"), &value, job.out);
    }
    say(&out)
}

/// Whether a room can live on these servers: exit code 0, or 1.
#[cfg(feature = "nats")]
fn examine(job: &Job, servers: &str) -> Result<u8> {
    let (checks, is_well) = cluster::checks(job, servers)?;
    let mut out = String::new();
    if job.is_on("json") {
        let line = json!({ "v": 1, "type": "doctor", "checks": told(&checks), "fine": is_well });
        out = format!("{line}\n");
    } else {
        for check in &checks {
            tell(&mut out, check, job.out);
        }
    }
    let code = say(&out)?;
    Ok(if code == 0 { u8::from(!is_well) } else { code })
}

#[cfg(not(feature = "nats"))]
fn examine(_job: &Job, _servers: &str) -> Result<u8> {
    Err(crate::advice::no_rooms())
}

fn tell(out: &mut String, check: &Check, look: Look) {
    let mark = match (check.is_fine, look.ascii) {
        (true, false) => look.paint(Paint::Green, "\u{2713} "),
        (false, false) => look.paint(Paint::RedBold, "\u{2717} "),
        (true, true) => look.paint(Paint::Green, "+ "),
        (false, true) => look.paint(Paint::RedBold, "- "),
    };
    let _ = write!(out, "  {mark} ");
    tell_from(out, BELOW, &safe(&check.name), &safe(&check.detail), look);
    if let Some(remedy) = &check.remedy {
        let _ = writeln!(out, "       {}", look.paint(Paint::Cyan, &safe(remedy)));
    }
}

/// A name, on a line that has so many cells already, and what is said of it: in a second column, or below the name where
/// that has no room.
fn tell_from(out: &mut String, begins: usize, name: &str, text: &str, look: Look) {
    let indent = if look.is_narrow() { BELOW } else { INDENT };
    let lines = fold(text, look.columns() - indent);
    let name = pad(name, if look.is_narrow() { 0 } else { INDENT - begins });
    let head = match lines.first() {
        Some(first) if !look.is_narrow() => format!("{name}{first}"),
        _ => name,
    };
    let _ = writeln!(out, "{}", head.trim_end());
    let rest = lines.iter().skip(usize::from(!look.is_narrow())).filter(|line| !line.is_empty());
    for line in rest {
        let _ = writeln!(out, "{:indent$}{line}", "");
    }
}

/// `eth0   172.17.0.2   02:42:ac:11:00:02`.
fn tell_interface(out: &mut String, one: &Interface, look: Look) {
    let mut words: Vec<_> = one.addresses.iter().map(ToString::to_string).collect();
    words.extend(one.mac.map(shown));
    if !one.is_up {
        words.push("down".to_owned());
    }
    let mut line = pad(&format!("  {} ", safe(&one.name)), NAMES);
    for word in words {
        if width(&line) + width(&word) > look.columns() {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(NAMES);
        }
        let _ = write!(line, "{word}   ");
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

fn shown(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// What a server allows its peers, where nobody says otherwise.
fn limits() -> Vec<(&'static str, String)> {
    let limits = Limits::default();
    let count = |number: usize| grouped(number as u64);
    // A server raises the soft limit to the hard one.
    let peers = socket::open_files().map_or_else(
        |_| "open files less 64".to_owned(),
        |(_, hard)| format!("{} (open files less 64)", grouped(hard.saturating_sub(SPARE_FILES))),
    );
    let rate = grouped(u64::from(limits.accept_rate));
    let burst = grouped(u64::from(limits.accept_burst));
    vec![
        ("peers at once", peers),
        ("of one source", format!("{}; this machine is exempt", count(limits.per_source))),
        ("new peers a second", format!("{rate}, {burst} at once; this machine is exempt")),
        ("peers of a datagram socket", count(limits.max_peers)),
        ("handshake", show_duration(limits.handshake)),
        ("a peer that takes nothing", show_duration(limits.stall)),
        ("a drain", show_duration(limits.grace)),
        ("buffers of all sessions", size(limits.memory)),
    ]
}

fn told(checks: &[Check]) -> Vec<Value> {
    let told = |check: &Check| {
        json!({
            "name": check.name,
            "fine": check.is_fine,
            "detail": check.detail,
            "try": check.remedy,
        })
    };
    checks.iter().map(told).collect()
}

fn as_json(checks: &[Check], interfaces: &[Interface]) -> Value {
    let interfaces: Vec<_> = interfaces
        .iter()
        .map(|one| {
            json!({
                "name": one.name,
                "up": one.is_up,
                "addresses": one.addresses,
                "mac": one.mac.map(shown),
            })
        })
        .collect();
    let limits = Limits::default();
    json!({
        "v": 1,
        "type": "doctor",
        "checks": told(checks),
        "interfaces": interfaces,
        "limits": {
            "open_files": socket::open_files().ok().map(|(soft, hard)| json!([soft, hard])),
            "per_source": limits.per_source,
            "accept_rate": limits.accept_rate,
            "accept_burst": limits.accept_burst,
            "max_peers": limits.max_peers,
            "handshake_ms": limits.handshake.as_millis(),
            "stall_ms": limits.stall.as_millis(),
            "grace_ms": limits.grace.as_millis(),
            "buffers": limits.memory,
        },
    })
}
