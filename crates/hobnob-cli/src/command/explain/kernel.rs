//! The socket options of an address: what this kernel gives a new socket, and what the address sets.

use std::fmt::Write as _;

use hobnob::error::Result;
use hobnob::socket::option::{OptionRow, TABLE};
use hobnob::socket::{Family, Type, option_defaults};
use hobnob::spec::Value as Setting;
use hobnob::transport::Place;
use serde_json::{Value, json};

use crate::report::show::{pad, safe};

/// The families and the type of the sockets that an address stands for.
pub(super) struct KernelOptions {
    families: Vec<Family>,
    lines: Vec<KernelLine>,
}

/// One option: of several families where they agree.
struct KernelLine {
    row: &'static OptionRow,
    /// Level and number, by name.
    number: &'static str,
    /// Of a new socket; none where it is off, an error where the kernel does not say.
    kernel: Result<Option<Setting>>,
    /// What the address sets, by its words or by the transport's default.
    here: Option<String>,
    families: Vec<Family>,
}

/// Cells of each column but the last.
const CELLS: [usize; 5] = [14, 11, 8, 22, 33];

impl KernelOptions {
    /// Opens a socket of each family, without a name, and closes it again. A family that this machine does not have is left
    /// out where there is another one.
    pub(super) fn ask(families: Vec<Family>, kind: Type, place: &Place) -> Result<Self> {
        let mut lines: Vec<KernelLine> = Vec::new();
        let mut missing = None;
        for family in &families {
            let defaults = match option_defaults(*family, kind) {
                Ok(defaults) => defaults,
                Err(error) => {
                    missing = Some(error);
                    continue;
                }
            };
            for (row, kernel) in defaults {
                let number = row.number_on(Some(*family)).name;
                let same = |line: &&mut KernelLine| {
                    line.row.option == row.option
                        && (line.number, &line.kernel) == (number, &kernel)
                };
                if let Some(line) = lines.iter_mut().find(same) {
                    line.families.push(*family);
                    continue;
                }
                let here = place.options.value(row.spec.name).map(ToString::to_string);
                lines.push(KernelLine { row, number, kernel, here, families: vec![*family] });
            }
        }
        if let Some(error) = missing.filter(|_| lines.is_empty()) {
            return Err(error);
        }
        let place_of = |line: &KernelLine| {
            TABLE.iter().position(|row| row.option == line.row.option).unwrap_or(TABLE.len())
        };
        lines.sort_by_key(place_of);
        Ok(KernelOptions { families, lines })
    }

    pub(super) fn words(&self) -> String {
        let mut out = String::new();
        let mut add = |cells: [&str; 6]| {
            let padded =
                cells.iter().zip(CELLS).map(|(cell, width)| pad(&format!("{cell} "), width));
            let line = padded.collect::<String>() + cells[5];
            let _ = writeln!(out, "    {}", line.trim_end());
        };
        add(["", "kernel", "here", "type", "level, number", "families"]);
        for line in &self.lines {
            let (row, form) = (line.row, line.row.form);
            let unit = match form.unit() {
                "" => String::new(),
                unit => format!(", {unit}"),
            };
            let kind = format!("{}{unit}", form.c_type());
            let families = self.families_of(line);
            let (kernel, here) = (line.kernel(), safe(line.here.as_deref().unwrap_or("-")));
            add([row.spec.name, &kernel, &here, &kind, line.number, &families]);
        }
        out
    }

    /// All that have it, where the families of the address agree.
    fn families_of(&self, line: &KernelLine) -> String {
        let has_all = self
            .families
            .iter()
            .all(|family| line.families.contains(family) || !line.row.families.contains(family));
        let families = if has_all { line.row.families } else { &line.families };
        families.iter().map(|family| family.name()).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn json(&self) -> Vec<Value> {
        let names = |families: &[Family]| -> Vec<_> {
            families.iter().map(|family| family.name()).collect()
        };
        let one = |line: &KernelLine| {
            let (level, number) = line.number.split_once(", ").unwrap_or((line.number, ""));
            json!({
                "name": line.row.spec.name,
                "kernel": line.kernel.as_ref().ok().map(|_| line.kernel()),
                "here": line.here,
                "type": line.row.form.c_type(),
                "unit": line.row.form.unit(),
                "level": level,
                "number": number,
                "of": names(&line.families),
                "families": names(line.row.families),
            })
        };
        self.lines.iter().map(one).collect()
    }
}

impl KernelLine {
    fn kernel(&self) -> String {
        match &self.kernel {
            Ok(Some(value)) => safe(&value.to_string()),
            Ok(None) => "off".to_owned(),
            Err(_) => "?".to_owned(),
        }
    }
}
