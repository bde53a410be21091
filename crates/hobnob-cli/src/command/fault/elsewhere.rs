//! What other processes serve, as their control sockets tell of it.

use hobnob::engine;
use hobnob::error::{Error, Result};
use serde_json::{Value, json};

use crate::control::{Caller, Survey};
use crate::report::brief::brief;

/// All servers of all processes.
pub(super) struct Elsewhere {
    pub(super) servers: Vec<RemoteServer>,
    /// Processes that are there and could not be asked.
    pub(super) silent: Vec<(u32, Error)>,
    callers: Vec<Caller>,
}

/// One server.
pub(super) struct RemoteServer {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) service: String,
    pub(super) state: String,
    pub(super) sessions: u64,
    pub(super) bound: Vec<RemoteBound>,
    /// Where to, if it stands between two sides.
    pub(super) targets: Vec<String>,
    /// What its knobs turn, if it has some: `faults` or `replies`.
    pub(super) knobs: String,
    caller: usize,
}

/// Where it listens.
pub(super) struct RemoteBound {
    pub(super) transport: String,
    pub(super) endpoint: String,
    pub(super) address: String,
}

/// What bends a relay.
pub(super) struct Knobs {
    /// Where its chance comes from.
    pub(super) seed: u64,
    pub(super) faults: Vec<Bending>,
}

/// One fault that is on.
pub(super) struct Bending {
    /// The setting that it is of, as it was typed.
    pub(super) setting: String,
    pub(super) kind: String,
    /// What it has hit on the way to the target, if it is for that way.
    pub(super) up: Option<u64>,
    /// The same on the way back.
    pub(super) down: Option<u64>,
}

impl Elsewhere {
    /// What the processes said of themselves.
    pub(super) fn of(survey: Survey) -> Self {
        let mut all = Elsewhere { servers: Vec::new(), silent: survey.silent, callers: Vec::new() };
        for (caller, hello) in survey.heard {
            let (at, pid) = (all.callers.len(), caller.pid);
            all.servers
                .extend(items(&hello["servers"]).map(|told| RemoteServer::of(pid, at, told)));
            all.callers.push(caller);
        }
        all
    }

    /// Has these faults on at a server from now on and no others, or leaves all as it is; what is on then.
    pub(super) fn bend(&mut self, at: usize, change: Option<&Change<'_>>) -> Result<Knobs> {
        let server = &self.servers[at];
        let mut request = json!({ "v": 1, "ask": "fault", "name": server.name });
        if let Some(change) = change {
            request["set"] = json!(change.faults);
            if let Some(like) = change.like {
                request["like"] = json!(like);
            }
        }
        let answer = self.callers[server.caller].ask(&request)?;
        let faults = items(&answer["faults"]).map(Bending::of).collect();
        Ok(Knobs { seed: answer["seed"].as_u64().unwrap_or(0), faults })
    }
}

/// What is to be on.
pub(super) struct Change<'c> {
    /// The profile of a kind of network.
    pub(super) like: Option<&'c str>,
    pub(super) faults: &'c [String],
}

impl RemoteServer {
    fn of(pid: u32, caller: usize, told: &Value) -> Self {
        RemoteServer {
            pid,
            name: text(&told["name"]),
            service: text(&told["service"]),
            state: text(&told["state"]),
            sessions: told["sessions"].as_u64().unwrap_or(0),
            bound: items(&told["bound"]).map(RemoteBound::of).collect(),
            targets: items(&told["targets"]).map(text).collect(),
            knobs: text(&told["knobs"]),
            caller,
        }
    }

    /// Whether something can be turned at it: it is a relay, or answers on purpose.
    pub(super) fn has_knobs(&self) -> bool {
        !self.knobs.is_empty()
    }

    /// Its name and its process: nothing else is called so.
    pub(super) fn own_name(&self) -> String {
        format!("{}@{}", self.name, self.pid)
    }

    /// The ports that it listens at, as `:6380`, or its paths.
    pub(super) fn doors(&self) -> impl Iterator<Item = String> {
        self.bound.iter().map(|bound| {
            let port = bound.address.rsplit_once(':').map(|(_, port)| port);
            let port = port.filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
            port.map_or_else(|| short(&bound.endpoint), |port| format!(":{port}"))
        })
    }

    /// Where its sessions are passed on to, as it is typed.
    pub(super) fn aims(&self) -> impl Iterator<Item = String> {
        self.targets.iter().map(|target| short(target))
    }

    /// Whether it listens at what was typed: a port, an address or a path.
    pub(super) fn listens_at(&self, typed: &str) -> bool {
        let bare = bare(typed);
        self.doors().any(|door| door == bare || door.strip_prefix(':') == Some(bare))
            || self
                .bound
                .iter()
                .any(|bound| bound.address == bare || short(typed) == short(&bound.endpoint))
    }

    /// Whether it passes on to what was typed.
    pub(super) fn leads_to(&self, typed: &str) -> bool {
        let bare = bare(typed);
        let is_it =
            |aim: &str| aim == bare || aim == short(typed) || aim.strip_prefix(':') == Some(bare);
        self.aims().any(|aim| is_it(&aim))
    }

    /// `tcp 127.0.0.1:6380  »  redis.local:6379`.
    pub(super) fn sides(&self, arrow: &str) -> String {
        let from = self.bound.first().map(|one| format!("{} {}", one.transport, one.address));
        let to: Vec<_> = self.targets.iter().map(|target| short(target)).collect();
        let sides = [from, Some(to.join(", ")).filter(|to| !to.is_empty())];
        sides.into_iter().flatten().collect::<Vec<_>>().join(&format!("  {arrow}  "))
    }
}

impl RemoteBound {
    fn of(told: &Value) -> Self {
        let [transport, endpoint, address] =
            ["transport", "endpoint", "addr"].map(|key| text(&told[key]));
        RemoteBound { transport, endpoint, address }
    }
}

impl Bending {
    fn of(told: &Value) -> Self {
        let [setting, kind] = ["setting", "kind"].map(|key| text(&told[key]));
        Bending { setting, kind, up: told["up"].as_u64(), down: told["down"].as_u64() }
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// What was typed without the transport before it, and without a host that is this machine.
fn bare(typed: &str) -> &str {
    let typed = typed.split_once("://").map_or(typed, |(_, rest)| rest);
    let here = ["localhost", "127.0.0.1", "[::1]"].iter().find_map(|host| typed.strip_prefix(host));
    here.filter(|port| port.starts_with(':')).unwrap_or(typed)
}

/// An endpoint of another process, which may know more of them than this one.
pub(super) fn short(target: &str) -> String {
    engine::parse(target).map_or_else(|_| target.to_owned(), |endpoint| brief(&endpoint))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
