//! The development CA: made once for this user, it vouches for what listens without a certificate, and `ca=dev` trusts it.
//! Where there is no place for its files, one of this process vouches.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};

use crate::clock;
use crate::crypto::provider;
use crate::error::{Error, Kind, Result};
use crate::home;
use crate::layer::tls::certificate;

/// The name in the CA's own certificate, by which `failure` knows the CA.
pub(super) const NAME: &str = "hobnob development CA";

/// The file of the CA's certificate, in its folder.
const CERTIFICATE: &str = "dev-ca.pem";

const DAY: Duration = Duration::from_hours(24);

/// Midnight of the day of a time; rcgen's date is of a crate that we do not name.
macro_rules! day {
    ($time:expr) => {{
        let (year, month, day) = clock::date($time);
        date_time_ymd(year, month, day)
    }};
}

/// The CA, as it lies in its folder.
pub struct Authority {
    pair: SigningPair,
    path: PathBuf,
}

/// A CA that is in memory, and goes with this process.
pub(super) struct ProcessAuthority {
    pair: SigningPair,
}

/// A CA that is at hand for whoever listens.
pub(super) enum AtHand {
    Kept(Box<Authority>),
    /// With the reason: there is no place for one that lasts.
    Fleeting(Arc<ProcessAuthority>, Error),
}

/// The key of a CA, and its certificate.
struct SigningPair {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy)]
pub enum CertificateFor<'a> {
    /// Whoever listens at these names and addresses.
    Server(&'a [String]),
    /// Whoever dials and is called so.
    Client(&'a str),
}

/// A certificate of the CA, and its key: PEM both (RFC 7468).
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The key, in PKCS #8. Whoever has it is whom the certificate names.
    pub key: String,
    /// The SHA-256 of the certificate, in hex.
    pub fingerprint: String,
}

impl Authority {
    /// Reads the CA, or makes it where there is none: in this folder, or in hobnob's state folder. Several processes may
    /// do so at once, and all get the same CA.
    pub fn open(folder: Option<&Path>, now: SystemTime) -> Result<Self> {
        let folder = home_of(folder)?;
        home::private_folder(&folder)?;
        let key = KeyPair::from_pem(&kept(&folder.join("dev-ca-key.pem"), || {
            Ok(KeyPair::generate().map_err(unmade)?.serialize_pem())
        })?)
        .map_err(unmade)?;
        let path = folder.join(CERTIFICATE);
        // Whoever has the key makes the same CA, so the two files need no lock.
        let pem = kept(&path, || Ok(params(now)?.self_signed(&key).map_err(unmade)?.pem()))?;
        let certificate =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| spoilt(&path))?;
        Ok(Authority { pair: SigningPair { key, certificate }, path })
    }

    /// The file of its certificate, for others to trust.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SHA-256 of its certificate, in hex.
    pub fn fingerprint(&self) -> String {
        certificate::fingerprint(&self.pair.certificate, &provider()).unwrap_or_default()
    }

    /// A certificate for somebody, good for a year.
    pub fn issue(&self, holder: CertificateFor<'_>, now: SystemTime) -> Result<Issued> {
        let (leaf, key) = self.pair.sign(holder, now)?;
        let fingerprint = certificate::fingerprint(leaf.der(), &provider()).unwrap_or_default();
        Ok(Issued { certificate: leaf.pem(), key: key.serialize_pem(), fingerprint })
    }

    /// The certificate of the CA.
    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.pair.certificate.clone()
    }
}

impl ProcessAuthority {
    /// The one of this process, made where there is none.
    pub(crate) fn of(now: SystemTime) -> Result<Arc<Self>> {
        static MADE: Mutex<Option<Arc<ProcessAuthority>>> = Mutex::new(None);
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*made {
            return Ok(made.clone());
        }
        let key = KeyPair::generate().map_err(unmade)?;
        let own = params(now)?.self_signed(&key).map_err(unmade)?;
        let pair = SigningPair { key, certificate: own.der().clone() };
        Ok(made.insert(Arc::new(ProcessAuthority { pair })).clone())
    }
}

impl AtHand {
    /// The CA of this folder, or of hobnob's own; where nothing can be kept there, whoever listens does so all the same.
    pub(super) fn find(folder: Option<&Path>, now: SystemTime) -> Result<Self> {
        match Authority::open(folder, now) {
            Err(error) if folder.is_none() && is_homeless(&error) => {
                Ok(AtHand::Fleeting(ProcessAuthority::of(now)?, error))
            }
            opened => opened.map(|authority| AtHand::Kept(Box::new(authority))),
        }
    }

    /// A certificate for these names, good for a year, and its key.
    pub(super) fn vouch(
        &self,
        names: &[String],
        now: SystemTime,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
        let pair = match self {
            AtHand::Kept(authority) => &authority.pair,
            AtHand::Fleeting(authority, _) => &authority.pair,
        };
        let (leaf, key) = pair.sign(CertificateFor::Server(names), now)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((leaf.der().clone(), key.into()))
    }
}

impl SigningPair {
    fn sign(&self, holder: CertificateFor<'_>, now: SystemTime) -> Result<(Certificate, KeyPair)> {
        let key = KeyPair::generate().map_err(unmade)?;
        let (names, common, usage) = match holder {
            CertificateFor::Server(names) => {
                (names.to_vec(), "hobnob, made on the spot", ExtendedKeyUsagePurpose::ServerAuth)
            }
            CertificateFor::Client(name) => {
                (vec![name.to_owned()], name, ExtendedKeyUsagePurpose::ClientAuth)
            }
        };
        if let Some(name) = names.iter().find(|name| ServerName::try_from(name.as_str()).is_err()) {
            let text = format!("{name:?} is no name that a certificate can be for");
            return Err(Error::new(Kind::BadOption, text)
                .why("it takes names of hosts and addresses, as localhost, db.test and ::1"));
        }
        let mut params = CertificateParams::new(names).map_err(unmade)?;
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, common);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = (day!(now - DAY), day!(now + 365 * DAY));
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key).map_err(unmade)?;
        Ok((params.signed_by(&key, &issuer).map_err(unmade)?, key))
    }
}

/// Whether nothing can be kept where our own folder would be: no variable names a place, or it cannot be written to, as
/// for a service of systemd or in a container. A folder that somebody else has a hand in is another matter.
fn is_homeless(error: &Error) -> bool {
    let is_nowhere = home::state_folder().is_err();
    let no_room = [libc::EACCES, libc::EPERM, libc::EROFS, libc::ENOENT, libc::ENOTDIR];
    is_nowhere || error.errno().is_some_and(|errno| no_room.contains(&errno))
}

fn home_of(folder: Option<&Path>) -> Result<PathBuf> {
    folder.map_or_else(home::state_folder, |folder| Ok(folder.to_owned()))
}

/// The names that a certificate of ours is for: all names and addresses of this machine.
pub(super) fn own_names(addresses: &[IpAddr]) -> Vec<String> {
    let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let is_name = |name: &String| {
        name.split('.').all(|label| !label.is_empty() && label.len() < 64)
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    names.extend(host.filter(|name| is_name(name) && name != "localhost"));
    names.extend(addresses.iter().filter(|ip| !ip.is_loopback()).map(IpAddr::to_string));
    names
}

/// The text of a file that is made where there is none.
fn kept(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    let found = home::read_private(path)?;
    let bytes = if let Some(bytes) = found {
        bytes
    } else {
        home::make_private(path, make()?.as_bytes())?;
        home::read_private(path)?.ok_or_else(|| spoilt(path))?
    };
    String::from_utf8(bytes).map_err(|_| spoilt(path))
}

fn params(now: SystemTime) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).map_err(unmade)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (day!(now - DAY), day!(now + 3_652 * DAY));
    Ok(params)
}

fn spoilt(path: &Path) -> Error {
    let shown = path.display();
    Error::new(Kind::BadOption, format!("{shown} is not what I put there"))
        .hint_shell(format!("rm {shown}"), "a new one is made")
}

#[expect(clippy::needless_pass_by_value, reason = "map_err hands it over")]
fn unmade(error: rcgen::Error) -> Error {
    Error::new(Kind::TlsFailed, format!("the development CA cannot be used: {error}"))
}
