//! Makes a plan from text, with words and options that are known and fit each other. Nothing is opened. Every mistake
//! in an endpoint is found here, and its error has something to try.

use crate::bus::Bus;
use crate::endpoint::{Endpoint, Form, Given, Grammar, Host, Target, protocol};
use crate::engine::limits::Network;
use crate::engine::stack::{Stack, not_built_in};
use crate::error::{Advice, Error, Kind, Result, SERVICES};
use crate::layer::{self, Role};
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

/// An endpoint whose words have been found in the tables, with every option where it belongs.
pub struct Resolved {
    /// The layers with their options, application first.
    pub layers: Vec<(&'static layer::LayerRow, Options)>,
    /// The transport.
    pub transport: &'static transport::TransportRow,
    /// The transport's target and options.
    pub place: Place,
    /// The shape on top of the layers.
    pub shape: Shape,
    /// The protocol above the layers and what the endpoint says to it, where it names one.
    pub protocol: Option<(&'static Spec, Options)>,
    /// The networks whose peers may come in, where the endpoint names any.
    pub allow: Vec<Network>,
    /// The other options that are the engine's own.
    pub door: Options,
    /// The endpoint itself.
    pub endpoint: Endpoint,
}

/// The protocol that an endpoint names, with its options.
fn protocol(endpoint: &Endpoint) -> Result<Option<(&'static Spec, Options)>> {
    let Some(name) = endpoint.protocol() else { return Ok(None) };
    let spec = protocol::find(name).ok_or_else(|| {
        Error::new(Kind::Bug, "the grammar knows a protocol that the table does not")
    })?;
    Ok(Some((spec, Options::of(spec.options))))
}

/// A resolved endpoint with everything built in, ready to be opened.
#[derive(Clone)]
#[expect(clippy::struct_excessive_bools, reason = "four questions about one endpoint")]
pub(super) struct Ready {
    pub transport: &'static dyn Transport,
    pub stack: Stack,
    pub place: Place,
    pub shape: Shape,
    pub has_opening: bool,
    pub allow: Vec<Network>,
    /// Whether it is dialled although it stands where one listens, or listens although it stands where one dials.
    pub is_turned: bool,
    pub retries: bool,
    pub endpoint: Endpoint,
    /// The endpoint as a client names it.
    pub dialled: Endpoint,
    pub name: &'static str,
    pub has_ports: bool,
}

impl Ready {
    /// The same endpoint so many ports further on.
    pub(super) fn further(&self, by: u16) -> Self {
        let mut other = self.clone();
        if let Target::Net { port: Some(port), .. } = &mut other.place.target {
            *port = port.saturating_add(by);
            let port = *port;
            other.endpoint = other.endpoint.with_port(port);
            other.dialled = other.dialled.with_port(port);
        }
        other
    }

    /// Whether both are bound to one address, so that they can be one entrance. A port that the kernel is to choose is
    /// another port each time.
    pub(super) fn is_bound_with(&self, other: &Ready) -> bool {
        let is_chosen = matches!(self.place.target, Target::Net { port: Some(0), .. });
        let is_same = self.name == other.name && self.place == other.place;
        is_same && !is_chosen && !self.is_turned && !other.is_turned && self.allow == other.allow
    }
}

/// The grammar of endpoints with the words of the tables.
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
        protocol: protocol(endpoint)?,
        allow: Vec::new(),
        door: Options::of(DOOR_OPTIONS),
        endpoint: endpoint.clone(),
    };
    for setting in endpoint.settings() {
        resolved.deal(setting)?;
    }
    resolved.shape = resolved.fit()?;
    Ok(resolved)
}

/// The same endpoint, dialled without a check of the peer's identity, where a layer of it makes one.
pub fn insecure(mut endpoint: Endpoint) -> Result<Endpoint> {
    let checks = |row: &&&layer::LayerRow| has_option(row.spec.options, "insecure");
    for row in layer::TABLE.iter().filter(checks) {
        if endpoint.has_layer(row.spec.name) {
            endpoint.set(&format!("{}.insecure", row.spec.name))?;
        }
    }
    Ok(endpoint)
}

impl Resolved {
    /// A target on a transport that need not be in the table, without layers and with the options' defaults.
    pub fn of(transport: &'static transport::TransportRow, target: Target) -> Self {
        Resolved {
            layers: Vec::new(),
            transport,
            endpoint: Endpoint::of(transport.spec.name, target.clone()),
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
                return set.map_err(|error| self.refused(setting, DOOR_OPTIONS, error));
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
            [(spec, options)] => {
                let known = spec.options;
                let set = options.set(known, key, setting.value.as_deref());
                set.map_err(|error| self.refused(setting, known, error))
            }
            [] => Err(self.unknown(setting)),
            [(one, _), (two, _), ..] => {
                let message = format!("{} and {} both have an option {key:?}", one.name, two.name);
                let error = Error::new(Kind::UnknownOption, message);
                let spelling = format!("{}.{key} or {}.{key}", one.name, two.name);
                Err(setting.typed.mark(error, format!("say {spelling}")))
            }
        }
    }

    /// The error of a setting's value, with the value to try where one is near.
    fn refused(&self, setting: &Given, known: &[OptionSpec], error: Error) -> Error {
        let error = marked(setting, error);
        let spec = known.iter().find(|spec| spec.name == setting.key);
        let value = setting.value.as_deref();
        let Some((value, near)) = value.and_then(|value| Some((value, spec?.near(value)?))) else {
            return error;
        };
        let whole = setting.typed.text();
        let (before, behind) = whole.split_at(setting.typed.range().end);
        let Some(before) = before.strip_suffix(value) else { return error };
        let text = format!("{before}{near}{behind}");
        if whole == self.endpoint.typed().text() {
            error.hint_endpoint(text, "")
        } else {
            error.hint_setting(text, "")
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

    /// Checks that each layer stands on the shape that it needs, and returns the shape on top.
    fn fit(&self) -> Result<Shape> {
        let (mut shape, mut below) = (self.transport.shape, self.transport.spec.name);
        for (row, _) in self.layers.iter().rev() {
            if let Some(needed) = row.below.filter(|needed| *needed != shape) {
                let name = row.spec.name;
                let text = format!("{name} needs {needed} below it, and {below} gives {shape}");
                let error = Error::new(Kind::DoesNotFit, text);
                return Err(error.hint_topic("addresses", "which layer goes on what"));
            }
            shape = row.above.unwrap_or(shape);
            below = row.spec.name;
        }
        Ok(shape)
    }

    /// Makes everything ready to open the endpoint in this role; the error is of a part that is not built in, or of a
    /// layer. Layers read their files now.
    pub(super) fn ready(self, side: Role, bus: &Bus) -> Result<Ready> {
        let (is_turned, role) = match side {
            Role::Server if self.door.flag("dial") => (true, Role::Client),
            Role::Client if self.door.flag("listen") => (true, Role::Server),
            role => (false, role),
        };
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
        let scene = layer::Surroundings { role, host, addresses, bus: bus.clone() };
        let layers = self.layers.clone();
        let stack = Stack::prepare(self.layers, scene)?;
        Ok(Ready {
            transport,
            dialled: dialled(&self.endpoint, &layers, &stack, transport.dialled(&self.place)),
            stack,
            place: self.place,
            shape: self.shape,
            has_opening: self.transport.has_opening,
            allow: self.allow,
            is_turned,
            retries: self.door.flag("retry"),
            endpoint: self.endpoint,
            name: self.transport.spec.name,
            has_ports: self.transport.form == Form::HostPort,
        })
    }
}

/// A listening endpoint as a client names it. Other settings of the transport than these are for the listener alone, and
/// left out.
fn dialled(
    planned: &Endpoint,
    rows: &[(&layer::LayerRow, Options)],
    stack: &Stack,
    of_transport: Vec<String>,
) -> Endpoint {
    let mut there = planned.clone().without_settings();
    for setting in of_transport {
        if there.set(&setting).is_err() {
            return planned.clone();
        }
    }
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
                return planned.clone();
            }
        }
    }
    there
}

/// Whether one of these options has this name, or this is its name with `no-` before it.
fn has_option(options: &[OptionSpec], key: &str) -> bool {
    let denied = key.strip_prefix("no-");
    options.iter().any(|option| option.name == key || Some(option.name) == denied)
}

/// The error of a setting's value: what is wrong stands above the endpoint, and what is expected under it.
fn marked(setting: &Given, error: Error) -> Error {
    let (wrong, expected) = error.parts();
    let (wrong, expected) = (wrong.to_owned(), expected.to_owned());
    setting.typed.mark(error.with_message(wrong), expected)
}

/// Finds a service.
pub(super) fn find_service(name: &str) -> Result<&'static service::ServiceRow> {
    let known = || service::TABLE.iter().filter(|row| row.make.is_some()).map(|row| row.spec.name);
    let Some(row) = service::TABLE.iter().find(|row| row.spec.name == name) else {
        let mut error = Error::new(Kind::UnknownService, format!("there is no service {name:?}"));
        if let Some(near) = spec::nearest(name, known()) {
            let near = Advice::Serve { service: near, at: None, with: None };
            error = error.hint(near, "did you mean this?");
        }
        return Err(error.hint_topic(SERVICES, "lists them all"));
    };
    if row.make.is_none() {
        let text = format!("the service {name} is not part of this build of hobnob");
        return Err(Error::new(Kind::NotBuiltIn, text).hint_topic(SERVICES, "lists what is"));
    }
    Ok(row)
}

/// Makes a service of the table.
pub(super) fn make(row: &service::ServiceRow, options: &Options) -> Result<service::Made> {
    let name = row.spec.name;
    let make =
        row.make.ok_or_else(|| Error::new(Kind::NotBuiltIn, format!("{name} is not built in")))?;
    make(options)
}

/// A layer for a conn in mid-session: its name, and its settings behind commas, as an endpoint has them.
pub(super) fn layer(words: &str) -> Result<(&'static layer::LayerRow, Options)> {
    let (name, settings) = words.split_once(',').unwrap_or((words, ""));
    let row = layer::TABLE.iter().find(|row| row.spec.name == name).copied();
    let row =
        row.ok_or_else(|| Error::new(Kind::DoesNotFit, format!("there is no layer {name:?}")))?;
    let mut options = Options::of(row.spec.options);
    let mut given = Endpoint::of(name, Target::Nothing);
    if !settings.is_empty() {
        given.set(settings)?;
    }
    for setting in given.settings() {
        options.set(row.spec.options, &setting.key, setting.value.as_deref())?;
    }
    Ok((row, options))
}

/// An endpoint as it is dialled, and a layer that is put on its conn later, as STARTTLS does, with the settings that are
/// the layer's and nothing in the endpoint knows: `smtp://h:25,ca=dev` is `smtp://h:25` and `tls,ca=dev`.
pub(super) fn set_apart(mut endpoint: Endpoint, layer: &str) -> (Endpoint, String) {
    let Some(row) = layer::TABLE.iter().find(|row| row.spec.name == layer) else {
        return (endpoint, layer.to_owned());
    };
    if endpoint.has_layer(layer) {
        return (endpoint, layer.to_owned());
    }
    let present: Vec<&[OptionSpec]> = transport::TABLE
        .iter()
        .filter(|row| row.spec.name == endpoint.transport().name())
        .map(|row| row.spec.options)
        .chain(
            layer::TABLE
                .iter()
                .filter(|row| endpoint.has_layer(row.spec.name))
                .map(|row| row.spec.options),
        )
        .chain([DOOR_OPTIONS])
        .collect();
    let others = endpoint.take_settings(|given| match &given.layer {
        Some(named) => named == layer,
        None => {
            has_option(row.spec.options, &given.key)
                && !present.iter().any(|options| has_option(options, &given.key))
        }
    });
    let others = others.iter().map(|given| {
        let text = given.to_string();
        let text = text.trim_start_matches(',');
        format!(",{}", text.strip_prefix(&format!("{layer}.")).unwrap_or(text))
    });
    let words = others.collect::<String>();
    (endpoint, format!("{layer}{words}"))
}

/// Sets an option of a service from the texts of its name and value.
pub(super) fn set_option(
    row: &'static service::ServiceRow,
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
        let spec = row.spec.options.iter().find(|own| own.name == name);
        let near = spec.and_then(|own| Some((own.name, own.near(value?)?)));
        let error = match near {
            Some((name, near)) => error.hint_option(name, near, ""),
            None => error,
        };
        error.hint_topic(row.spec.name, "its options")
    })
}

/// The host as a certificate names it: without brackets and zone.
pub(super) fn host_name(host: &Host) -> String {
    match host {
        Host::Loopback => "localhost".to_owned(),
        Host::V4(address) => address.to_string(),
        Host::V6 { address, .. } => address.to_string(),
        Host::Name(name) => name.clone(),
    }
}
