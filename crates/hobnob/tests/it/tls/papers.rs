//! Certificates for a test, good and bad, in a folder of its own.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// A folder with certificates, and for a development CA.
pub(crate) struct Papers(TempDir);

/// Who vouches for others.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Papers {
    pub(crate) fn new() -> Self {
        Papers(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The settings of who listens with a certificate of the development CA.
    pub(crate) fn listening(&self) -> String {
        format!("dev-ca={}", self.path("state").display())
    }

    /// The settings of who dials that.
    pub(crate) fn dialling(&self) -> String {
        format!("ca=dev,{}", self.listening())
    }

    /// A CA, whose certificate is `NAME.pem`.
    pub(crate) fn authority(&self, name: &str) -> Authority {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(&[], name, 2099);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(self.path(&format!("{name}.pem")), certificate.pem())
            .expect("there is room");
        Authority { issuer: Issuer::new(params, key) }
    }

    /// A certificate for these names in a file, and its key; without a CA it vouches for itself. What is to be said of
    /// it in an endpoint.
    pub(crate) fn certificate(
        &self,
        name: &str,
        names: &[&str],
        until: i32,
        by: Option<&Authority>,
    ) -> String {
        let key = KeyPair::generate().expect("a key");
        let params = params(names, name, until);
        let made = match by {
            Some(authority) => params.signed_by(&key, &authority.issuer),
            None => params.self_signed(&key),
        };
        let (cert, private) =
            (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&cert, made.expect("a certificate").pem()).expect("there is room");
        std::fs::write(&private, key.serialize_pem()).expect("there is room");
        format!("cert={},key={}", cert.display(), private.display())
    }

    /// A certificate of version 1 of X.509, for CN=localhost alone, as `openssl x509 -req` makes one without extensions.
    pub(crate) fn of_version_1(&self) -> String {
        let path = self.path("version-1.pem");
        std::fs::write(&path, include_str!("version-1.pem")).expect("there is room");
        format!("cert={}", path.display())
    }

    /// A certificate with a common name alone.
    pub(crate) fn nameless(&self, name: &str) -> String {
        self.certificate(name, &[], 2099, None)
    }

    /// `ca=` of a file that is here.
    pub(crate) fn ca(&self, name: &str) -> String {
        format!("ca={}", self.path(&format!("{name}.pem")).display())
    }
}

fn params(names: &[&str], subject: &str, until: i32) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}
