//! What the options ask for, as rustls wants it. Files are read here, and nowhere later.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, InconsistentKeys, ServerConfig, SupportedProtocolVersion};

use crate::crypto;
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::files;
use crate::layer::Surroundings;
use crate::layer::tls::authority::{self, AtHand, Authority};
use crate::layer::tls::certificate;
use crate::layer::tls::hello;
use crate::layer::tls::provider;
use crate::layer::tls::secrets;
use crate::layer::tls::trust::{self, Trust};
use crate::spec::Options;

/// What the options of the layer ask for.
pub(super) struct TlsWish {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    dev_ca: Option<PathBuf>,
    name: Option<String>,
    sni: Option<String>,
    alpn: Vec<Vec<u8>>,
    versions: &'static [&'static SupportedProtocolVersion],
    insecure: bool,
}

const NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Who listens: the configuration, the names that its certificate is for, and who vouches for it.
pub(super) struct TlsServer {
    pub(super) config: ServerConfig,
    pub(super) names: Vec<String>,
    pub(super) vouched_by: Voucher,
}

/// Who vouches for the certificate of who listens.
pub(super) enum Voucher {
    /// Whoever does, it is a certificate that a person gave.
    Given,
    /// The development CA, whose certificate is this file.
    Dev(PathBuf),
    /// A CA that goes with this process, and that nobody else can trust.
    Process,
}

impl TlsWish {
    pub(super) fn of(options: &Options) -> Result<Self> {
        let path = |name| options.text(name).map(PathBuf::from);
        let alpn = options.bytes("alpn").unwrap_or_default();
        let wish = TlsWish {
            cert: path("cert"),
            key: path("key"),
            ca: path("ca"),
            client_ca: path("client-ca"),
            dev_ca: path("dev-ca"),
            name: options.text("name").map(str::to_owned),
            sni: options.text("sni").map(str::to_owned),
            alpn: alpn.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect(),
            versions: if options.text("min") == Some("1.3") { NEWEST } else { BOTH },
            insecure: options.flag("insecure"),
        };
        if wish.key.is_some() && wish.cert.is_none() {
            return Err(bad("key= is of no use without cert=".to_owned()));
        }
        let alpn = wish.alpn.iter().filter(|name| !name.is_empty()).cloned().collect();
        Ok(TlsWish { alpn, ..wish })
    }

    /// The side that was dialled.
    pub(super) fn server(&self, scene: &Surroundings) -> Result<TlsServer> {
        let provider = hello::knowing(&crypto::provider());
        provider::awaken(&provider);
        let ((chain, key), vouched_by) = match self.identity()? {
            Some(identity) => {
                self.note_nameless(&identity, scene);
                (identity, Voucher::Given)
            }
            None => self.made_on_the_spot(scene, &provider)?,
        };
        let names = chain.first().map_or_else(Vec::new, |leaf| certificate::names(leaf));
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(self.versions).map_err(unusable)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let roots = Arc::new(trust::roots(&self.authorities("client-ca", ca, scene)?)?);
                let clients = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
                let clients = clients.build();
                let clients =
                    clients.map_err(|error| bad(format!("client-ca cannot be used: {error}")))?;
                builder.with_client_cert_verifier(clients)
            }
        };
        let certified = certified(chain, key, &provider).map_err(unusable)?;
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols.clone_from(&self.alpn);
        config.key_log = secrets::log(scene);
        Ok(TlsServer { config, names, vouched_by })
    }

    /// The configuration of the side that dials, the name to ask for, and what checks the answer.
    pub(super) fn client(
        &self,
        scene: &Surroundings,
    ) -> Result<(ClientConfig, ServerName<'static>, Arc<Trust>)> {
        let provider = crypto::provider();
        provider::awaken(&provider);
        let host = scene.host.as_deref().unwrap_or("localhost");
        let name = self.name.as_deref().unwrap_or(host);
        let sent = server_name(self.sni.as_deref().unwrap_or(name))?;
        let name = server_name(name)?;
        let trust = match &self.ca {
            _ if self.insecure => {
                let text = format!("NOT CHECKING who {host} is: anybody may be between (insecure)");
                scene.bus.emit(0, 0, Fact::Warning(text));
                Trust::everybody(name, provider.clone())
            }
            None => Trust::platform(name, provider.clone())?,
            Some(ca) => Trust::these(name, provider.clone(), self.authorities("ca", ca, scene)?)?,
        };
        let trust = Arc::new(trust);
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(self.versions).map_err(unusable)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(trust.clone());
        let mut config = match self.identity()? {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(unusable)?,
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.key_log = secrets::log(scene);
        Ok((config, sent, trust))
    }

    /// What who dials us says: whom to trust, by which of these names, and what else both sides must agree on.
    pub(super) fn dialled(&self, names: &[String], vouched_by: &Voucher) -> Vec<String> {
        let file = |key: &str, path: &Path| format!("{key}={}", path.display());
        let mut settings = match (&self.cert, &self.dev_ca) {
            (Some(cert), _) => vec![file("ca", cert)],
            (None, Some(folder)) => vec!["ca=dev".to_owned(), file("dev-ca", folder)],
            (None, None) => vec!["ca=dev".to_owned()],
        };
        let is_for = |host: &str| names.iter().any(|name| name == host);
        if let Some(name) = nameable(names).filter(|_| !is_for("localhost") || !is_for("127.0.0.1"))
        {
            settings.push(format!("name={name}"));
        }
        // One without a name that can be asked for passes no check, and one that nobody else can trust neither.
        let is_nameless = self.cert.is_some() && nameable(names).is_none();
        if is_nameless || matches!(vouched_by, Voucher::Process) {
            settings = vec!["insecure".to_owned()];
        }
        if self.client_ca.is_some() {
            settings.push("cert=YOURS.pem".to_owned());
        }
        let alpn: Vec<_> = self.alpn.iter().map(|name| String::from_utf8_lossy(name)).collect();
        settings.extend((!alpn.is_empty()).then(|| format!("alpn={}", alpn.join(":"))));
        settings
    }

    /// Our own certificate and key, where the person gave them.
    fn identity(&self) -> Result<Option<Identity>> {
        let Some(cert) = &self.cert else { return Ok(None) };
        let certificates = certificates("cert", cert)?;
        let key = self.key.as_ref().unwrap_or(cert);
        let found = PrivateKeyDer::from_pem_slice(&read("key", key)?);
        let private = found.map_err(|error| match error {
            pem::Error::NoItemsFound => {
                bad(format!("{} has no private key in it (PEM)", key.display()))
            }
            error => bad(format!("{} is no private key (PEM): {error}", key.display())),
        })?;
        Ok(Some((certificates, private)))
    }

    /// Says so where no client that checks names will take the certificate.
    fn note_nameless(&self, (chain, _): &Identity, scene: &Surroundings) {
        let Some(leaf) = chain.first() else { return };
        if let (Some(cert), []) = (&self.cert, &*certificate::alternative_names(leaf)) {
            let shown = cert.display();
            let text =
                format!("{shown} has no subjectAltName, so clients that check names refuse it");
            let text = format!("{text}; hobnob cert HOST makes one that they take");
            scene.bus.emit(0, 0, Fact::Note(text));
        }
    }

    /// A certificate of the development CA for this machine, and who vouches for it.
    fn made_on_the_spot(
        &self,
        scene: &Surroundings,
        provider: &CryptoProvider,
    ) -> Result<(Identity, Voucher)> {
        let now = scene.bus.clock().wall();
        let authority = AtHand::find(self.dev_ca.as_deref(), now)?;
        let names = authority::own_names(&scene.addresses);
        let (leaf, key) = authority.vouch(&names, now)?;
        let print = certificate::fingerprint(&leaf, provider).unwrap_or_default();
        let names = names.join(", ");
        let made = format!("no cert= was given, so I made one for {names} (SHA-256 {print})");
        let (trust, voucher) = match &authority {
            AtHand::Kept(authority) => {
                let path = authority.path().to_owned();
                let trust = format!("ca=dev trusts it here, ca={} elsewhere", path.display());
                (trust, Voucher::Dev(path))
            }
            AtHand::Fleeting(_, why) => {
                let trust = format!("it goes with this process, for {}", why.message());
                (trust, Voucher::Process)
            }
        };
        scene.bus.emit(0, 0, Fact::Note(format!("{made}; {trust}")));
        Ok(((vec![leaf], key), voucher))
    }

    /// The certificates that are trusted: those of a file, or the development CA.
    fn authorities(
        &self,
        option: &str,
        ca: &Path,
        scene: &Surroundings,
    ) -> Result<Vec<CertificateDer<'static>>> {
        if ca == Path::new("dev") {
            let now = scene.bus.clock().wall();
            return Ok(vec![Authority::open(self.dev_ca.as_deref(), now)?.certificate()]);
        }
        certificates(option, ca)
    }
}

/// A certificate with its key. One that rustls cannot read, as one of version 1, is served all the same where the key is
/// its own: whether it will do is for the clients to say.
fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, rustls::Error> {
    let private = provider.key_provider.load_private_key(key)?;
    let own = private.public_key().map(|key| key.as_ref().to_vec());
    let certified = CertifiedKey::new(chain, private);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InvalidCertificate(_)) if own.is_some() => {
            let leaf = certified.cert.first().and_then(|leaf| certificate::key(leaf));
            let is_own = leaf.zip(own).is_some_and(|((info, _), own)| info == own);
            if is_own { Ok(certified) } else { Err(InconsistentKeys::KeyMismatch.into()) }
        }
        Err(error) => Err(error),
    }
}

/// The first of a certificate's names that an endpoint can ask for.
pub(super) fn nameable(names: &[String]) -> Option<&String> {
    names.iter().find(|name| !name.contains(['*', ' ', ',', '=']))
}

fn certificates(option: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let shown = path.display();
    let found = found.map_err(|error| bad(format!("{shown} is no certificate (PEM): {error}")))?;
    if found.is_empty() {
        let convert = format!("openssl x509 -inform der -in {shown} -out cert.pem");
        return Err(bad(format!("{shown} has no certificate in it (PEM)"))
            .hint_shell(convert, "if it is DER"));
    }
    Ok(found)
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>> {
    files::read(path, trust::LARGEST).map_err(|error| {
        let text = format!("{option}={}", error.message());
        error.with_message(text)
    })
}

/// The name as TLS says it: an address without its scope, which is of this machine alone (RFC 4007, section 11.2).
fn server_name(name: &str) -> Result<ServerName<'static>> {
    let name = name.split_once('%').map_or(name, |(address, _)| address);
    ServerName::try_from(name.to_owned())
        .map_err(|_| bad(format!("{name:?} is no name that a certificate can be for")))
}

fn unusable(error: rustls::Error) -> Error {
    match error {
        rustls::Error::InconsistentKeys(_) => bad("key is not the key of cert".to_owned()),
        error => bad(format!("the certificate or its key cannot be used: {error}")),
    }
}

fn bad(text: String) -> Error {
    Error::new(Kind::BadOption, text).hint_topic("tls", "its options")
}
