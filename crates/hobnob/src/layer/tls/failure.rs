//! What went wrong in a handshake, in words.

use std::io;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error as Tls};

use crate::conn::Facts;
use crate::conn::stream::error_of;
use crate::error::{Advice, Error, Kind};
use crate::layer::tls::trust::Trust;
use crate::layer::tls::{authority, certificate, config};
use crate::layer::{Role, Surroundings};

/// A handshake, for its failure to be told.
pub(super) struct Handshake<'a> {
    pub(super) scene: &'a Surroundings,
    pub(super) facts: &'a Facts,
}

impl Handshake<'_> {
    /// Why the handshake failed. `first` are the first bytes that the peer said.
    pub(super) fn failed(&self, error: io::Error, first: &[u8], trust: Option<&Trust>) -> Error {
        let error = match error_of(error) {
            Ok(own) => return own,
            Err(error) => error,
        };
        if !first.is_empty() && !is_tls(first) {
            return self.not_tls(first);
        }
        let who = self.who();
        match inner(&error) {
            Some(Tls::InvalidCertificate(wrong)) => self.refused(wrong, trust),
            Some(Tls::NoCertificatesPresented) => {
                Error::new(Kind::TlsUntrusted, format!("{who} showed no certificate"))
                    .why("client-ca asks everybody for one")
            }
            Some(error @ Tls::AlertReceived(AlertDescription::HandshakeFailure)) => {
                self.nothing_in_common(of_tls(error))
            }
            Some(error) => of_tls(error),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                let text = format!("{who} closed in the middle of the TLS handshake");
                let error = Error::new(Kind::TlsFailed, text);
                if first.is_empty() {
                    error.why("it had said nothing: is it TLS at all?")
                } else {
                    error
                }
            }
            None => Error::from_io("tls", &error),
        }
    }

    fn not_tls(&self, first: &[u8]) -> Error {
        let who = self.who();
        let said = format!("its first bytes were \"{}\"", first.escape_ascii());
        if self.scene.role == Role::Client {
            let text = format!("{who} answered, but not in TLS");
            return Error::new(Kind::NotTls, text)
                .why(said)
                .hint_endpoint(self.plain(), "without TLS");
        }
        let is_http = [&b"GET "[..], b"POST ", b"HEAD ", b"PUT ", b"OPTIONS "];
        let is_http = is_http.iter().any(|verb| first.starts_with(verb));
        let text = format!("{who} came, but not in TLS");
        let error = Error::new(Kind::NotTls, text).why(said);
        if is_http { error.why("that is plain HTTP: it should have said https") } else { error }
    }

    /// What is wrong with the peer's certificate.
    fn refused(&self, wrong: &CertificateError, trust: Option<&Trust>) -> Error {
        let who = self.who();
        let leaf = trust.and_then(Trust::shown);
        let leaf = leaf.as_deref().unwrap_or_default();
        if trust.is_some_and(Trust::is_blind) {
            return self.unproven(wrong, leaf);
        }
        if let Some(version @ 1..=2) = certificate::version(leaf) {
            return self.of_old(version, leaf, trust);
        }
        let error = match wrong {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                return self.for_others(leaf, trust);
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                let days = certificate::days_left(leaf, self.scene.bus.clock().wall());
                let error =
                    Error::new(Kind::TlsExpired, format!("the certificate of {who} has expired"));
                return match days {
                    Some(days) => error.why(format!("{} days ago", days.saturating_neg())),
                    None => error,
                }
                .hint_shell("date", "is this machine's own clock right?");
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                let text = format!("the certificate of {who} is not valid yet");
                return Error::new(Kind::TlsExpired, text)
                    .hint_shell("date", "is this machine's own clock right?");
            }
            _ if certificate::is_self_signed(leaf) => {
                Error::new(Kind::TlsUntrusted, format!("the certificate of {who} is self-signed"))
            }
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                let text = format!("nobody that I trust vouches for the certificate of {who}");
                Error::new(Kind::TlsUntrusted, text)
            }
            other => {
                let text = format!("the certificate of {who} cannot be trusted: {other}");
                Error::new(Kind::TlsUntrusted, text)
            }
        };
        untrusted(error, leaf, trust)
    }

    /// A handshake fails although nobody's name is checked: we could not check that the peer has the key, or it has not.
    fn unproven(&self, wrong: &CertificateError, leaf: &[u8]) -> Error {
        let who = self.who();
        let Some(kind) = certificate::unchecked_key(leaf) else {
            let text = format!("{who} did not prove that it has the key of its certificate");
            let error = Error::new(Kind::TlsFailed, text).why(wrong.to_string());
            return self.look_at_it(error);
        };
        let text = format!("I cannot check the key of the certificate of {who}");
        let error = Error::new(Kind::TlsFailed, text)
            .why(format!("the key is {kind}; I check {}", certificate::CHECKED_KEYS))
            .why("insecure skips who the peer is, and not that it has the key");
        self.better_one(error, "one with a key that I check")
    }

    /// What a peer refused that nothing was agreed on with.
    fn nothing_in_common(&self, error: Error) -> Error {
        if self.scene.role == Role::Server {
            return error;
        }
        let known = certificate::CHECKED_KEYS;
        let error = error.why(format!(
            "or its certificate has a key of a kind that I do not check; I check {known}"
        ));
        self.look_at_it(error)
    }

    /// What shows the certificate and all that was agreed on, whatever it is.
    fn look_at_it(&self, error: Error) -> Error {
        match self.facts.peer.ip() {
            Some(_) => {
                let line = format!("openssl s_client -connect {} < /dev/null", self.who());
                error.hint_shell(line, "shows what it would agree to, and its certificate")
            }
            None => error,
        }
    }

    /// A certificate of a version that has no extensions, and so no names.
    fn of_old(&self, version: u32, leaf: &[u8], trust: Option<&Trust>) -> Error {
        let text = format!("the certificate of {} is X.509 version {version}", self.who());
        let error = Error::new(Kind::TlsUntrusted, text)
            .why("it cannot say for which host it is: only version 3 has subjectAltName");
        let error = with_print(error, leaf, trust);
        self.better_one(error, "one that says it").hint_setting("insecure", "only if you must")
    }

    /// What makes a certificate that is for this host, where it listens.
    fn better_one(&self, error: Error, note: &str) -> Error {
        let host = self.scene.host.as_deref().unwrap_or("localhost");
        error.hint(Advice::Certificate(host.to_owned()), format!("where it listens, makes {note}"))
    }

    fn for_others(&self, leaf: &[u8], trust: Option<&Trust>) -> Error {
        let names = certificate::alternative_names(leaf);
        let wanted = trust.map_or_else(|| self.who(), |trust| shown(&trust.name));
        if names.is_empty() {
            let text = format!("the certificate of {} has no subjectAltName", self.who());
            let subject = certificate::subject(leaf).unwrap_or_default();
            let error = Error::new(Kind::TlsNameMismatch, text)
                .why(format!("so it is for no host: {subject} alone does not count (RFC 9525)"));
            return self
                .better_one(error, "one that says it")
                .hint_setting("insecure", "only if you must");
        }
        let text = format!("the certificate is for other names than {wanted}");
        let error = Error::new(Kind::TlsNameMismatch, text);
        let error = error.why(match certificate::issuer(leaf) {
            Some(issuer) => format!("it names: {}; it was issued by {issuer}", names.join(", ")),
            None => format!("it names: {}", names.join(", ")),
        });
        let error = match config::nameable(&names) {
            Some(name) => error.hint_setting(format!("name={name}"), "if that is whom you mean"),
            None => error,
        };
        error.hint_setting("insecure", "only if you must")
    }

    /// The peer, as a person knows it.
    fn who(&self) -> String {
        match (&self.scene.host, self.facts.peer.ip()) {
            (Some(host), Some(ip)) if host.contains(':') => format!("[{host}]:{}", ip.port()),
            (Some(host), Some(ip)) => format!("{host}:{}", ip.port()),
            _ => self.facts.peer.to_string(),
        }
    }

    /// The endpoint that was dialled, without any layer.
    fn plain(&self) -> String {
        let (who, transport) = (self.who(), self.facts.transport);
        if self.facts.peer.ip().is_some() {
            return format!("{transport}://{who}");
        }
        let place = who.strip_prefix(transport).and_then(|who| who.strip_prefix(':'));
        format!("{transport}:{}", place.unwrap_or(&who))
    }
}

/// Adds the fingerprint of the certificate that was shown, if one was.
fn with_print(error: Error, leaf: &[u8], trust: Option<&Trust>) -> Error {
    let print = trust.and_then(|trust| certificate::fingerprint(leaf, &trust.provider));
    match print.filter(|_| !leaf.is_empty()) {
        Some(print) => error.why(format!("its SHA-256 is {print}")),
        None => error,
    }
}

/// What there is to know about a certificate that nobody vouches for, and what to do.
fn untrusted(mut error: Error, leaf: &[u8], trust: Option<&Trust>) -> Error {
    error = with_print(error, leaf, trust);
    let issuer = certificate::issuer(leaf);
    if let Some(issuer) = &issuer {
        error = error.why(format!("it was issued by {issuer}"));
    }
    if issuer.as_deref() == Some(authority::NAME) {
        error = error.hint_setting("ca=dev", "if it runs on this machine");
    }
    error
        .hint_setting("ca=cert.pem", "with a certificate that you trust")
        .hint_setting("insecure", "only if you must")
}

/// What an error means once the handshake is done.
pub(super) fn of_session(error: io::Error) -> Error {
    let error = match error_of(error) {
        Ok(own) => return own,
        Err(error) => error,
    };
    match inner(&error) {
        Some(error) => of_tls(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => Error::new(
            Kind::TlsTruncated,
            "the connection ended, and TLS had not: the end may be missing",
        )
        .why("no close_notify came: the peer was careless, or somebody cut it between"),
        None => Error::from_io("tls", &error),
    }
}

fn of_tls(error: &Tls) -> Error {
    let Tls::AlertReceived(alert) = error else {
        return Error::new(Kind::TlsFailed, format!("TLS failed: {}", lower(&error.to_string())));
    };
    let name = format!("{alert:?}");
    let error = Error::new(Kind::TlsFailed, format!("the peer refused: TLS alert {name}"));
    match alert {
        AlertDescription::CertificateRequired => {
            error.why("it wants a certificate of ours: cert=FILE,key=FILE")
        }
        AlertDescription::UnknownCA | AlertDescription::BadCertificate => {
            error.why("it does not trust who vouches for our certificate")
        }
        AlertDescription::CertificateExpired => error.why("our certificate has expired"),
        AlertDescription::ProtocolVersion => error.why("no version of TLS in common"),
        AlertDescription::HandshakeFailure => {
            error.why("nothing in common: versions, ciphers, or it wants a certificate of ours")
        }
        AlertDescription::NoApplicationProtocol => error.why("no protocol of alpn= in common"),
        AlertDescription::UnrecognisedName => error.why("it does not know the name: sni=NAME"),
        _ => error,
    }
}

/// The error of rustls inside an I/O error, if there is one.
fn inner(error: &io::Error) -> Option<&Tls> {
    error.get_ref()?.downcast_ref()
}

/// Whether these are the first bytes of a TLS record: its type, and a version 3.x (RFC 8446, section 5.1).
fn is_tls(first: &[u8]) -> bool {
    matches!(first, [20..=24] | [20..=24, 3, ..])
}

fn shown(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
