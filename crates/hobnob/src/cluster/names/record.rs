//! What stands for a name in the stream of names: whose it is.

use std::sync::Arc;

use super::super::batch::VERSION;
use super::super::name::{NodeId, base32};
use crate::codec::json::{JsonValue, JsonWriter};

/// Bytes that a record may have.
const RECORD_BYTES: usize = 4_096;

/// Characters that are kept of a node's name.
const SHOWN: usize = 32;

/// Whose a name is. Its texts come from a peer: who shows them escapes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRecord {
    /// The node whose member has it; [`NodeId::NOBODY`]: it was given back.
    pub owner: NodeId,
    /// The name as its member typed it.
    pub name: Arc<str>,
    /// What people call the node.
    pub node: Arc<str>,
}

impl NameRecord {
    /// Its text.
    pub fn text(&self) -> String {
        let mut json = JsonWriter::default();
        json.begin('{').name("v").plain(VERSION).name("o").text(&self.owner.to_string());
        json.name("n").text(&self.name).name("node").text(&self.node).end('}');
        json.finish()
    }

    /// Reads one. What is none is somebody's all the same, whom nobody knows: a name is never taken from who cannot be told.
    pub fn read(body: &[u8]) -> Self {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= RECORD_BYTES);
        let value = text.and_then(JsonValue::read).unwrap_or(JsonValue::Null);
        let node: String = value.text("node").chars().take(SHOWN).collect();
        NameRecord {
            owner: NodeId::read(value.text("o")).unwrap_or(NodeId::STRANGER),
            name: value.text("n").into(),
            node: node.into(),
        }
    }
}

/// What two names have in common that nobody should take for two.
pub fn name_key(name: &str) -> Arc<str> {
    name.to_lowercase().into()
}

/// The last word of the subject of a name.
pub fn name_token(key: &str) -> String {
    base32(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written_and_whatever_comes_is_a_strangers(
            lots: [u64; 2], name in ".{0,32}", node in ".{0,32}", cut in 1..8_usize, rubbish: Vec<u8>,
        ) {
            let owner = NodeId::drawn(lots);
            let record = NameRecord { owner, name: name.into(), node: node.into() };
            prop_assert_eq!(NameRecord::read(&rubbish).owner, NodeId::STRANGER);
            let text = record.text();
            let short = &text.as_bytes()[..text.len() - cut];
            prop_assert_eq!(NameRecord::read(short).owner, NodeId::STRANGER);
            prop_assert_eq!(NameRecord::read(text.as_bytes()), record);
        }
    }

    #[test]
    fn what_cannot_be_read_is_somebodys() {
        for body in ["", "{}", "{\"o\":\"x\"}", "[", &"x".repeat(5_000)] {
            assert_eq!(NameRecord::read(body.as_bytes()).owner, NodeId::STRANGER, "{body}");
        }
        assert_eq!(name_key("ÄdA"), name_key("äda"));
        assert_eq!(name_token("*.>"), "fixd4");
    }
}
