//! Who and where: a node of a cluster, and a room, as they stand in subjects.

use std::fmt;

use crate::error::{Error, Kind, Result};

/// Bytes that the name of a room has at most.
const ROOM: usize = 64;

/// The letters of base32 (RFC 4648 section 6), in lower case: each of them may stand in a subject.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// What tells one start of a node from every other: 80 bits by chance, 16 letters of base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 10]);

impl NodeId {
    /// Nobody: the origin of what no node of ours has written.
    pub const NOBODY: NodeId = NodeId([0; 10]);

    /// Somebody of whom nothing can be known: the owner of a name whose record cannot be read.
    pub const STRANGER: NodeId = NodeId([0xff; 10]);

    /// The node that these lots make; of the second, the lower 16 bits count.
    pub fn drawn(lots: [u64; 2]) -> Self {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&lots[0].to_be_bytes());
        bytes[8..].copy_from_slice(&lots[1].to_be_bytes()[6..]);
        NodeId(bytes)
    }

    /// A number that nobody else has.
    pub fn draw() -> Self {
        let lot = crate::clock::draw_seed; // 53 bits each
        Self::drawn([lot() << 11 ^ lot(), lot()])
    }

    /// Reads the 16 letters. None where they are others.
    pub fn read(text: &str) -> Option<Self> {
        let letter = |byte: u8| LETTERS.iter().position(|letter| *letter == byte);
        let bits = text
            .bytes()
            .try_fold(0_u128, |bits, byte| Some(bits << 5 | u128::try_from(letter(byte)?).ok()?));
        let bits = bits.filter(|_| text.len() == 16)?;
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&bits.to_be_bytes()[6..]);
        Some(NodeId(bytes))
    }

    /// Two letters of it, for names that are unique for as long as nobody can be asked.
    pub fn short(&self) -> String {
        base32(&self.0)[..2].to_owned()
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A room of a cluster. Rooms whose names differ in a byte are different rooms, however they look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterRoom {
    name: String,
    token: String,
}

impl ClusterRoom {
    /// The room of this name: 1 to 64 bytes without control characters. What else it is made of does not matter: `*`,
    /// `>` and `a.b` are rooms as any other, because only their letters of base32 reach a server.
    pub fn named(name: &str) -> Result<Self> {
        let wrong = |why: &str| {
            let error = Error::new(Kind::ClusterRoom, format!("a room's name {why}"));
            Err(error.hint_option("room", "lobby", "1 to 64 bytes without control characters"))
        };
        if name.is_empty() {
            return wrong("has at least one character");
        }
        if name.len() > ROOM {
            return wrong(&format!("has at most {ROOM} bytes, and this one has {}", name.len()));
        }
        if name.chars().any(char::is_control) {
            return wrong("has no control characters");
        }
        Ok(ClusterRoom { name: name.to_owned(), token: base32(name.as_bytes()) })
    }

    /// Its name, as a person typed it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The subject of this kind: `in.` and a node, `beat`.
    pub fn subject(&self, kind: impl fmt::Display) -> String {
        format!("hobnob.1.chat.{}.{kind}", self.token)
    }

    /// The name of the stream that keeps what was said.
    pub fn stream(&self) -> String {
        format!("HOBNOB_CHAT_{}", self.token.to_ascii_uppercase())
    }

    /// The name of the stream that keeps whose the names are.
    pub fn name_stream(&self) -> String {
        format!("HOBNOB_NAME_{}", self.token.to_ascii_uppercase())
    }
}

/// The letters of these bytes, without padding.
pub fn base32(bytes: &[u8]) -> String {
    let (mut out, mut bits, mut count) = (String::new(), 0_u32, 0);
    for byte in bytes {
        (bits, count) = (bits << 8 | u32::from(*byte), count + 8);
        while count >= 5 {
            count -= 5;
            out.push(char::from(LETTERS[(bits >> count & 31) as usize]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(char::from(LETTERS[(bits << (5 - count) & 31) as usize]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_of_the_rfc() {
        // RFC 4648 section 10, in lower case and without padding.
        for (bytes, letters) in [
            ("", ""),
            ("f", "my"),
            ("fo", "mzxq"),
            ("foo", "mzxw6"),
            ("foob", "mzxw6yq"),
            ("fooba", "mzxw6ytb"),
            ("foobar", "mzxw6ytboi"),
            ("lobby", "nrxweytz"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), letters);
        }
    }

    #[test]
    fn a_node_is_read_as_it_was_written() {
        for lots in [[0, 0], [u64::MAX, u64::MAX], [0x0123_4567_89ab_cdef, 0x1_beef]] {
            let node = NodeId::drawn(lots);
            assert_eq!(NodeId::read(&node.to_string()), Some(node));
        }
        for wrong in
            ["", "aaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaa1", "AAAAAAAAAAAAAAAA"]
        {
            assert_eq!(NodeId::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn case_37_no_name_of_a_room_is_more_than_a_token() {
        let long = "x".repeat(64);
        for name in ["*", ">", "a.b", " ", "$SYS", "李雷", "a\u{202e}b", &long] {
            let room = ClusterRoom::named(name).expect("a room");
            let subject = room.subject("beat");
            let tokens: Vec<_> = subject.split('.').collect();
            assert_eq!(tokens.len(), 5, "{subject}");
            assert!(tokens[3].bytes().all(|byte| LETTERS.contains(&byte)), "{subject}");
            assert!(room.stream().bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()));
        }
        for name in ["", "a\r\nPUB x", "\0", "\u{9b}", &"x".repeat(65), &"x".repeat(10_240)] {
            let error = ClusterRoom::named(name).expect_err("no room");
            assert_eq!(error.kind(), Kind::ClusterRoom, "{name}");
        }
    }
}
