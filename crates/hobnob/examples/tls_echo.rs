//! An echo over TLS, and who dials it: the certificate is made on the spot by a development CA, which the dialler
//! trusts. With `cert=` and `key=`, and `ca=` there, it is one of your own.
//!
//! `cargo run --example tls_echo`

use std::path::Path;

use hobnob::engine::parse;
use hobnob::{Dialer, Result};

/// What came back, and what the handshake told. The CA is kept in this folder.
pub(crate) async fn echo(folder: &Path, said: &str) -> Result<(String, Vec<String>)> {
    let folder = folder.display();
    let running = hobnob::serve("echo", &format!("tls://127.0.0.1:0,dev-ca={folder}"))?;
    let port = running.bound()[0].address.ip().map_or(0, |at| at.port());
    let to = parse(&format!("tls://127.0.0.1:{port},ca=dev,dev-ca={folder}"))?;
    let mut conn = Dialer::default().dial(&to).await?.conn;
    let learnt = conn.facts().learnt().iter().map(|fact| format!("{}: {}", fact.name, fact.value));
    let learnt = learnt.collect();
    conn.send(said.as_bytes()).await?;
    conn.end().await?;
    let (mut heard, mut room) = (Vec::new(), [0; 4_096]);
    while let Some(length) = conn.recv(&mut room).await? {
        heard.extend_from_slice(&room[..length]);
    }
    Ok((String::from_utf8_lossy(&heard).into_owned(), learnt))
}

#[allow(dead_code, reason = "the tests have a folder of their own")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = hobnob::home::state_folder()?;
    let (heard, learnt) = echo(&folder, "hello over TLS").await?;
    println!("{heard}\n{}", learnt.join("\n"));
    Ok(())
}
