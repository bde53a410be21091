//! What a room over many nodes says of them.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{NodeId, NodeIs, NodeTold};
use crate::event::Fact;
use crate::spec::show_duration;

/// What a node tells, in lines of the room's own.
pub(super) fn told(told: &NodeTold, name: impl Fn(NodeId) -> String) -> Vec<String> {
    let line = match told {
        NodeTold::Alone => {
            "* the other nodes cannot be reached: you are heard here only, and there when they are \
                            back"
                .to_owned()
        }
        NodeTold::Missed { origin, from: Some(from), before } => match before - from {
            1 => format!("* one message from node {} is missing", name(*origin)),
            count => format!("* {count} messages from node {} are missing", name(*origin)),
        },
        NodeTold::Missed { origin, from: None, .. } => {
            format!("* messages from node {} are missing; how many is not known", name(*origin))
        }
        NodeTold::Dropped(from, to) => {
            format!(
                "* {} messages that waited for the other nodes were dropped: too many wait",
                to + 1 - from
            )
        }
        NodeTold::WentBack => "* what was said before is gone: the cluster lost it".to_owned(),
        NodeTold::Twin => {
            "* somebody speaks in the name of this node: what it says here is not ours".to_owned()
        }
        NodeTold::Joined | NodeTold::Heard { .. } | NodeTold::Own { .. } | NodeTold::Back(_) => {
            return Vec::new();
        }
    };
    vec![line]
}

/// What a node tells, as a fact for whoever looks at the server.
pub(super) fn fact(told: &NodeTold, name: impl Fn(NodeId) -> String) -> Option<Fact> {
    Some(match told {
        NodeTold::Alone => Fact::Warning(
            "the other nodes cannot be reached: members are heard here only".to_owned(),
        ),
        NodeTold::Back(away) => {
            let away = show_duration(Duration::from_secs(away.as_secs()));
            Fact::Note(format!("the other nodes are back after {away}"))
        }
        NodeTold::Missed { origin, from, before } => {
            let count = from.map_or("some".to_owned(), |from| (before - from).to_string());
            Fact::Warning(format!("of node {}, {count} lines are missing", name(*origin)))
        }
        NodeTold::WentBack => {
            Fact::Warning("the servers have lost what was said before".to_owned())
        }
        NodeTold::Twin => Fact::Warning("somebody speaks in the name of this node".to_owned()),
        _ => return None,
    })
}

/// The other nodes are back; so many lines were said there, some of them before this node began.
pub(super) fn back(count: usize, is_of_before: bool) -> String {
    match count {
        count if is_of_before => {
            format!("* the other nodes are back; these are the last {count} messages from there:")
        }
        0 => "* the other nodes are back; nothing was said there meanwhile".to_owned(),
        1 => "* the other nodes are back; one message was said there meanwhile:".to_owned(),
        count => format!("* the other nodes are back; {count} messages were said there meanwhile:"),
    }
}

/// So many of them are not shown.
pub(super) fn unkept(count: u64) -> String {
    format!("* {count} of the first of them are not shown: too many")
}

/// What comes now waited so many milliseconds at its node.
pub(super) fn away(name: &str, waited: u64) -> String {
    let seconds = Duration::from_secs(waited / 1_000);
    format!("* from node {name}, which was away for {}:", show_duration(seconds))
}

/// What became of a node.
pub(super) fn node(name: &str, is: NodeIs, members: u64) -> String {
    let who = match members {
        0 => String::new(),
        1 => ", and one who was there".to_owned(),
        members => format!(", and {members} who were there"),
    };
    match is {
        NodeIs::Came => format!("* node {name} is here"),
        NodeIs::Unreachable => format!("* node {name} is not reached"),
        NodeIs::Gone => format!("* node {name} is gone{who}"),
    }
}

/// What a welcome says of other nodes: how many, and how many members they have.
pub(super) fn elsewhere((nodes, members): (u64, u64)) -> String {
    match nodes {
        0 => String::new(),
        1 => format!(", {members} at one other node"),
        nodes => format!(", {members} at {nodes} other nodes"),
    }
}

/// Who is here.
pub(super) fn here(names: &[Arc<str>], count: usize) -> String {
    let more = match count - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = if count == 0 { "nobody".to_owned() } else { names.join(", ") };
    format!("* here: {names}{more}")
}

/// Who is at another node; `silence`: for how long nothing was heard of it.
pub(super) fn there(name: &str, names: &[String], count: u64, silence: Option<Duration>) -> String {
    let silence = silence.map_or_else(String::new, |silence| {
        format!(" (not reached for {})", show_duration(Duration::from_secs(silence.as_secs())))
    });
    let more = match count.saturating_sub(names.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("; at {name}{silence}: {}{more}", names.join(", "))
}
