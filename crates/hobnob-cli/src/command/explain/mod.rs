//! `hobnob explain`: what an endpoint means, layer by layer.

mod connection;
mod found;
mod host;
mod kernel;
mod lines;
mod number;
mod sources;

use std::fmt::Write as _;

use hobnob::endpoint::{Command, Endpoint, Host, Target, well_known_port};
use hobnob::engine::{self, Resolved};
use hobnob::error::{Error, Kind, Result, quoted};
use hobnob::socket::{Family, known_services};
use hobnob::spec::{OptionSpec, Options};
use hobnob::transport::Twin;
use serde_json::{Value, json};

use self::connection::ConnectionFacts;
use self::found::Found;
use self::host::HostAlone;
use self::kernel::KernelOptions;
use self::lines::{fitted, line};
use crate::args::{COMMON, Flag, FlagGroup, OPENING, Usage, switch};
use crate::job::{Job, Verb};
use crate::process::say;
use crate::report::look::{Look, Paint};
use crate::report::show::{count, pad, safe};

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "explain",
        words: "ADDR",
        endpoints: 0..1,
        flags: &[FlagGroup::Own(EXPLAINING), FlagGroup::Own(OPENING), FlagGroup::Own(COMMON)],
        heeds_settings: true,
        page: include_str!("../../help/explain.md"),
    },
    run,
};

/// Flags of `explain` alone.
const EXPLAINING: &[Flag] = &[
    switch("listen", None, "as for who listens there"),
    switch("options", None, "the socket's options, with this kernel's defaults"),
    switch("verbose", Some('v'), "the options that nobody gave, too"),
];

fn run(job: &Job) -> Result<u8> {
    if let Some(host) = HostAlone::of(job)? {
        let told =
            if job.is_on("json") { format!("{}\n", host.json()) } else { host.words(job.out) };
        return say(&told);
    }
    let endpoint = job.endpoint("explain which address?", ":9000")?;
    let resolved = engine::resolve(&endpoint)?;
    let tree = Tree {
        addresses: Found::of(&resolved.place.target, job.family()?),
        twins: twins(&resolved),
        is_listening: job.is_on("listen"),
        is_verbose: job.is_on("verbose"),
        door: door(&endpoint),
        kernel: None,
        resolved: &resolved,
    };
    let tree = Tree { kernel: tree.ask_kernel(job.is_on("options"))?, ..tree };
    if job.is_on("json") {
        return say(&format!("{}\n", tree.json()));
    }
    say(&tree.words(job.out))
}

/// Where the value of an option comes from that nobody gave.
const DEFAULT: &str = "default";

struct Tree<'a> {
    resolved: &'a Resolved,
    addresses: Found,
    twins: Vec<Twin>,
    is_listening: bool,
    is_verbose: bool,
    door: Vec<OptionShown>,
    kernel: Option<KernelOptions>,
}

/// One option with its value and where that came from.
struct OptionShown {
    name: &'static str,
    value: String,
    origin: &'static str,
}

fn settings(specs: &'static [OptionSpec], options: &Options) -> Vec<OptionShown> {
    specs
        .iter()
        .map(|spec| {
            let value = options.value(spec.name).map(ToString::to_string);
            let is_given = options.is_given(spec.name);
            let origin = if is_given { "you" } else { DEFAULT };
            let value = value.unwrap_or_else(|| "-".to_owned());
            OptionShown { name: spec.name, value: safe(&value), origin }
        })
        .collect()
}

fn twins(resolved: &Resolved) -> Vec<Twin> {
    // With layers in between, another tool would say something else.
    if resolved.layers.is_empty() && resolved.protocol.is_none() {
        (resolved.transport.twins)(&resolved.place)
    } else {
        Vec::new()
    }
}

impl Tree<'_> {
    fn words(&self, look: Look) -> String {
        let resolved = self.resolved;
        let mut out =
            format!("{}\n", look.paint(Paint::Bold, &safe(&resolved.endpoint.to_string())));
        if let Some((spec, options)) = &resolved.protocol {
            line(&mut out, "protocol", &format!("{}: {}", spec.name, spec.summary));
            self.list(&mut out, settings(spec.options, options));
        }
        for (row, options) in &resolved.layers {
            let missing = if row.make.is_some() { "" } else { "   (not built in)" };
            line(&mut out, "layer", &format!("{}: {}{missing}", row.spec.name, row.spec.summary));
            self.list(&mut out, settings(row.spec.options, options));
        }
        let row = resolved.transport;
        let missing = if row.transport.is_some() { "" } else { "   (not built in)" };
        line(&mut out, "transport", &format!("{}: {}{missing}", row.spec.name, row.spec.summary));
        self.list(&mut out, settings(row.spec.options, &resolved.place.options));
        if !self.door.is_empty() {
            line(&mut out, "any verb", "who may come, and who begins");
            list(&mut out, &self.door);
        }
        line(&mut out, "shape", &format!("{}, {}", resolved.shape, meaning(resolved.shape)));
        if let Some((family, kind)) = self.kind() {
            line(&mut out, "socket", &format!("{family}, {kind}"));
        }
        line(&mut out, "target", &target(&resolved.place.target));
        if let Some(port) = self.port() {
            let services = known_services(port);
            if !services.is_empty() {
                line(&mut out, "services", &number::spoken(port, &services));
            }
        }
        self.addresses.write(&mut out);
        if let Some(connection) = self.connection() {
            connection.write(&mut out);
        }
        let mut out = fitted(out, look);
        self.same_with(&mut out, look);
        let mut last = String::new();
        if let Some(kernel) = &self.kernel {
            line(
                &mut last,
                "kernel",
                "a new socket's options on this machine, and what is set here",
            );
            last.push_str(&kernel.words());
        }
        let parts = resolved.layers.iter().map(|(row, _)| row.spec.name).chain([row.spec.name]);
        let pages: Vec<_> = parts.map(|part| format!("hobnob help {part}")).collect();
        line(&mut last, "options", &pages.join("   "));
        out + &fitted(last, look)
    }

    /// The options that were given; with `-v` all of them.
    fn list(&self, out: &mut String, all: Vec<OptionShown>) {
        let (given, untouched): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|option| self.is_verbose || option.origin != DEFAULT);
        list(out, &given);
        if !untouched.is_empty() {
            let many = count(untouched.len() as u64, "option");
            line(out, "", &format!("{many} by default; -v shows them"));
        }
    }

    /// What is to be pasted is a line of its own and stays whole.
    fn same_with(&self, out: &mut String, look: Look) {
        let mut label = "same with";
        for twin in &self.twins {
            let command = if self.is_listening { &twin.listens } else { &twin.dials };
            for text in command.iter().flat_map(|text| text.lines()) {
                if look.is_narrow() {
                    let label = if label.is_empty() { "" } else { "  same with\n" };
                    let _ = writeln!(out, "{label}    {}\n      {}", twin.tool, safe(text));
                } else {
                    line(out, label, &format!("{}{}", pad(twin.tool, 8), safe(text)));
                }
                label = "";
            }
        }
    }

    fn port(&self) -> Option<u16> {
        match &self.resolved.place.target {
            Target::Net { port, .. } => *port,
            _ => None,
        }
    }

    /// None where there are no ports, as on raw sockets, or no port is known yet.
    fn connection(&self) -> Option<ConnectionFacts<'_>> {
        let row = self.resolved.transport;
        let named = self.port().filter(|port| *port != 0 && row.socket.is_some())?;
        let source = self.resolved.place.options.value(hobnob::transport::SOURCE.name);
        Some(ConnectionFacts {
            protocol: row.spec.name,
            addresses: self.addresses.all(),
            port: named,
            source: source.filter(|_| !self.is_listening).map(ToString::to_string),
            is_listening: self.is_listening,
        })
    }

    /// Family and type of the socket.
    fn kind(&self) -> Option<(String, String)> {
        let kind = self.resolved.transport.socket?.name().to_owned();
        let families = self.families();
        let names: Vec<_> = families.iter().map(|family| family.name()).collect();
        if names.is_empty() && !matches!(self.resolved.place.target, Target::Net { .. }) {
            return None;
        }
        let family = names.join(" and ");
        Some((family, kind))
    }

    /// The families of the sockets that it stands for.
    fn families(&self) -> Vec<Family> {
        match (&self.resolved.place.target, &self.addresses) {
            (Target::Net { .. }, Found::Addresses { all, .. }) => {
                let has = |is_v4: bool| all.iter().any(|ip| ip.is_ipv4() == is_v4);
                let each = [(true, Family::V4), (false, Family::V6)];
                each.iter().filter(|(is_v4, _)| has(*is_v4)).map(|(_, family)| *family).collect()
            }
            (Target::Net { .. }, _) => vec![Family::V4, Family::V6],
            _ => self.resolved.place.family().into_iter().collect(),
        }
    }

    /// None where nobody asks.
    fn ask_kernel(&self, is_asked: bool) -> Result<Option<KernelOptions>> {
        if !is_asked {
            return Ok(None);
        }
        let row = self.resolved.transport;
        let kind = row.socket.filter(|_| !self.families().is_empty()).ok_or_else(|| {
            let message = format!("{} opens no socket, so that it has no options", row.spec.name);
            Error::new(Kind::DoesNotFit, message)
        })?;
        KernelOptions::ask(self.families(), kind, &self.resolved.place).map(Some)
    }

    fn json(&self) -> Value {
        let resolved = self.resolved;
        let options = |specs, options| as_json(&settings(specs, options));
        let layers: Vec<Value> = resolved
            .layers
            .iter()
            .map(|(row, given)| {
                json!({
                    "name": row.spec.name,
                    "built_in": row.make.is_some(),
                    "options": options(row.spec.options, given),
                })
            })
            .collect();
        let protocol = resolved.protocol.as_ref().map(
            |(spec, given)| json!({ "name": spec.name, "options": options(spec.options, given) }),
        );
        let row = resolved.transport;
        let twins: Vec<Value> = self
            .twins
            .iter()
            .map(|twin| json!({ "tool": twin.tool, "listens": twin.listens, "dials": twin.dials }))
            .collect();
        let (family, kind) = self.kind().unzip();
        let services = self.port().map(known_services).unwrap_or_default();
        let services: Vec<_> =
            services.iter().map(|(name, over)| format!("{name}/{over}")).collect();
        json!({
            "v": 1,
            "type": "explain",
            "endpoint": resolved.endpoint.to_string(),
            "protocol": protocol,
            "layers": layers,
            "transport": {
                "name": row.spec.name,
                "built_in": row.transport.is_some(),
                "options": options(row.spec.options, &resolved.place.options),
            },
            "any_verb": as_json(&self.door),
            "shape": resolved.shape.to_string(),
            "family": family,
            "socket": kind,
            "target": target(&resolved.place.target),
            "services": services,
            "addresses": self.addresses.numbers(),
            "names": self.addresses.names_json(),
            "connection": self.connection().map(|connection| connection.json()),
            "twins": twins,
            "kernel": self.kernel.as_ref().map(KernelOptions::json),
        })
    }
}

/// The options that are the engine's own, those that were given: without them nobody looks for them here.
fn door(endpoint: &Endpoint) -> Vec<OptionShown> {
    let given = endpoint.settings().iter().filter(|setting| setting.layer.is_none());
    let known = |setting: &hobnob::endpoint::Given| {
        let key = setting.key.as_str();
        let (word, bare) = key.strip_prefix("no-").map_or(("yes", key), |bare| ("no", bare));
        let spec = engine::DOOR_OPTIONS.iter().find(|spec| spec.name == bare)?;
        let value = safe(setting.value.as_deref().unwrap_or(word));
        Some(OptionShown { name: spec.name, value, origin: "you" })
    };
    given.filter_map(known).collect()
}

fn as_json(settings: &[OptionShown]) -> Vec<Value> {
    let one =
        |one: &OptionShown| json!({ "name": one.name, "value": one.value, "from": one.origin });
    settings.iter().map(one).collect()
}

fn list(out: &mut String, settings: &[OptionShown]) {
    for setting in settings {
        let value = pad(&format!("{} ", setting.value), 12);
        let _ = writeln!(out, "    {}{value}{}", pad(setting.name, 14), setting.origin);
    }
}

fn meaning(shape: hobnob::spec::Shape) -> &'static str {
    match shape {
        hobnob::spec::Shape::Bytes => "a stream without borders",
        hobnob::spec::Shape::Packets => "borders are kept",
    }
}

fn target(target: &Target) -> String {
    match target {
        Target::Net { host, port } => {
            let host = match host {
                Host::Loopback => "this machine alone".to_owned(),
                Host::Name(name) => format!("the host {}", safe(name)),
                Host::V4(address) => address.to_string(),
                Host::V6 { address, zone } => {
                    let zone = zone.as_ref().map(|zone| format!("%{}", safe(zone)));
                    format!("{address}{}", zone.unwrap_or_default())
                }
            };
            match port {
                Some(0) => format!("{host}, any free port"),
                Some(port) => {
                    let name = well_known_port(*port).map(|name| format!(", known as {name}"));
                    format!("{host}, port {port}{}", name.unwrap_or_default())
                }
                None => format!("{host}, no port"),
            }
        }
        Target::Path(path) => format!("the path {}", safe(&path.to_string_lossy())),
        Target::Abstract(name) => format!("the abstract name @{}", name.escape_ascii()),
        Target::Command(Command::Line(line)) => format!("the line {} of a shell", safe(line)),
        Target::Command(Command::Argv(words)) => {
            let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            format!("the program {}", safe(&words.join(" ")))
        }
        Target::Number(number) => format!("the descriptor {number}"),
        Target::Name(name) => format!("the name {}", safe(name)),
        Target::Nothing => "nothing else".to_owned(),
    }
}
