//! Pages that the tables write themselves: the catalogue, and a service, transport or layer from its spec.

use std::fmt::Write as _;

use hobnob::endpoint::Form;
use hobnob::engine;
use hobnob::spec::{OptionSpec, Shape, Spec, ValueKind};

use crate::report::look::{Look, Paint};
use crate::report::show::{fold, pad, width};

/// Columns that a page has.
pub(super) const COLUMNS: usize = 80;
/// Columns of a name before its explanation.
const NAMES: usize = 26;

/// The services, and over what.
pub(crate) fn catalogue(look: Look) -> String {
    let rows: Vec<_> = engine::services().iter().filter(|row| row.make.is_some()).collect();
    let names = rows.iter().map(|row| row.spec.name.len()).max().unwrap_or(0) + 2;
    let column = rows.iter().map(|row| width(row.spec.summary)).max().unwrap_or(0).min(48) + 2;
    let head = pad("services", 2 + names + column);
    let mut out = format!("{}over\n", look.paint(Paint::Bold, &head));
    let all = over(&[Shape::Bytes, Shape::Packets]);
    for row in &rows {
        let name = look.paint(Paint::Cyan, &pad(row.spec.name, names));
        let over = over(row.door().shapes);
        let over = if over == all { "all" } else { &over };
        let _ = writeln!(out, "  {name}{}{over}", pad(row.spec.summary, column));
    }
    let _ = writeln!(out, "\nall means {all}");
    let example = rows.get(1).or(rows.first()).map_or("", |row| row.spec.name);
    let _ = writeln!(out, "each line is also a page: hobnob help {example}");
    out
}

/// The transports of this build with one of these shapes.
fn over(shapes: &[Shape]) -> String {
    engine::transports()
        .iter()
        .filter(|row| row.transport.is_some() && shapes.contains(&row.shape))
        // A name inside this process is of no use on a command line.
        .filter(|row| row.form != Form::Name)
        .map(|row| row.spec.name)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A service's page, from its own words.
pub(crate) fn service(name: &str, look: Look) -> Option<String> {
    let row = engine::services().iter().find(|row| row.spec.name == name)?;
    let mut out = heading(row.spec, "hobnob serve", look);
    if let [door] = row.doors {
        let _ = writeln!(out, "  default address   :{}", door.port);
    } else {
        let doors = row.doors.iter().map(|door| format!("{}=:{}", door.name, door.port));
        let _ = writeln!(out, "  doors             {}", doors.collect::<Vec<_>>().join(" "));
    }
    let shapes: Vec<_> = row.door().shapes.iter().map(Shape::to_string).collect();
    let _ = writeln!(out, "  serves            {}", shapes.join(" and "));
    let over = over(row.door().shapes);
    if !over.is_empty() {
        let _ = writeln!(out, "  over              {over}");
    }
    if row.is_loud {
        out.push_str("  packets           from this machine only: it says more than it is asked\n");
    }
    options(&mut out, row.spec.options, "--", look);
    Some(out)
}

/// The page of a layer or transport, from its own words.
pub(super) fn part(name: &str, look: Look) -> Option<String> {
    let transport = engine::transports().iter().find(|row| row.spec.name == name);
    if let Some(row) = transport {
        let mut out = heading(row.spec, "", look);
        let _ = writeln!(out, "  a transport of {}", row.shape);
        options(&mut out, row.spec.options, ",", look);
        return Some(out);
    }
    let row = engine::layers().iter().find(|row| row.spec.name == name)?;
    let mut out = heading(&row.spec, "", look);
    let shape = |shape: Option<Shape>| shape.map_or("any shape".to_owned(), |s| s.to_string());
    let _ = writeln!(out, "  a layer on {}, giving {}", shape(row.below), shape(row.above));
    options(&mut out, row.spec.options, ",", look);
    Some(out)
}

pub(super) fn heading(spec: &Spec, before: &str, look: Look) -> String {
    let title = format!("{before} {}", spec.name);
    let mut out = format!("{}: {}\n", look.paint(Paint::Bold, title.trim()), spec.summary);
    if !spec.is_built_in {
        out.push_str("  not part of this build of hobnob\n");
    }
    out.push('\n');
    for example in spec.examples {
        let _ = writeln!(out, "  {example}");
    }
    if !spec.examples.is_empty() {
        out.push('\n');
    }
    out
}

fn options(out: &mut String, specs: &[OptionSpec], prefix: &str, look: Look) {
    if specs.is_empty() {
        return;
    }
    let title = if prefix == "--" { "Flags" } else { "Options" };
    let _ = writeln!(out, "\n{}", look.paint(Paint::Bold, title));
    described(out, specs, prefix);
}

/// Options, each with what it does; `prefix` is what stands before one where it is typed.
pub(super) fn described<'s>(
    out: &mut String,
    specs: impl IntoIterator<Item = &'s OptionSpec>,
    prefix: &str,
) {
    for spec in specs {
        let name = match (prefix, spec.kind) {
            ("--", _) => flag_of(spec),
            (_, ValueKind::Flag) => format!(",{}", spec.name),
            (_, kind) => format!(",{}={}", spec.name, kind.placeholder()),
        };
        let default =
            if spec.default.is_empty() { String::new() } else { format!(" ({})", spec.default) };
        entry(out, &name, &format!("{}{default}", spec.help));
    }
}

pub(super) fn flag_of(option: &OptionSpec) -> String {
    match option.kind {
        ValueKind::Flag => format!("--{}", option.name),
        kind => format!("--{} {}", option.name, kind.placeholder()),
    }
}

pub(super) fn entry(out: &mut String, name: &str, text: &str) {
    let mut lines = fold(text, COLUMNS - 2 - NAMES).into_iter();
    if width(name) + 1 >= NAMES {
        let _ = writeln!(out, "  {name}");
    } else {
        let _ = writeln!(out, "  {}{}", pad(name, NAMES), lines.next().unwrap_or_default());
    }
    for line in lines {
        let _ = writeln!(out, "  {:NAMES$}{line}", "");
    }
}
