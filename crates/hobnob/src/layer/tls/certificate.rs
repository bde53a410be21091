//! What stands in a certificate, for a person to read.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::SupportedCipherSuite;
use rustls::crypto::CryptoProvider;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

/// The names that a certificate is for; where it has none, its subject.
pub(super) fn names(der: &[u8]) -> Vec<String> {
    let names = alternative_names(der);
    if names.is_empty() { subject(der).into_iter().collect() } else { names }
}

/// Whom a certificate says that it is for, in a way that no name of a host follows from: `CN=localhost`.
pub(super) fn subject(der: &[u8]) -> Option<String> {
    Some(parse(der)?.subject().to_string())
}

/// The version of X.509: 1, 2 or 3.
pub(super) fn version(der: &[u8]) -> Option<u32> {
    Some(parse(der)?.version().0 + 1)
}

/// The key that the certificate is about, as it stands there (RFC 5280, section 4.1.2.7): the whole `SubjectPublicKeyInfo`,
/// and the bits of the key alone.
pub(super) fn key(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let certificate = parse(der)?;
    let key = certificate.public_key();
    Some((key.raw.to_vec(), key.subject_public_key.data.to_vec()))
}

/// Keys with which we check that a peer has them.
pub(super) const CHECKED_KEYS: &str =
    "plain RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 and P-521, and Ed25519";

/// The kind of that key, in words, where it is none of [`CHECKED_KEYS`].
pub(super) fn unchecked_key(der: &[u8]) -> Option<String> {
    let certificate = parse(der)?;
    let key = certificate.public_key();
    let kind = key.algorithm.algorithm.to_id_string();
    let curve = || key.algorithm.parameters.as_ref()?.as_oid().ok().map(|oid| oid.to_id_string());
    match (kind.as_str(), key.parsed().ok()?) {
        (PLAIN_RSA, PublicKey::RSA(key)) if (2_048..=8_192).contains(&key.key_size()) => None,
        (_, PublicKey::RSA(key)) => Some(format!("RSA of {} bits", key.key_size())),
        (_, PublicKey::EC(point)) => match curve() {
            Some(curve) if CHECKED_CURVES.contains(&curve.as_str()) => None,
            Some(curve) if curve == SECP256K1 => Some("on the curve secp256k1".to_owned()),
            _ => Some(format!("on an elliptic curve of {} bits", point.key_size())),
        },
        (_, PublicKey::DSA(_)) => Some("DSA".to_owned()),
        (ED25519, _) => None,
        _ => Some(format!("of the kind {kind}")),
    }
}

/// `rsaEncryption` (RFC 8017, appendix C) and `id-Ed25519` (RFC 8410).
const PLAIN_RSA: &str = "1.2.840.113549.1.1.1";
const ED25519: &str = "1.3.101.112";
/// P-256, P-384 and P-521 (RFC 5480, section 2.1.1.1), and the curve of other names (SEC 2).
const CHECKED_CURVES: [&str; 3] = ["1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"];
const SECP256K1: &str = "1.3.132.0.10";

/// The names of the extension `subjectAltName` (RFC 5280, section 4.2.1.6), the only ones that count (RFC 9525).
pub(super) fn alternative_names(der: &[u8]) -> Vec<String> {
    let Some(certificate) = parse(der) else { return Vec::new() };
    let found = certificate.subject_alternative_name().ok().flatten();
    found
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => ip(bytes),
            _ => None,
        })
        .collect()
}

/// The issuer, which vouches for the certificate.
pub(super) fn issuer(der: &[u8]) -> Option<String> {
    Some(short(parse(der)?.issuer()))
}

/// Whether the certificate vouches for itself.
pub(super) fn is_self_signed(der: &[u8]) -> bool {
    parse(der).is_some_and(|certificate| certificate.issuer() == certificate.subject())
}

/// Whole days until the certificate expires; negative once it has expired.
pub(super) fn days_left(der: &[u8], now: SystemTime) -> Option<i64> {
    Some((until(der)? - seconds(now)).div_euclid(86_400))
}

/// Whether the certificate is good at this time.
pub(super) fn is_in_time(der: &[u8], now: i64) -> bool {
    let Some(certificate) = parse(der) else { return false };
    let validity = certificate.validity();
    (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
}

/// The SHA-256 of the certificate, in hex.
pub(super) fn fingerprint(der: &[u8], provider: &CryptoProvider) -> Option<String> {
    let hash = provider
        .cipher_suites
        .iter()
        .filter_map(|suite| match suite {
            SupportedCipherSuite::Tls13(suite) => Some(suite.common.hash_provider),
            SupportedCipherSuite::Tls12(_) => None,
        })
        .find(|hash| hash.output_len() == 32)?;
    Some(hex(hash.hash(der).as_ref()))
}

/// Bytes as hex digits, lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

fn until(der: &[u8]) -> Option<i64> {
    Some(parse(der)?.validity().not_after.timestamp())
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The common name, or else the whole name.
fn short(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().next().and_then(|name| name.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

fn ip(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(|ip| Ipv4Addr::from(ip).to_string()),
        16 => <[u8; 16]>::try_from(bytes).ok().map(|ip| Ipv6Addr::from(ip).to_string()),
        _ => None,
    }
}
