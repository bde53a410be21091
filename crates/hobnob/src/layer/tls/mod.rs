//! `tls`: who is who, and nobody between (RFC 8446, RFC 5246). By rustls; who is asked to be trusted is always checked,
//! unless `insecure` says so, and then it is said.

#[cfg(not(any(feature = "crypto-aws-lc", feature = "crypto-ring")))]
compile_error!("the feature tls needs one of crypto-aws-lc and crypto-ring");

mod authority;
mod certificate;
mod config;
mod failure;
mod heard;
mod hello;
mod provider;
mod secrets;
mod trust;

pub use authority::{Authority, CertificateFor, Issued};

use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, CommonState, ProtocolVersion, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::conn::stream::{Beyond, Stream, Wrapped};
use crate::conn::{Boxed, Channel, Conn};
use crate::error::{Error, Kind, Result};
use crate::event::Learnt;
use crate::layer::tls::config::{TlsServer, TlsWish, Voucher};
use crate::layer::tls::failure::Handshake;
use crate::layer::tls::heard::Heard;
use crate::layer::tls::trust::Trust;
use crate::layer::{Dressed, Layer, LayerRow, Role, Surroundings};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

/// The row.
pub static ROW: LayerRow = LayerRow {
    spec: Spec {
        name: "tls",
        summary: "encryption and who is who",
        options: OPTIONS,
        examples: &[
            "hobnob serve echo tls://:8443",
            "hobnob talk tls://:8443,ca=dev",
            "hobnob serve hello tls://:8443,cert=cert.pem,key=key.pem",
            "hobnob talk tls://example.com:443,alpn=http/1.1",
        ],
        is_built_in: true,
    },
    below: Some(Shape::Bytes),
    above: None,
    is_one_line: false,
    may_decline: false,
    make: Some(make),
};

const OPTIONS: &[OptionSpec] = &[
    text(
        "cert",
        "our certificate and those that vouch for it, a PEM file; listening without one makes one",
    ),
    text("key", "the key of our certificate, a PEM file; without it the file of cert holds it too"),
    text(
        "ca",
        "whom to trust, a PEM file, or dev: the development CA; without it this machine's own list",
    ),
    text("client-ca", "listening: peers must show a certificate of this CA, a PEM file or dev"),
    text("name", "dialling: whom the certificate must be for, instead of the host"),
    text("sni", "dialling: the name that the peer is asked for, instead of name or the host"),
    text(
        "alpn",
        "the protocols to offer or take, most wanted first, with colons between: h2:http/1.1",
    ),
    OptionSpec {
        name: "min",
        kind: ValueKind::Choice(&["1.2", "1.3"]),
        default: "1.2",
        help: "the oldest version of TLS that is spoken",
    },
    OptionSpec {
        name: "insecure",
        kind: ValueKind::Flag,
        default: "",
        help: "dialling: do NOT check who the peer is; anybody may be between",
    },
    text("dev-ca", "the folder of the development CA, instead of hobnob's state folder"),
];

const fn text(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, kind: ValueKind::Text, default: "", help }
}

fn make(options: &Options) -> Result<Box<dyn Layer>> {
    Ok(Box::new(Tls { wish: TlsWish::of(options)?, ready: None }))
}

/// How long a peer that was refused may take to end its side.
const LINGER: Duration = Duration::from_secs(1);
/// How many bytes a peer that was refused may say until then.
const MOST_UNHEARD: u64 = 1 << 20;

/// The layer: what its options ask for, and the configuration that was made of them.
struct Tls {
    wish: TlsWish,
    ready: Option<Prepared>,
}

enum Prepared {
    Server { config: Arc<ServerConfig>, names: Vec<String>, vouched_by: Voucher },
    Client { config: Arc<ClientConfig>, sent: ServerName<'static>, trust: Arc<Trust> },
}

type Secured = TlsStream<Heard<Stream<Conn>>>;

impl Layer for Tls {
    fn prepare(&mut self, scene: &Surroundings) -> Result<()> {
        self.ready = Some(match scene.role {
            Role::Server => {
                let TlsServer { config, names, vouched_by } = self.wish.server(scene)?;
                Prepared::Server { config: Arc::new(config), names, vouched_by }
            }
            Role::Client => {
                let (config, sent, trust) = self.wish.client(scene)?;
                Prepared::Client { config: Arc::new(config), sent, trust }
            }
        });
        Ok(())
    }

    fn dialled(&self) -> Option<Vec<String>> {
        match &self.ready {
            Some(Prepared::Server { names, vouched_by, .. }) => {
                Some(self.wish.dialled(names, vouched_by))
            }
            _ => None,
        }
    }

    fn vouched_by(&self) -> Option<PathBuf> {
        match &self.ready {
            Some(Prepared::Server { vouched_by: Voucher::Dev(path), .. }) => Some(path.clone()),
            _ => None,
        }
    }

    fn wrap<'a>(&'a self, scene: &'a Surroundings, conn: Conn) -> Boxed<'a, Dressed> {
        Box::pin(async move {
            let facts = conn.facts().clone();
            let shaken = Handshake { scene, facts: &facts };
            let stream = Stream(conn);
            let stream: Secured = match &self.ready {
                None => return Err(Error::new(Kind::Bug, "tls was not prepared")),
                Some(Prepared::Server { config, .. }) => {
                    let heard = Heard::screened(stream);
                    let accepting = TlsAcceptor::from(config.clone()).accept(heard);
                    match accepting.into_fallible().await {
                        Ok(stream) => stream.into(),
                        Err((error, mut heard)) => {
                            linger(&mut heard).await;
                            return Err(shaken.failed(error, heard.first(), None));
                        }
                    }
                }
                Some(Prepared::Client { config, sent, trust }) => {
                    let heard = Heard::new(stream);
                    let connector = TlsConnector::from(config.clone());
                    let connected = connector.connect(sent.clone(), heard).into_fallible().await;
                    let failed = |(error, heard): (_, Heard<_>)| {
                        shaken.failed(error, heard.first(), Some(trust))
                    };
                    connected.map_err(failed)?.into()
                }
            };
            let mut learnt = learn(&stream, scene);
            if matches!(&self.ready, Some(Prepared::Client { trust, .. }) if trust.is_blind()) {
                let (name, value) = ("checked", "no: insecure".to_owned());
                learnt.push(Learnt { layer: ROW.spec.name, name, value });
            }
            let channel: Box<dyn Channel> = Box::new(Wrapped::new(stream, BEYOND));
            let mut conn = Conn::new(facts, Shape::Bytes, channel);
            conn.learn(learnt);
            Ok(Dressed::Conn(conn))
        })
    }
}

/// Ends our side, and reads what the peer still says until it ends too, for a moment. With its words unread the close
/// would be a reset, which overtakes the alert that says why it was refused.
async fn linger(heard: &mut Heard<Stream<Conn>>) {
    let parting = async {
        heard.shutdown().await?;
        tokio::io::copy(&mut heard.take(MOST_UNHEARD), &mut tokio::io::sink()).await
    };
    // However that ends, the peer was refused.
    let _ = tokio::time::timeout(LINGER, parting).await;
}

const BEYOND: Beyond<Secured> = Beyond {
    // Without close_notify the peer knows that more may be missing (RFC 8446, section 6.1).
    cut_short: Some(|stream, cx| stream.get_mut().0.inner_mut().0.channel().poll_end(cx)),
    abort: |stream| stream.get_mut().0.inner_mut().0.abort(),
    left: |stream, cx| stream.get_mut().0.inner_mut().0.channel().poll_left(cx),
    vitals: |stream| stream.get_ref().0.inner().0.vitals(),
    last_word: |stream| stream.get_mut().0.inner_mut().0.last_word(),
    left_over: |stream, buf| {
        let mut reader = match stream {
            TlsStream::Client(stream) => stream.get_mut().1.reader(),
            TlsStream::Server(stream) => stream.get_mut().1.reader(),
        };
        // An error means that nothing is left.
        reader.read(buf).unwrap_or(0)
    },
    error: failure::of_session,
};

/// What the handshake told, as a person reads it.
fn learn(stream: &Secured, scene: &Surroundings) -> Vec<Learnt> {
    let (_, state) = stream.get_ref();
    let mut facts = vec![
        ("version", version(state)),
        ("cipher", cipher(state)),
        ("alpn", state.alpn_protocol().map(|name| name.escape_ascii().to_string())),
    ];
    if let TlsStream::Server(stream) = stream {
        let (heard, state) = stream.get_ref();
        facts.push(("asked-for", state.server_name().map(str::to_owned)));
        let ignored = heard.ignored().map(|name| format!("{}: no host name", name.escape_ascii()));
        facts.push(("ignored", ignored));
    }
    if let Some(leaf) = state.peer_certificates().and_then(<[CertificateDer<'_>]>::first) {
        let days = certificate::days_left(leaf, scene.bus.clock().wall());
        facts.push(("certificate", Some(certificate::names(leaf).join(" "))));
        facts.push(("issuer", certificate::issuer(leaf)));
        facts.push(("days-left", days.map(|days| days.to_string())));
    }
    let learnt = |(name, value): (_, Option<String>)| {
        Some(Learnt { layer: ROW.spec.name, name, value: value? })
    };
    facts.into_iter().filter_map(learnt).collect()
}

fn version(state: &CommonState) -> Option<String> {
    let version = state.protocol_version()?;
    Some(match version {
        ProtocolVersion::TLSv1_3 => "1.3".to_owned(),
        ProtocolVersion::TLSv1_2 => "1.2".to_owned(),
        other => format!("{other:?}"),
    })
}

fn cipher(state: &CommonState) -> Option<String> {
    let suite = state.negotiated_cipher_suite()?.suite();
    Some(suite.as_str().map_or_else(|| format!("{suite:?}"), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::memory;
    use crate::layer::tls::provider::AWAKENED;

    /// Preparation is over before anything is bound or dialled, and so before any clock of a handshake starts.
    #[tokio::test]
    async fn the_random_source_is_awake_before_the_first_handshake_and_not_by_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display();
        let mut ready = Vec::new();
        for (role, setting, value) in [
            (Role::Server, "dev-ca", place.to_string()),
            (Role::Client, "insecure", "yes".to_owned()),
        ] {
            let mut options = Options::of(OPTIONS);
            options.set(OPTIONS, setting, Some(&value)).expect("an option of the layer");
            let mut layer = make(&options).expect("a layer");
            let scene = Surroundings::alone(role);
            let before = AWAKENED.get();
            layer.prepare(&scene).expect("it is ready");
            assert_eq!(AWAKENED.get(), before + 1, "{role:?}: the first handshake pays");
            ready.push((layer, scene));
        }
        let before = AWAKENED.get();
        let (near, far) = memory::pair(Shape::Bytes);
        let [(server, there), (client, here)] = &ready[..] else { panic!("two roles") };
        let shaken = tokio::join!(client.wrap(here, near), server.wrap(there, far));
        assert!(shaken.0.is_ok() && shaken.1.is_ok());
        assert_eq!(AWAKENED.get(), before);
    }
}
