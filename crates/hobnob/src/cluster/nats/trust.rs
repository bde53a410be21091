//! Whom the link trusts: TLS as the rest of the library has it, and never as the client would choose.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::crypto::provider;
use crate::error::{Error, Kind, Result};

/// TLS that trusts these authorities alone, in PEM; or whom this machine trusts.
pub(super) fn config(authorities: Option<&[u8]>) -> Result<ClientConfig> {
    let provider = provider();
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder =
        builder.with_safe_default_protocol_versions().map_err(|error| unusable(&error))?;
    let Some(pem) = authorities else {
        let list =
            rustls_platform_verifier::Verifier::new(provider).map_err(|error| unusable(&error))?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(list));
        return Ok(builder.with_no_client_auth());
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| bad(&format!("that is no certificate (PEM): {error}")))?;
    if found.is_empty() {
        return Err(bad("there is no certificate in it (PEM)"));
    }
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn bad(what: &str) -> Error {
    let error = Error::new(Kind::BadOption, format!("cluster-ca: {what}"));
    error.hint_topic("chat", "for how servers are trusted")
}

fn unusable(error: &rustls::Error) -> Error {
    let error = Error::new(Kind::ClusterTls, "no TLS can be made ready").why(error.to_string());
    error.hint_shell("sudo apt install ca-certificates", "on Debian and Ubuntu")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told_before_anybody_is_dialled() {
        for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(config(Some(pem.as_bytes())).is_err(), "{pem}");
        }
    }
}
