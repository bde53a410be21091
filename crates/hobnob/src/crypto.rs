//! The cryptography of this build, for whoever speaks TLS.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The cryptography of this build; never the process's default, which two features together would leave unset.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "crypto-aws-lc")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "crypto-aws-lc"))]
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(provider)
}
