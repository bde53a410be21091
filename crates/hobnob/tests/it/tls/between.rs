//! A port between the two sides of TLS that does to a connection what networks and careless peers do.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{connect, reset};

/// A record as long as this is an answer: no handshake of the tests has one.
pub(super) const LONG: usize = 4_096;

/// What comes directly behind the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// A record that nobody can decrypt.
    BadRecord,
    /// What is no record at all.
    Text,
    /// A reset.
    Reset,
    /// The end, in place of the end of TLS.
    End,
}

/// A port that passes everything on, and something else behind the first long record of the side that was dialled.
pub(super) async fn spoiling(to: SocketAddr, behind: Behind) -> SocketAddr {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let here = door.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((near, _)) = door.accept().await {
            let far = connect(to).await;
            near.set_nodelay(true).expect("a TCP socket");
            tokio::spawn(spoil(near, far, behind));
        }
    });
    here
}

async fn spoil(mut near: TcpStream, far: TcpStream, behind: Behind) {
    let (mut from_far, mut to_far) = far.into_split();
    {
        let (mut from_near, mut to_near) = near.split();
        let upward = async {
            let _ = tokio::io::copy(&mut from_near, &mut to_far).await;
            let _ = to_far.shutdown().await;
            std::future::pending::<()>().await;
        };
        let downward = async {
            let mut was_answer = false;
            while let Some(mut record) = record(&mut from_far).await {
                let is_answer = record.len() > LONG;
                // A content type, a level, a description, and what proves them (RFC 8446, sections 5.2 and 6).
                if behind == Behind::End && was_answer && record.len() < 32 {
                    return;
                }
                was_answer |= is_answer;
                match behind {
                    Behind::BadRecord if is_answer => {
                        record.extend([23, 3, 3, 0, 32]);
                        record.extend([0; 32]);
                    }
                    Behind::Text if is_answer => record.extend(b"gibberish, and no TLS at all"),
                    Behind::BadRecord | Behind::Text | Behind::Reset | Behind::End => {}
                }
                to_near.write_all(&record).await.expect("it is open");
                if is_answer && behind == Behind::Reset {
                    return;
                }
            }
        };
        tokio::select! { () = upward => {}, () = downward => {} }
    }
    match behind {
        Behind::Reset => reset(near),
        _ => drop(near.shutdown().await),
    }
}

/// A port that passes everything on, and ends the dialling side's direction in order, but without the end of TLS, behind
/// its first record of application data.
pub(super) async fn careless(to: SocketAddr) -> SocketAddr {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let here = door.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((near, _)) = door.accept().await {
            let far = connect(to).await;
            let ((mut from_near, to_near), (from_far, mut to_far)) =
                (near.into_split(), far.into_split());
            let downward = tokio::spawn(pass(from_far, to_near));
            // The first that is encrypted says that the handshake is done (RFC 8446, section 4.4.4).
            let mut encrypted = 0;
            while let Some(record) = record(&mut from_near).await {
                encrypted += usize::from(record[0] == 23);
                to_far.write_all(&record).await.expect("it is open");
                if encrypted == 2 {
                    break;
                }
            }
            to_far.shutdown().await.expect("it is open");
            tokio::spawn(async move {
                let _ = downward.await;
                drop((from_near, to_far));
            });
        }
    });
    here
}

/// The next record; none at the end.
async fn record(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    from.read_exact(&mut record).await.ok()?;
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    from.read_exact(&mut record[5..]).await.ok()?;
    Some(record)
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}
