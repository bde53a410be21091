//! What has been started, as a person is told it.

use std::fmt::Write as _;

use hobnob::endpoint::Endpoint;
use hobnob::engine::{Bound, Running};

use crate::config::Section;
use crate::report::show::{pad, safe, width};

/// Columns of a page.
const COLUMNS: usize = 80;
/// The least columns of a name.
const NAMES: usize = 12;

/// The servers that run, each with its part of the file.
pub(crate) struct StartedFleet<'s> {
    pub(super) all: Vec<(&'s Section, &'s Running, Option<u16>)>,
}

impl StartedFleet<'_> {
    /// The part of this name with its server, if it was started.
    pub(crate) fn part(&self, name: &str) -> Option<(&Section, &Running)> {
        let found = self.all.iter().find(|(part, ..)| part.name.text == name);
        found.map(|(part, running, _)| (*part, *running))
    }

    /// A line for each with its addresses.
    pub(crate) fn addresses(&self) -> String {
        let (mut out, indent) = (String::new(), self.indent());
        for (part, running, _) in &self.all {
            let mut items = addresses(running.bound());
            let onward = part.settings.iter().find(|setting| setting.key.text == "to");
            let onward = onward.and_then(|setting| setting.values.first());
            items.extend(onward.map(|to| format!("\u{bb}  {}", safe(&to.text))));
            items.extend(hint(part, running));
            entry(&mut out, indent, COLUMNS, &part.name.text, &items);
        }
        let open = self.all.iter().filter(|(_, running, _)| {
            running.bound().iter().any(|bound| !bound.address.is_local_only())
        });
        let open: Vec<_> = open.map(|(part, ..)| safe(&part.name.text)).collect();
        if !open.is_empty() {
            let _ = writeln!(out, "open to your network: {}", open.join(", "));
        }
        out
    }

    /// A line for each with what to try, in so many columns, and what is not where it usually is.
    pub(crate) fn hints(&self, columns: usize) -> String {
        let (mut out, indent) = (String::new(), self.indent());
        for (part, running, _) in &self.all {
            let items: Vec<_> = hint(part, running).into_iter().chain(part.note.clone()).collect();
            entry(&mut out, indent, columns.min(COLUMNS), &part.name.text, &items);
        }
        for (part, running, usual) in &self.all {
            let port = port(running).filter(|port| Some(*port) != *usual);
            if let (Some(usual), Some(port)) = (usual, port) {
                let name = safe(&part.name.text);
                let _ = writeln!(out, "port {usual} is in use, so {name} is on {port}");
            }
        }
        out
    }

    /// Columns before an item.
    fn indent(&self) -> usize {
        let longest = self.all.iter().map(|(part, ..)| width(&safe(&part.name.text))).max();
        2 + NAMES.max(longest.unwrap_or(0) + 2)
    }
}

/// The name, then the items, on as many lines as they need in so many columns.
fn entry(out: &mut String, indent: usize, columns: usize, name: &str, items: &[String]) {
    let mut line = pad(&format!("  {}", safe(name)), indent);
    for (at, item) in items.iter().enumerate() {
        let gap = if at == 0 { "" } else { "   " };
        if at > 0 && width(&line) + gap.len() + width(item) > columns {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
        } else {
            line.push_str(gap);
        }
        line.push_str(item);
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Each endpoint once, though both loopbacks are bound: `tcp 127.0.0.1:9000`.
fn addresses(bounds: &[Bound]) -> Vec<String> {
    let mut told: Vec<&Endpoint> = Vec::new();
    let mut out = Vec::new();
    for bound in bounds {
        if !told.contains(&&bound.endpoint) {
            told.push(&bound.endpoint);
            let layer = bound.endpoint.layers().first();
            let medium = layer.map_or(bound.transport, |layer| layer.name());
            out.push(format!("{medium} {}", safe(&bound.address.to_string())));
        }
    }
    out
}

/// The command to try, with the port that it has.
fn hint(part: &Section, running: &Running) -> Option<String> {
    let hint = safe(part.hint.as_ref()?);
    let port = port(running).map(|port| port.to_string());
    Some(hint.replace("PORT", &port.unwrap_or_default()))
}

fn port(running: &Running) -> Option<u16> {
    running.bound().iter().find_map(|bound| Some(bound.address.ip()?.port()))
}
