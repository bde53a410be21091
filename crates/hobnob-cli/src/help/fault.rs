//! Pages of the faults: a line of each for the list, and a page from its own words.

use std::fmt::Write as _;

use hobnob::fault::{KEYS, PROFILES, REPLIES, TABLE};
use hobnob::spec::{OptionSpec, Shape, ValueKind};

use crate::help::row::{entry, entry_at, heading};

/// Columns of a fault's name in the list.
const NAMES: usize = 13;

/// What each does, a line each.
pub(super) fn list() -> String {
    let mut out = String::new();
    for row in TABLE {
        let only = if row.shapes == [Shape::Packets] { " (packets only)" } else { "" };
        entry_at(&mut out, NAMES, row.spec.name, &format!("{}{only}", row.spec.summary));
    }
    let names: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
    let first = TABLE.first().map_or("", |row| row.spec.name);
    let _ = writeln!(out, "\neach is a page: hobnob help {first}");
    let _ = writeln!(out, "kinds of networks: --like {}", names.join("   "));
    out
}

/// The page of what a server of mail answers on purpose: each answer that may be another, and what that shows.
pub(super) fn replies(page: &str) -> String {
    let (mut list, mut advice) = (String::new(), "\n# What each shows\n\n".to_owned());
    for row in REPLIES {
        entry_at(&mut list, NAMES, row.spec.name, row.spec.summary);
        entry_at(&mut advice, NAMES, row.spec.name, row.advice);
    }
    page.replace("REPLIES\n", &list) + &advice
}

/// What each is good for, and the networks.
pub(super) fn advice() -> String {
    let mut out = "\n# What each shows\n\n".to_owned();
    for row in TABLE {
        entry(&mut out, row.spec.name, row.advice);
    }
    out.push_str("\n# Kinds of networks: --like NAME\n\n");
    for profile in PROFILES {
        entry(&mut out, profile.name, profile.summary);
        entry(&mut out, "", &profile.faults.join(" and "));
    }
    out
}

/// A fault's page.
pub(super) fn page(name: &str) -> Option<String> {
    let row = TABLE.iter().find(|row| row.spec.name == name)?;
    let mut out = heading(&row.spec, "--fault");
    for line in crate::report::show::fold(row.advice, 78) {
        let _ = writeln!(out, "  {line}");
    }
    let shapes: Vec<_> = row.shapes.iter().map(Shape::to_string).collect();
    let _ = writeln!(out, "\n  bends {}", shapes.join(" and "));
    let of = |is_kept: bool, kept: &str, not: &str| {
        if is_kept { kept.to_owned() } else { not.to_owned() }
    };
    let claims = [
        of(row.claims.lossless, "nothing is lost or changed", "not all arrives as it was sent"),
        of(row.claims.keeps_order, "order is kept", "some is overtaken"),
        of(row.claims.keeps_boundaries, "packets stay whole", "packets are cut"),
    ];
    let _ = writeln!(out, "  {}", claims.join("; "));
    for (title, options) in [("Options", row.spec.options), ("Options of every fault", KEYS)] {
        let _ = writeln!(out, "\n# {title}");
        for option in options {
            described(&mut out, option);
        }
    }
    out.push_str("\nhow they are put together: hobnob help faults\n");
    Some(out)
}

fn described(out: &mut String, option: &OptionSpec) {
    let name = match option.kind {
        ValueKind::Flag => option.name.to_owned(),
        ValueKind::Text => format!("{}=...", option.name),
        kind => format!("{}={}", option.name, kind.placeholder()),
    };
    let default = match option.default {
        "" => String::new(),
        default => format!(" ({default})"),
    };
    entry(out, &name, &format!("{}{default}", option.help));
}
