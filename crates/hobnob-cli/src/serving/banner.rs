//! What a server says when it listens: where, and how to reach it.

use std::fmt::Write as _;
use std::net::IpAddr;

use hobnob::address::Address;
use hobnob::endpoint::{Endpoint, Host};
use hobnob::engine::{self, Bound, Running};
use hobnob::error::quoted;
use hobnob::socket;

use crate::job::Job;
use crate::report::brief::brief;
use crate::report::show::{fold, pad, safe, width};
use crate::serving::teller::{Teller, bent};

/// Columns of an address before its hint.
const ADDRESS: usize = 18;

/// Says where a server listens, in words or as events. `steered_as` is the server's name for `hobnob fault`.
pub(super) fn tell(
    job: &Job,
    teller: &mut Teller,
    name: &str,
    running: &Running,
    target: Option<&Endpoint>,
    steered_as: Option<&str>,
) {
    if teller.listening(std::slice::from_ref(running)) {
        return;
    }
    let name = safe(name);
    let state = if running.bound().is_empty() { "dials out" } else { "is listening" };
    let mut text = format!("{name} {state}\n");
    let bounds = running.bound();
    let column = bounds.iter().map(|bound| width(&shown(bound))).max().unwrap_or(0);
    let column = column.clamp(ADDRESS, 24);
    let names = bounds.iter().map(|bound| medium(bound).len()).max().unwrap_or(0).max(4);
    let mut hinted: Option<(&str, &Endpoint)> = None;
    let mut is_open = false;
    for bound in bounds {
        is_open |= !bound.address.is_local_only();
        let _ = write!(text, "  {}  {}", pad(&medium(bound), names), pad(&shown(bound), column));
        // Both loopbacks are one endpoint, with one hint.
        if hinted != Some((bound.door, &bound.endpoint)) {
            text.push_str(&hint(bound, 4 + names + column, job.err.columns()));
            hinted = Some((bound.door, &bound.endpoint));
            if let Some(line) = elsewhere(bound) {
                let indent = if job.err.is_narrow() { 4 } else { 8 + names + column };
                let _ = write!(text, "\n{}{line}", " ".repeat(indent));
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    if let Some(target) = target {
        let _ = writeln!(text, "  {}  {}", job.err.sent(), safe(&brief(target)));
    }
    if let Some((faults, seed)) = bent(running) {
        let mut words: Vec<_> = faults.iter().map(|fault| safe(fault)).collect();
        words.push(format!("seed {seed}"));
        for (at, line) in fold(&words.join("   "), job.err.columns() - 10).iter().enumerate() {
            let label = if at == 0 { "faults" } else { "" };
            let _ = writeln!(text, "  {label:<8}{line}");
        }
        if let Some(name) = steered_as {
            let between = if job.err.is_narrow() { "\n    " } else { " " };
            let command = format!("hobnob fault {}", safe(&quoted(name)));
            let _ = writeln!(text, "  change them while it runs:{between}{command}");
        }
    }
    if is_open {
        let why = if job.is_on("lan") { " because of --lan" } else { "" };
        let _ = writeln!(text, "open to your network{why}");
    }
    text.push_str("Ctrl-C stops it.\n");
    teller.say(&text);
}

/// The door, where there are several, and the transport: `smtp tcp`.
fn medium(bound: &Bound) -> String {
    match bound.door {
        "" => bound.transport.to_owned(),
        door => format!("{door} {}", bound.transport),
    }
}

fn shown(bound: &Bound) -> String {
    safe(&bound.address.to_string())
}

/// `  hobnob talk :9000     or   nc 127.0.0.1 9000`, behind what has used so many columns.
fn hint(bound: &Bound, used: usize, columns: usize) -> String {
    let Some(near) = nearby(bound) else { return String::new() };
    let own = page(bound, &near);
    let other = twin(&near).filter(|_| own.is_none());
    let own = own.unwrap_or_else(|| format!("hobnob talk {}", safe(&brief(&near))));
    let both = other.map(|other| format!("  {}   or   {other}", pad(&own, 17)));
    match both.filter(|both| used + width(both) <= columns) {
        Some(both) => both,
        None if used + 2 + width(&own) <= columns => format!("  {own}"),
        // On a line of its own, it can be seen and pasted as a whole.
        None => format!("\n    {own}"),
    }
}

/// Where a browser finds a door that is one for browsers.
fn page(bound: &Bound, near: &Endpoint) -> Option<String> {
    let is_for_browsers = bound.door == "http" && near.layers().is_empty();
    let (host, port) = (near.host().filter(|_| is_for_browsers)?, near.port()?);
    let host = match host.to_string() {
        host if host.is_empty() => "localhost".to_owned(),
        host => host,
    };
    Some(safe(&format!("http://{host}:{port}/")))
}

/// How other programs reach an address for which a certificate of our own vouches, as `curl --cacert` does.
fn elsewhere(bound: &Bound) -> Option<String> {
    let trusted = safe(&quoted(&bound.vouched_by.as_ref()?.display().to_string()));
    let near = nearby(bound)?;
    let (host, port) = (near.host()?, near.port()?);
    // Nothing but encryption is between, or the other program would not know what is said.
    if near.layers().len() != 1 {
        return None;
    }
    let host = match host.to_string() {
        host if host.is_empty() => "localhost".to_owned(),
        host => host,
    };
    Some(match near.protocol() {
        Some(_) => format!("curl --cacert {trusted} https://{host}:{port}/"),
        None => format!("openssl s_client -quiet -CAfile {trusted} -connect {host}:{port}"),
    })
}

/// The endpoint as a person on this machine, or in its network, would dial it.
fn nearby(bound: &Bound) -> Option<Endpoint> {
    // A name of this process or of no kernel, as stdin and stdout, cannot be dialled from elsewhere.
    if matches!(bound.address, Address::Name(_)) {
        return None;
    }
    let endpoint = bound.dialled.clone();
    let Address::Ip(at) = &bound.address else { return Some(endpoint) };
    let endpoint = endpoint.with_port(at.port());
    if !at.ip().is_unspecified() {
        return Some(endpoint);
    }
    let mut here = socket::interface_addresses().into_iter();
    let reachable = |ip: &IpAddr| !ip.is_loopback() && ip.is_ipv4() == at.is_ipv4();
    let host = match here.find(reachable)? {
        IpAddr::V4(address) => Host::V4(address),
        IpAddr::V6(address) => Host::V6 { address, zone: None },
    };
    Some(endpoint.with_host(host))
}

/// The same with netcat.
fn twin(endpoint: &Endpoint) -> Option<String> {
    let resolved = engine::resolve(endpoint).ok()?;
    if !resolved.layers.is_empty() {
        return None;
    }
    let twins = (resolved.transport.twins)(&resolved.place);
    twins.into_iter().find(|twin| twin.tool == "nc")?.dials
}
