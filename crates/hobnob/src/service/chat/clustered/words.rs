//! What a room over many nodes says of them.

use std::time::Duration;

use crate::cluster::{NodeId, NodeIs, NodeTold};
use crate::spec::show_duration;

/// What a node tells, in lines of the room's own.
pub(super) fn told(told: &NodeTold, name: impl Fn(NodeId) -> String) -> Vec<String> {
    let line = match told {
        NodeTold::Alone => {
            "* the other nodes cannot be reached: you are heard here only, and there when they are \
                            back"
                .to_owned()
        }
        NodeTold::Missed { origin, from: Some(from), before, .. } => match before - from {
            1 => format!("* one message from node {} is missing", name(*origin)),
            count => format!("* {count} messages from node {} are missing", name(*origin)),
        },
        NodeTold::Missed { origin, from: None, .. } => {
            format!("* messages from node {} are missing; how many is not known", name(*origin))
        }
        NodeTold::TooLong(from, to) => match to + 1 - from {
            1 => {
                "* one message of ours may reach no other node: too long for the servers".to_owned()
            }
            count => {
                format!(
                    "* {count} messages of ours may reach no other node: too long for the servers"
                )
            }
        },
        NodeTold::WentBack => "* what was said before is gone: the cluster lost it".to_owned(),
        NodeTold::Expired => {
            "* some of what was said there meanwhile is gone: the servers keep it for an hour"
                .to_owned()
        }
        NodeTold::Joined
        | NodeTold::Dropped(..)
        | NodeTold::Twin
        | NodeTold::Heard { .. }
        | NodeTold::Own { .. }
        | NodeTold::Unreadable { .. }
        | NodeTold::Back(_) => {
            return Vec::new();
        }
    };
    vec![line]
}

/// The other nodes are back; so many lines were said there, some of them before this node began.
pub(super) fn back(count: u64, is_of_before: bool) -> String {
    match count {
        1 if is_of_before => {
            "* the other nodes are back; this is the last message from there:".to_owned()
        }
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

/// What a member said is larger than the servers take.
pub(super) fn too_long(most: usize) -> String {
    format!("* too long: at most {most} bytes")
}

/// Another node's member has a name.
pub(super) fn taken(name: &str, node: &str) -> String {
    format!("{name} is taken, at node {node}")
}

/// A member has a name of its own until somebody can be asked for the one that it wants.
pub(super) fn lent(name: &str) -> String {
    format!("* you are {name} until the other nodes are back")
}

/// A member has another name than before, which it did not choose now.
pub(super) fn regained(name: &str) -> String {
    format!("* you are {name} now")
}

/// Nodes that a list of members has no room for.
pub(super) fn more_nodes(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => "; and one more node".to_owned(),
        count => format!("; and {count} more nodes"),
    }
}

/// So many messages of members here were dropped before the other nodes had them.
pub(super) fn dropped(count: u64) -> String {
    let why = "too many wait";
    match count {
        1 => format!("* one message that waited for the other nodes was dropped: {why}"),
        count => format!("* {count} messages that waited for the other nodes were dropped: {why}"),
    }
}

/// So many messages of a node cannot be shown.
pub(super) fn unreadable(name: &str, count: u64) -> String {
    let why = "another version, or too long";
    match count {
        1 => format!("* one message from node {name} cannot be shown: {why}"),
        count => format!("* {count} messages from node {name} cannot be shown: {why}"),
    }
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
