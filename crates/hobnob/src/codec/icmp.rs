//! Echo requests and replies (RFC 792; RFC 4443, section 4).

use crate::codec::ip::checksum;

/// Bytes before what the request carries: type, code, checksum, identifier and sequence number.
pub const HEADER: usize = 8;

/// The types of requests and replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpTypes {
    request: u8,
    reply: u8,
}

/// ICMP over IPv4.
pub const V4: IcmpTypes = IcmpTypes { request: 8, reply: 0 };
/// ICMP over IPv6, whose checksum the kernel makes: it covers addresses that only the kernel knows (RFC 4443, 2.3).
pub const V6: IcmpTypes = IcmpTypes { request: 128, reply: 129 };

/// A request or a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EchoMessage<'a> {
    /// Whose request it is. The kernel puts its own there on a datagram socket.
    pub identifier: u16,
    /// Its number among those of that identifier.
    pub sequence: u16,
    /// What it carries, and the reply brings back.
    pub payload: &'a [u8],
}

impl IcmpTypes {
    /// Writes a request in place of what is there.
    pub fn request(self, echo: EchoMessage<'_>, into: &mut Vec<u8>) {
        into.clear();
        into.extend([self.request, 0, 0, 0]);
        into.extend(echo.identifier.to_be_bytes());
        into.extend(echo.sequence.to_be_bytes());
        into.extend(echo.payload);
        let sum = checksum(into).to_be_bytes();
        into[2..4].copy_from_slice(&sum);
    }

    /// Reads a reply; none where the message is something else, or is cut.
    pub fn reply(self, message: &[u8]) -> Option<EchoMessage<'_>> {
        let (head, payload) = message.split_first_chunk::<HEADER>()?;
        let is_reply = head[0] == self.reply && head[1] == 0;
        is_reply.then(|| EchoMessage {
            identifier: u16::from_be_bytes([head[4], head[5]]),
            sequence: u16::from_be_bytes([head[6], head[7]]),
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_that_comes_back_as_a_reply_is_read() {
        for types in [V4, V6] {
            let sent = EchoMessage { identifier: 0x1234, sequence: 7, payload: b"odd" };
            let mut message = Vec::new();
            types.request(sent, &mut message);
            assert_eq!((message.len(), checksum(&message)), (HEADER + 3, 0));
            assert_eq!(types.reply(&message), None, "a request is no reply");
            message[0] = types.reply;
            assert_eq!(types.reply(&message), Some(sent));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn crafted_messages_are_read_or_refused(message in prop::collection::vec(any::<u8>(), 0..32)) {
            for types in [V4, V6] {
                if let Some(echo) = types.reply(&message) {
                    prop_assert_eq!(echo.payload.len() + HEADER, message.len());
                }
            }
        }
    }
}
