//! The certificates that a dialler trusts.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Kind, Result};
use crate::home;
use crate::layer::tls::certificate;

/// Bytes of a file of certificates or keys: a machine's whole list has some 200 KiB.
pub(super) const LARGEST: u64 = 16 << 20;

/// Checks that the certificate is for one name, and that somebody trusted vouches for it.
#[derive(Debug)]
pub(super) struct Trust {
    /// The name that the certificate must be for, whatever name the peer was asked for.
    pub(super) name: ServerName<'static>,
    pub(super) provider: Arc<CryptoProvider>,
    by: TrustedBy,
    /// The certificate that was shown last, for an error to tell about it. Diallers that share this dialled the same
    /// endpoint, so it matters little whose it was.
    shown: Mutex<Option<CertificateDer<'static>>>,
}

#[derive(Debug)]
enum TrustedBy {
    /// This machine's own list.
    Platform(rustls_platform_verifier::Verifier),
    /// These, and whoever they vouch for.
    These { roots: Arc<WebPkiServerVerifier>, themselves: Vec<CertificateDer<'static>> },
    /// Everybody, as the person said `insecure`.
    Everybody,
}

impl Trust {
    /// This machine's own list.
    pub(super) fn platform(
        name: ServerName<'static>,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self> {
        home::trusted().as_deref().map_or(Ok(()), check_list)?;
        let verifier = rustls_platform_verifier::Verifier::new(provider.clone());
        let verifier = verifier.map_err(|error| {
            let text = "this machine has no list of whom to trust";
            Error::new(Kind::TlsUntrusted, text)
                .why(error.to_string())
                .hint_shell("sudo apt install ca-certificates", "on Debian and Ubuntu")
        })?;
        Ok(Trust { name, provider, by: TrustedBy::Platform(verifier), shown: Mutex::new(None) })
    }

    /// These certificates alone, and whoever they vouch for.
    pub(super) fn these(
        name: ServerName<'static>,
        provider: Arc<CryptoProvider>,
        themselves: Vec<CertificateDer<'static>>,
    ) -> Result<Self> {
        let roots = Arc::new(roots(&themselves)?);
        let roots = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
        let roots = roots
            .map_err(|error| Error::new(Kind::BadOption, format!("ca cannot be used: {error}")))?;
        let by = TrustedBy::These { roots, themselves };
        Ok(Trust { name, provider, by, shown: Mutex::new(None) })
    }

    /// Trusts everybody: nothing is checked.
    pub(super) fn everybody(name: ServerName<'static>, provider: Arc<CryptoProvider>) -> Self {
        Trust { name, provider, by: TrustedBy::Everybody, shown: Mutex::new(None) }
    }

    /// Whether nothing is checked.
    pub(super) fn is_blind(&self) -> bool {
        matches!(self.by, TrustedBy::Everybody)
    }

    /// The certificate that was shown last.
    pub(super) fn shown(&self) -> Option<CertificateDer<'static>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The signature schemes that a peer may use.
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }

    /// Whether rustls cannot read the certificate, and who dials does not care: one of version 1, which OpenSSL still makes.
    fn takes_as_it_is(&self, certificate: &CertificateDer<'_>) -> bool {
        self.is_blind() && ParsedCertificate::try_from(certificate).is_err()
    }

    /// Checks that the peer has the key of its certificate, and nothing else of the certificate.
    fn verify_bare(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let (_, key) = certificate::key(certificate).ok_or(CertificateError::BadEncoding)?;
        let mut schemes = self.algorithms().mapping.iter();
        let found = schemes.find(|(scheme, _)| *scheme == signed.scheme);
        let (_, algorithms) = found.ok_or(CertificateError::BadSignature)?;
        let mut algorithms = algorithms.iter();
        let is_good = algorithms
            .any(|algorithm| algorithm.verify_signature(&key, message, signed.signature()).is_ok());
        if is_good {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.by {
            TrustedBy::Platform(list) => {
                list.verify_server_cert(leaf, chain, &self.name, ocsp, now)
            }
            TrustedBy::These { roots, themselves } => {
                let checked = roots.verify_server_cert(leaf, chain, &self.name, ocsp, now);
                // A certificate that is trusted itself needs nobody to vouch for it: `openssl req -x509` makes a
                // CA that is its own server, which a chain may not be.
                if checked.is_ok() || !themselves.contains(leaf) {
                    return checked;
                }
                verify_server_name(&ParsedCertificate::try_from(leaf)?, &self.name)?;
                let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
                if !certificate::is_in_time(leaf, seconds) {
                    return Err(CertificateError::Expired.into());
                }
                Ok(ServerCertVerified::assertion())
            }
            TrustedBy::Everybody => Ok(ServerCertVerified::assertion()),
        }
    }
}

/// The verifier reads the list that `SSL_CERT_FILE` names whole, and says itself if it is not there. A list without an end
/// is refused here.
fn check_list(path: &Path) -> Result<()> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    let shown = path.display();
    let refused = |text: String| {
        let error = Error::new(Kind::BadOption, text).hint_shell("unset SSL_CERT_FILE", "");
        Err(error.why("SSL_CERT_FILE says whom to trust in place of this machine's list"))
    };
    if found.is_file() && found.len() > LARGEST {
        return refused(format!(
            "{shown} is larger than {} MiB, and no more is read",
            LARGEST >> 20
        ));
    }
    if !found.is_file() && !found.is_dir() {
        return refused(format!("{shown} is not a plain file"));
    }
    Ok(())
}

/// The certificates of a file as roots.
pub(super) fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone()).map_err(|error| {
            Error::new(Kind::BadOption, format!("a certificate of the CA cannot be used: {error}"))
        })?;
    }
    Ok(roots)
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = Some(leaf.clone().into_owned());
        drop(shown);
        self.check(leaf, chain, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.takes_as_it_is(certificate) {
            return self.verify_bare(message, certificate, signed);
        }
        verify_tls12_signature(message, certificate, signed, self.algorithms())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.takes_as_it_is(certificate) {
            return self.verify_bare(message, certificate, signed);
        }
        verify_tls13_signature(message, certificate, signed, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }
}
