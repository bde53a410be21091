//! Pages that the tables write themselves: the catalogue, and a service, transport or layer from its spec.

use std::fmt::Write as _;

use hobnob::endpoint::Form;
use hobnob::engine;
use hobnob::spec::{OptionSpec, Shape, Spec, ValueKind};

use crate::help::narrow::narrowed;
use crate::report::look::{Look, Paint};
use crate::report::show::{fold, pad, width};

/// Columns that a page has.
pub(super) const COLUMNS: usize = 80;
/// Columns of a name before its explanation.
const NAMES: usize = 26;

/// The services, and over what.
pub(crate) fn catalogue(look: Look) -> String {
    if look.is_narrow() {
        return narrowed(&listed(Look::default()), look.columns());
    }
    listed(look)
}

fn listed(look: Look) -> String {
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
    let _ = writeln!(out, "\neach line is also a page: hobnob help {example}");
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
pub(super) fn service(name: &str) -> Option<String> {
    let row = engine::services().iter().find(|row| row.spec.name == name)?;
    let mut out = heading(row.spec, "hobnob serve");
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
    options(&mut out, row.spec.options, "--");
    Some(out)
}

/// The page of a layer or transport, from its own words.
pub(super) fn part(name: &str) -> Option<String> {
    let transport = engine::transports().iter().find(|row| row.spec.name == name);
    if let Some(row) = transport {
        let mut out = heading(row.spec, "");
        let _ = writeln!(out, "  a transport of {}", row.shape);
        options(&mut out, row.spec.options, ",");
        return Some(out);
    }
    let row = engine::layers().iter().find(|row| row.spec.name == name)?;
    let mut out = heading(&row.spec, "");
    let shape = |shape: Option<Shape>| shape.map_or("any shape".to_owned(), |s| s.to_string());
    let _ = writeln!(out, "  a layer on {}, giving {}", shape(row.below), shape(row.above));
    options(&mut out, row.spec.options, ",");
    Some(out)
}

pub(super) fn heading(spec: &Spec, before: &str) -> String {
    let title = format!("{before} {}", spec.name);
    let title = format!("{}: {}", title.trim(), spec.summary);
    let mut out = format!("# {}\n", fold(&title, COLUMNS).join("\n"));
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

fn options(out: &mut String, specs: &[OptionSpec], prefix: &str) {
    if specs.is_empty() {
        return;
    }
    let title = if prefix == "--" { "Flags" } else { "Options" };
    let _ = writeln!(out, "\n# {title}");
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
    entry_at(out, NAMES, name, text);
}

/// An entry whose explanation stands behind so many columns.
pub(super) fn entry_at(out: &mut String, names: usize, name: &str, text: &str) {
    let mut lines = fold(text, COLUMNS - 2 - names).into_iter();
    if width(name) + 1 > names {
        let _ = writeln!(out, "  {name}");
    } else {
        let _ = writeln!(out, "  {}{}", pad(name, names), lines.next().unwrap_or_default());
    }
    for line in lines {
        let _ = writeln!(out, "  {:names$}{line}", "");
    }
}
