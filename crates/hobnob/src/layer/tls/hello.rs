//! A server name that is no host name: `localhost:8443` as hey sends it, `[::1]` as socat does. RFC 6066, section 3, says
//! that it must be one; OpenSSL takes what comes, and rustls ends the handshake. So what rustls reads has no such name:
//! the extension gets a number that nobody knows, which it must skip (RFC 8446, section 4.1.2).
//!
//! The peer has signed what it sent, and not what rustls reads. So the hash of the handshake, which both sides must agree
//! on, is of what was sent: each hash of ours gives the extension its number back. This needs no word between the two: it
//! can be seen in the message. A peer gains nothing by that, as it could have sent either message itself.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
use rustls::crypto::hash::{Context, Hash, HashAlgorithm, Output};
use rustls::pki_types::ServerName;
use rustls::{CipherSuiteCommon, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use crate::crypto::provider;

/// The extension `server_name` (RFC 6066, section 3).
const SERVER_NAME: [u8; 2] = [0, 0];
/// Of the range for private use (RFC 8447, section 7).
const HIDDEN: [u8; 2] = [0xfe, 0x4e];
/// The type of a handshake message with which a client begins (RFC 8446, section 4).
const CLIENT_HELLO: u8 = 1;
/// The type and the length of a handshake message.
const HEADER: usize = 4;

/// The name that a client's first message asks for, if it is no host name. It is hidden, unless rustls skips it by itself.
pub(super) fn hide_name(message: &mut [u8]) -> Option<Vec<u8>> {
    let extension = extension(message, SERVER_NAME)?;
    let name = name(&message[extension.clone()])?;
    let kind = ServerName::try_from(name);
    let name = name.to_vec();
    match kind {
        Ok(ServerName::DnsName(_)) => return None,
        Ok(_) => {}
        Err(_) => message[extension][..2].copy_from_slice(&HIDDEN),
    }
    Some(name)
}

/// Whether this is a client's first message, or its second after a `HelloRetryRequest`.
pub(super) fn is_hello(message: &[u8]) -> bool {
    message.first() == Some(&CLIENT_HELLO)
}

/// Where the number of a name stands that was hidden. None also where the peer has sent that number itself.
fn hidden(message: &[u8]) -> Option<Range<usize>> {
    let extension = extension(message, HIDDEN)?;
    let is_ours =
        name(&message[extension.clone()]).is_some_and(|it| ServerName::try_from(it).is_err());
    let is_alone = self::extension(message, SERVER_NAME).is_none();
    (is_ours && is_alone).then_some(extension.start..extension.start + 2)
}

/// Where an extension of a client's first message stands, with its head.
fn extension(message: &[u8], number: [u8; 2]) -> Option<Range<usize>> {
    if !is_hello(message) {
        return None;
    }
    // Version and random; then the id of a session, ciphers and compressions, each after its length.
    let mut at = HEADER + 2 + 32;
    for width in [1, 2, 1] {
        at += width + length(message, at, width)?;
    }
    let end = message.len().min(at + 2 + length(message, at, 2)?);
    at += 2;
    while at < end {
        let next = at + 4 + length(message, at + 2, 2)?;
        if message.get(at..at + 2)? == number {
            return (next <= end).then_some(at..next);
        }
        at = next;
    }
    None
}

/// The first name of the extension, if that is of the type `host_name`.
fn name(extension: &[u8]) -> Option<&[u8]> {
    let (kind, name) = extension.get(6..)?.split_first()?;
    let length = length(name, 0, 2)?;
    (*kind == 0).then(|| name.get(2..2 + length))?
}

/// A length of one or two bytes.
fn length(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let bytes = bytes.get(at..at + width)?;
    Some(bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)))
}

/// The same cryptography for a side that is dialled: its hashes know what was hidden.
pub(super) fn knowing(plain: &CryptoProvider) -> Arc<CryptoProvider> {
    /// Made once, as rustls wants suites that are never dropped.
    static SUITES: LazyLock<Vec<SupportedCipherSuite>> =
        LazyLock::new(|| provider().cipher_suites.iter().map(suite).collect());
    let cipher_suites = SUITES.clone();
    Arc::new(CryptoProvider { cipher_suites, ..plain.clone() })
}

fn suite(suite: &SupportedCipherSuite) -> SupportedCipherSuite {
    let common = |common: &CipherSuiteCommon| CipherSuiteCommon {
        suite: common.suite,
        hash_provider: Box::leak(Box::new(Knowing(common.hash_provider))),
        confidentiality_limit: common.confidentiality_limit,
    };
    match suite {
        SupportedCipherSuite::Tls13(suite) => {
            let suite = Tls13CipherSuite {
                common: common(&suite.common),
                hkdf_provider: suite.hkdf_provider,
                aead_alg: suite.aead_alg,
                quic: suite.quic,
            };
            SupportedCipherSuite::Tls13(Box::leak(Box::new(suite)))
        }
        SupportedCipherSuite::Tls12(suite) => {
            let suite = Tls12CipherSuite {
                common: common(&suite.common),
                prf_provider: suite.prf_provider,
                kx: suite.kx,
                sign: suite.sign,
                aead_alg: suite.aead_alg,
            };
            SupportedCipherSuite::Tls12(Box::leak(Box::new(suite)))
        }
    }
}

/// A hash that takes what was hidden as it was sent.
struct Knowing(&'static dyn Hash);

impl Hash for Knowing {
    fn start(&self) -> Box<dyn Context> {
        Box::new(RunningHash(self.0.start()))
    }

    fn hash(&self, data: &[u8]) -> Output {
        let mut running = self.start();
        running.update(data);
        running.finish()
    }

    fn output_len(&self) -> usize {
        self.0.output_len()
    }

    fn algorithm(&self) -> HashAlgorithm {
        self.0.algorithm()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct RunningHash(Box<dyn Context>);

impl Context for RunningHash {
    fn fork_finish(&self) -> Output {
        self.0.fork_finish()
    }

    fn fork(&self) -> Box<dyn Context> {
        Box::new(RunningHash(self.0.fork()))
    }

    fn finish(self: Box<Self>) -> Output {
        self.0.finish()
    }

    /// The data are whole messages; after a `HelloRetryRequest` the client's second one comes behind others.
    fn update(&mut self, mut data: &[u8]) {
        while data.len() >= HEADER {
            let (high, low) = (length(data, 1, 1), length(data, 2, 2));
            let length = (high.unwrap_or(0) << 16) | low.unwrap_or(0);
            let (message, rest) = data.split_at(data.len().min(HEADER + length));
            match hidden(message) {
                Some(number) => {
                    self.0.update(&message[..number.start]);
                    self.0.update(&SERVER_NAME);
                    self.0.update(&message[number.end..]);
                }
                None => self.0.update(message),
            }
            data = rest;
        }
        self.0.update(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message of a client that asks for a name, with other extensions around it.
    fn hello(name: &[u8]) -> Vec<u8> {
        let u16 = |length: usize| u16::try_from(length).expect("short").to_be_bytes();
        let mut extensions = vec![0x0a, 0x0a, 0, 0];
        extensions.extend([0, 0]);
        extensions.extend(u16(name.len() + 5));
        extensions.extend(u16(name.len() + 3));
        extensions.push(0);
        extensions.extend(u16(name.len()));
        extensions.extend(name);
        extensions.extend([0, 43, 0, 3, 2, 3, 4]);
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([2, 8, 9]);
        body.extend([0, 2, 0x13, 1]);
        body.extend([1, 0]);
        body.extend(u16(extensions.len()));
        body.extend(extensions);
        let mut message = vec![CLIENT_HELLO, 0];
        message.extend(u16(body.len()));
        message.extend(body);
        message
    }

    fn hash() -> Knowing {
        let provider = provider();
        let hash = provider.cipher_suites.iter().find_map(|suite| match suite {
            SupportedCipherSuite::Tls13(suite) => Some(suite.common.hash_provider),
            SupportedCipherSuite::Tls12(_) => None,
        });
        Knowing(hash.expect("a suite"))
    }

    #[test]
    fn what_is_no_host_name_is_hidden_and_hashed_as_it_was_sent() {
        for name in [&b"localhost:8443"[..], b"[::1]", b"a b", b"\xff", b"*"] {
            let sent = hello(name);
            let mut read = sent.clone();
            assert_eq!(hide_name(&mut read).as_deref(), Some(name));
            assert_eq!(extension(&read, SERVER_NAME), None);
            let hash = hash();
            assert_eq!(hash.hash(&read).as_ref(), hash.0.hash(&sent).as_ref());
            // Behind other messages, as after a `HelloRetryRequest`; and cut short, as for a binder of TLS 1.3.
            let other = [254, 0, 0, 1, 9];
            let (behind, whole) = ([&other[..], &read].concat(), [&other[..], &sent].concat());
            assert_eq!(hash.hash(&behind).as_ref(), hash.0.hash(&whole).as_ref());
            let (cut, part) = (&read[..read.len() - 2], &sent[..sent.len() - 2]);
            assert_eq!(hash.hash(cut).as_ref(), hash.0.hash(part).as_ref());
        }
    }

    #[test]
    fn host_names_and_addresses_stay() {
        for (name, is_told) in
            [(&b"localhost"[..], false), (b"_x.test", false), (b"127.0.0.1", true), (b"::1", true)]
        {
            let mut read = hello(name);
            assert_eq!(hide_name(&mut read).is_some(), is_told);
            assert_eq!(read, hello(name));
        }
    }

    #[test]
    fn what_is_cut_anywhere_is_left_alone() {
        let whole = hello(b"localhost:8443");
        for length in 0..whole.len() {
            let mut part = whole[..length].to_vec();
            let _ = hide_name(&mut part);
            let hash = hash();
            assert_eq!(hash.hash(&part).as_ref(), hash.0.hash(&whole[..length]).as_ref());
        }
    }
}
