//! Text to a plan: what fits, with options that are known and valid. Opens nothing. Every mistake of a person
//! ends here, with something to try.

use crate::bus::Bus;
use crate::endpoint::{Endpoint, Given, Grammar, Host, Target};
use crate::engine::limits::Network;
use crate::engine::stack::Stack;
use crate::error::{Error, Kind, Result, quoted};
use crate::layer::{self, Layer, Role};
use crate::spec::{self, OptionSpec, Options, Shape, Spec, ValueKind};
use crate::transport::{self, Place, Transport};
use crate::{fault, service, socket};

/// Options of any endpoint that are the engine's own.
pub static DOOR_OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "allow",
        kind: ValueKind::Text,
        default: "",
        help: "who of those that --allow lets in may come, as in 10.0.0.0/8; may be given several times",
    },
    OptionSpec {
        name: "dial",
        kind: ValueKind::Flag,
        default: "",
        help: "where a verb listens: dial there, and serve who answers",
    },
    OptionSpec {
        name: "listen",
        kind: ValueKind::Flag,
        default: "",
        help: "where a relay dials: wait there for a peer to come",
    },
    OptionSpec {
        name: "retry",
        kind: ValueKind::Flag,
        default: "",
        help: "where one dials and nobody is there yet: try again, with growing pauses",
    },
];

/// What an endpoint says to a protocol above its layers, as `http://host/path` does.
static PROTOCOL: Spec = Spec {
    name: "http",
    summary: "what get, serve http and bench speak",
    options: &[OptionSpec {
        name: "path",
        kind: ValueKind::Text,
        default: "/",
        help: "what is asked for: a path, and a query behind it",
    }],
    examples: &["hobnob get http://127.0.0.1:8000/"],
    is_built_in: true,
};

/// An endpoint whose words have been found in the tables, with every option where it belongs.
pub struct Resolved {
    /// The layers with their options, application first.
    pub layers: Vec<(&'static layer::Row, Options)>,
    /// The transport.
    pub transport: &'static transport::Row,
    /// The transport's target and options.
    pub place: Place,
    /// The shape on top of the layers.
    pub shape: Shape,
    /// The protocol above the layers and what the endpoint says to it, where it names one.
    pub protocol: Option<(&'static Spec, Options)>,
    /// Who may come in, where the endpoint says so.
    pub allow: Vec<Network>,
    /// The other options that are the engine's own.
    pub door: Options,
    /// The endpoint as it prints.
    pub endpoint: String,
}

/// A resolved endpoint with everything built in, ready to be opened.
pub(super) struct Ready {
    pub transport: &'static dyn Transport,
    pub stack: Stack,
    pub place: Place,
    pub shape: Shape,
    pub has_opening: bool,
    pub allow: Vec<Network>,
    /// It is dialled although it stands where one listens, or the other way round.
    pub is_turned: bool,
    pub retries: bool,
    pub endpoint: String,
    pub dialled: String,
    pub name: &'static str,
}

/// The words of the tables.
pub fn grammar() -> Grammar {
    Grammar {
        layers: layer::TABLE.iter().map(|row| &row.spec).collect(),
        transports: transport::TABLE.iter().map(|row| (row.spec, row.form)).collect(),
    }
}

/// Reads an endpoint with the words of the tables.
pub fn parse(text: &str) -> Result<Endpoint> {
    Endpoint::parse(text, &grammar())
}

/// Finds an endpoint's words in the tables, and deals its options out.
pub fn resolve(endpoint: &Endpoint) -> Result<Resolved> {
    let transport = transport::TABLE
        .iter()
        .find(|row| row.spec.name == endpoint.transport().name())
        .ok_or_else(|| {
            Error::new(Kind::Bug, "the grammar knows a transport that the table does not")
        })?;
    let mut layers = Vec::new();
    for word in endpoint.layers() {
        let row = layer::TABLE.iter().find(|row| row.spec.name == word.name());
        let row = row.ok_or_else(|| {
            Error::new(Kind::Bug, "the grammar knows a layer that the table does not")
        })?;
        layers.push((*row, Options::of(row.spec.options)));
    }
    let mut resolved = Resolved {
        layers,
        transport,
        place: Place {
            target: endpoint.target().clone(),
            options: Options::of(transport.spec.options),
        },
        shape: transport.shape,
        protocol: endpoint.protocol().map(|_| (&PROTOCOL, Options::of(PROTOCOL.options))),
        allow: Vec::new(),
        door: Options::of(DOOR_OPTIONS),
        endpoint: endpoint.to_string(),
    };
    for setting in endpoint.settings() {
        resolved.deal(setting)?;
    }
    resolved.shape = resolved.fit()?;
    Ok(resolved)
}

/// The same endpoint, dialled without a check of who the peer is: for the layers that check it, where there are any.
pub fn insecure(mut endpoint: Endpoint) -> Result<Endpoint> {
    let checks = |row: &&&layer::Row| has_option(row.spec.options, "insecure");
    for row in layer::TABLE.iter().filter(checks) {
        if endpoint.has_layer(row.spec.name) {
            endpoint.set(&format!("{}.insecure", row.spec.name))?;
        }
    }
    Ok(endpoint)
}

impl Resolved {
    /// A target on a transport of one's own, which is in no table, without layers and with its options as they are.
    pub fn of(transport: &'static transport::Row, target: Target) -> Self {
        Resolved {
            layers: Vec::new(),
            transport,
            endpoint: format!("{}:", transport.spec.name),
            place: Place { target, options: Options::of(transport.spec.options) },
            shape: transport.shape,
            protocol: None,
            allow: Vec::new(),
            door: Options::of(DOOR_OPTIONS),
        }
    }

    /// Gives one setting to the part that knows its key.
    fn deal(&mut self, setting: &Given) -> Result<()> {
        let key = setting.key.as_str();
        let knows = |options: &'static [OptionSpec]| has_option(options, key);
        if setting.layer.is_none() && knows(DOOR_OPTIONS) {
            if key != "allow" {
                let set = self.door.set(DOOR_OPTIONS, key, setting.value.as_deref());
                return set.map_err(|error| marked(setting, error));
            }
            let network = Network::parse(setting.value.as_deref().unwrap_or_default());
            self.allow.push(network.map_err(|error| marked(setting, error))?);
            return Ok(());
        }
        let mut knowing: Vec<(&'static Spec, &mut Options)> = Vec::new();
        let transport = (self.transport.spec, &mut self.place.options);
        let layers = self.layers.iter_mut().map(|(row, options)| (&row.spec, options));
        let protocol = self.protocol.as_mut().map(|(spec, options)| (*spec, options));
        for (spec, options) in protocol.into_iter().chain(layers).chain([transport]) {
            let is_meant = setting.layer.as_deref().is_none_or(|layer| layer == spec.name);
            if is_meant && (knows(spec.options) || setting.layer.is_some()) {
                knowing.push((spec, options));
            }
        }
        match knowing.as_mut_slice() {
            [(spec, options)] => options
                .set(spec.options, key, setting.value.as_deref())
                .map_err(|error| marked(setting, error)),
            [] => Err(self.unknown(setting)),
            [(one, _), (two, _), ..] => {
                let message = format!("{} and {} both have an option {key:?}", one.name, two.name);
                let error = Error::new(Kind::UnknownOption, message);
                let spelling = format!("{}.{key} or {}.{key}", one.name, two.name);
                Err(setting.typed.mark(error, format!("say {spelling}")))
            }
        }
    }

    fn unknown(&self, setting: &Given) -> Error {
        let specs = || {
            let protocol = self.protocol.iter().map(|(spec, _)| *spec);
            let layers = self.layers.iter().map(|(row, _)| &row.spec);
            protocol.chain(layers).chain([self.transport.spec])
        };
        if let Some(layer) = &setting.layer {
            let error =
                Error::new(Kind::UnknownOption, format!("there is no {layer} in this endpoint"));
            let parts = specs().map(|spec| spec.name).collect::<Vec<_>>().join(", ");
            return setting.typed.mark(error, format!("its parts are: {parts}"));
        }
        let error = Error::new(
            Kind::UnknownOption,
            format!("nothing here has an option {:?}", setting.key),
        );
        let known =
            || specs().flat_map(|spec| spec.options).chain(DOOR_OPTIONS).map(|option| option.name);
        let label = match spec::nearest(&setting.key, known()) {
            Some(near) => format!("did you mean {near}?"),
            None => "not an option of any part".to_owned(),
        };
        let error = setting.typed.mark(error, label);
        error.why(format!("known are: {}", known().collect::<Vec<_>>().join(", ")))
    }

    /// Whether each layer stands on the shape that it needs; the shape on top.
    fn fit(&self) -> Result<Shape> {
        let (mut shape, mut below) = (self.transport.shape, self.transport.spec.name);
        for (row, _) in self.layers.iter().rev() {
            if let Some(needed) = row.below.filter(|needed| *needed != shape) {
                let name = row.spec.name;
                let text = format!("{name} needs {needed} below it, and {below} gives {shape}");
                let error = Error::new(Kind::DoesNotFit, text);
                return Err(error.try_command("hobnob help addresses", "which layer goes on what"));
            }
            shape = row.above.unwrap_or(shape);
            below = row.spec.name;
        }
        Ok(shape)
    }

    /// Everything that is needed to open it in this role, or which part is not built in. Layers read their files now.
    pub(super) fn ready(self, side: Role, bus: &Bus) -> Result<Ready> {
        let (is_turned, role) = match side {
            Role::Server if self.door.flag("dial") => (true, Role::Client),
            Role::Client if self.door.flag("listen") => (true, Role::Server),
            role => (false, role),
        };
        let mut layers = Vec::new();
        for (row, options) in &self.layers {
            let make = row.make.ok_or_else(|| not_built_in("layer", &row.spec))?;
            layers.push(make(options)?);
        }
        let transport = self
            .transport
            .transport
            .ok_or_else(|| not_built_in("transport", self.transport.spec))?;
        let host = match (role, &self.place.target) {
            (Role::Client, Target::Net { host, .. }) => Some(host_name(host)),
            _ => None,
        };
        let addresses = match role {
            Role::Server => socket::interface_addresses(),
            Role::Client => Vec::new(),
        };
        let scene = layer::Scene { role, host, addresses, bus: bus.clone() };
        let stack = Stack::prepare(layers, scene)?;
        Ok(Ready {
            transport,
            dialled: dialled(&self.endpoint, &self.layers, &stack),
            stack,
            place: self.place,
            shape: self.shape,
            has_opening: self.transport.has_opening,
            allow: self.allow,
            is_turned,
            retries: self.door.flag("retry"),
            endpoint: self.endpoint,
            name: self.transport.spec.name,
        })
    }
}

/// A listening endpoint as who dials it says it. What the transport was told is the listener's alone.
fn dialled(endpoint: &str, rows: &[(&layer::Row, Options)], stack: &Stack) -> String {
    let Ok(planned) = parse(endpoint) else { return endpoint.to_owned() };
    let mut there = planned.clone().without_settings();
    for ((row, _), settings) in rows.iter().zip(stack.dialled()) {
        let settings = settings.unwrap_or_else(|| {
            let is_own = |setting: &&Given| match &setting.layer {
                Some(layer) => layer == row.spec.name,
                None => has_option(row.spec.options, &setting.key),
            };
            let own = planned.settings().iter().filter(is_own);
            own.map(|setting| setting.to_string()[1..].to_owned()).collect()
        });
        for setting in settings {
            if there.set(&setting).is_err() {
                return endpoint.to_owned();
            }
        }
    }
    there.to_string()
}

/// Whether one of these options, or its denial, is called so.
fn has_option(options: &[OptionSpec], key: &str) -> bool {
    let denied = key.strip_prefix("no-");
    options.iter().any(|option| option.name == key || Some(option.name) == denied)
}

/// What is wrong with a value stands above the endpoint, and what is expected there under it.
fn marked(setting: &Given, error: Error) -> Error {
    let (wrong, expected) = error.parts();
    let (wrong, expected) = (wrong.to_owned(), expected.to_owned());
    setting.typed.mark(error.with_message(wrong), expected)
}

fn not_built_in(what: &str, spec: &Spec) -> Error {
    let text = format!("the {what} {} is not part of this build of hobnob", spec.name);
    Error::new(Kind::NotBuiltIn, text).try_command("hobnob help addresses", "what is")
}

/// Finds a service.
pub(super) fn find_service(name: &str) -> Result<&'static service::Row> {
    let known = || service::TABLE.iter().map(|row| row.spec.name);
    let Some(row) = service::TABLE.iter().find(|row| row.spec.name == name) else {
        let mut error = Error::new(Kind::UnknownService, format!("there is no service {name:?}"));
        if let Some(near) = spec::nearest(name, known()) {
            error = error.try_command(format!("hobnob serve {near}"), "did you mean this?");
        }
        return Err(error.try_command("hobnob serve", "lists them all"));
    };
    if row.make.is_none() {
        let text = format!("the service {name} is not part of this build of hobnob");
        return Err(Error::new(Kind::NotBuiltIn, text).try_command("hobnob serve", "lists what is"));
    }
    Ok(row)
}

/// Whether a service can be served there; what it would need otherwise.
pub(super) fn check_fit(row: &service::Row, at: &Resolved) -> Result<()> {
    let name = row.spec.name;
    check_shape(name, row.shapes, at)?;
    check_protocol(row.protocol, name, at).map_err(|error| {
        let spoken = at.protocol.as_ref().map(|(spec, _)| spec.name);
        let speaks = |row: &&&service::Row| row.protocol.is_some() && row.protocol == spoken;
        match service::TABLE.iter().find(speaks) {
            Some(row) => {
                let command = format!("hobnob serve {} {}", row.spec.name, quoted(&at.endpoint));
                error.try_command(command, "a service that does")
            }
            None => error,
        }
    })?;
    if row.is_loud && at.shape == Shape::Packets && !is_loopback(&at.place.target) {
        let text = format!(
            "{name} serves packets on this machine only: from elsewhere they would be a weapon"
        );
        let why = "whoever forges a sender's address would turn it against that sender";
        return Err(Error::new(Kind::DoesNotFit, text)
            .why(why)
            .try_endpoint("udp://:9000", "loopback"));
    }
    Ok(())
}

/// Whether the protocol that the endpoint names, if it does, is the one that is spoken there.
pub(super) fn check_protocol(spoken: Option<&'static str>, who: &str, at: &Resolved) -> Result<()> {
    let Some((spec, options)) = at.protocol.as_ref().filter(|(spec, _)| Some(spec.name) != spoken)
    else {
        return Ok(());
    };
    let name = spec.name;
    let error = Error::new(Kind::DoesNotFit, format!("{who} does not speak {name}"))
        .why(format!("{name} is no layer: it is {}", spec.summary));
    let below = at.endpoint.strip_prefix(name).and_then(|rest| rest.strip_prefix('+'));
    Err(match below.filter(|_| *options == Options::of(spec.options)) {
        Some(endpoint) => error.try_endpoint(endpoint, "without it"),
        None => error,
    })
}

/// A path is what a client asks for. A server is asked for any, so one that names a path means something else.
pub(super) fn check_no_path(endpoint: &Endpoint, who: &str) -> Result<()> {
    let is_path = |setting: &&Given| {
        let is_meant = setting.layer.as_deref().is_none_or(|layer| layer == PROTOCOL.name);
        is_meant && PROTOCOL.options.iter().any(|option| option.name == setting.key)
    };
    if endpoint.protocol() != Some(PROTOCOL.name) {
        return Ok(());
    }
    let Some(setting) = endpoint.settings().iter().find(is_path) else { return Ok(()) };
    let text = format!("{who} answers any path, so its address has none");
    let error = Error::new(Kind::DoesNotFit, text);
    let (typed, at) = (setting.typed.text(), setting.typed.range());
    let error = setting.typed.mark(error, "a path is for those who ask");
    if typed != endpoint.typed().text() {
        return Err(error); // it came by -O
    }
    let without = format!("{},{}", typed[..at.start].trim_end_matches(','), &typed[at.end..]);
    Err(error.try_endpoint(without.trim_end_matches(',').replace(",,", ","), "every path"))
}

/// Whether one of these shapes is what the endpoint gives.
pub(super) fn check_shape(name: &str, shapes: &[Shape], at: &Resolved) -> Result<()> {
    if shapes.contains(&at.shape) {
        return Ok(());
    }
    let text =
        format!("{name} does not serve {}, and {} gives {}", at.shape, at.endpoint, at.shape);
    let error = Error::new(Kind::DoesNotFit, text);
    Err(match at.shape {
        Shape::Packets => error.try_endpoint(":9000", "bytes, over tcp"),
        Shape::Bytes => error.try_endpoint("lines+tcp://:9000", "a packet a line, over tcp"),
    })
}

/// Whether what a service says passes the layers of its endpoints. It depends on its options.
pub(super) fn check_lines(name: &str, made: &service::Made, at: &[Resolved]) -> Result<()> {
    if made.says_lines() {
        return Ok(());
    }
    for endpoint in at {
        let Some((layer, options)) = endpoint.layers.iter().find(|(row, _)| row.is_one_line) else {
            continue;
        };
        let layer = layer.spec.name;
        let text = format!("{name} says more than a line at a time, and {layer} takes one");
        let below = endpoint.endpoint.strip_prefix(layer);
        let below = below.and_then(|rest| rest.strip_prefix('+').or(rest.strip_prefix("://")));
        let below = below.filter(|_| options.given().next().is_none());
        let error = Error::new(Kind::DoesNotFit, text)
            .why("a message with a newline in it would be heard as several");
        return Err(error.try_endpoint(below.unwrap_or(":9000"), "without it"));
    }
    Ok(())
}

/// Makes a service of the table.
pub(super) fn make(row: &service::Row, options: &Options) -> Result<service::Made> {
    let name = row.spec.name;
    let make =
        row.make.ok_or_else(|| Error::new(Kind::NotBuiltIn, format!("{name} is not built in")))?;
    make(options)
}

/// The endpoints that a service is to dial, each planned once. It passes on what it gets, so all have one shape.
pub(super) fn targets(
    row: &'static service::Row,
    options: &Options,
    doors: &[Resolved],
    bus: &Bus,
) -> Result<Vec<(String, Ready)>> {
    let mut targets = Vec::new();
    for option in row.targets() {
        let Some(text) = options.text(option.name) else {
            let text = format!("{} needs to know where to: --{} ADDR", row.spec.name, option.name);
            let command = format!("hobnob help {}", row.spec.name);
            return Err(Error::new(Kind::Usage, text).try_command(command, ""));
        };
        let resolved = resolve(&parse(text)?)?;
        check_protocol(None, row.spec.name, &resolved)?;
        for door in doors {
            check_same_shape(row, option, door, &resolved)?;
        }
        if resolved.door.flag("listen") && !resolved.transport.has_opening {
            let name = resolved.transport.spec.name;
            let text = format!("nobody arrives at {name}: there is no conn to wait for");
            let command = format!("hobnob help {}", row.spec.name);
            return Err(Error::new(Kind::DoesNotFit, text).try_command(command, "who can wait"));
        }
        targets.push((text.to_owned(), resolved.ready(Role::Client, bus)?));
    }
    Ok(targets)
}

/// Whether what comes in at the one can go out at the other.
fn check_same_shape(
    row: &service::Row,
    option: &OptionSpec,
    door: &Resolved,
    target: &Resolved,
) -> Result<()> {
    if door.shape == target.shape {
        return Ok(());
    }
    let (here, there) = (&door.endpoint, &target.endpoint);
    let text = format!("{here} gives {}, and {there} gives {}", door.shape, target.shape);
    let why = "bytes have no borders, and packets are nothing but: a framing layer makes one of the other";
    let (here, there) = match door.shape {
        Shape::Bytes => (in_lines(door), there.clone()),
        Shape::Packets => (here.clone(), in_lines(target)),
    };
    let (here, there) = (quoted(&here), quoted(&there));
    let command = format!("hobnob serve {} {here} --{} {there}", row.spec.name, option.name);
    Err(Error::new(Kind::DoesNotFit, text).why(why).try_command(command, "a packet a line"))
}

/// The same place with a packet a line. What has no place is named: a layer does not stand on `-`.
fn in_lines(at: &Resolved) -> String {
    match at.place.target {
        Target::Nothing if at.layers.is_empty() => format!("lines+{}:", at.transport.spec.name),
        _ => format!("lines+{}", at.endpoint),
    }
}

fn is_loopback(target: &Target) -> bool {
    match target {
        Target::Net { host: Host::V4(address), .. } => address.is_loopback(),
        Target::Net { host: Host::V6 { address, .. }, .. } => address.is_loopback(),
        Target::Net { host: Host::Name(name), .. } => name == "localhost",
        _ => true,
    }
}

/// A layer for a conn in mid-session: its name, and its settings behind commas, as an endpoint has them.
pub(super) fn layer(words: &str) -> Result<Box<dyn Layer>> {
    let mut words = words.split(',');
    let name = words.next().unwrap_or_default();
    let row = layer::TABLE.iter().find(|row| row.spec.name == name);
    let row =
        row.ok_or_else(|| Error::new(Kind::DoesNotFit, format!("there is no layer {name:?}")))?;
    let make = row.make.ok_or_else(|| not_built_in("layer", &row.spec))?;
    let mut options = Options::of(row.spec.options);
    for word in words {
        let (key, value) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
        options.set(row.spec.options, key, value)?;
    }
    make(&options)
}

/// An option of a service from the command line: its name and value, unread.
pub(super) fn set_option(
    row: &'static service::Row,
    options: &mut Options,
    name: &str,
    value: Option<&str>,
) -> Result<()> {
    let is_fault =
        row.spec.options.iter().any(|own| own.name == name && own.kind == ValueKind::Fault);
    if let (true, Some(text)) = (is_fault, value) {
        fault::Setting::parse(text)?;
    }
    options.set(row.spec.options, name, value).map_err(|error| {
        let command = format!("hobnob help {}", row.spec.name);
        error.try_command(command, "its options")
    })
}

/// The host as a certificate names it: without brackets and zone.
fn host_name(host: &Host) -> String {
    match host {
        Host::Loopback => "localhost".to_owned(),
        Host::V4(address) => address.to_string(),
        Host::V6 { address, .. } => address.to_string(),
        Host::Name(name) => name.clone(),
    }
}
