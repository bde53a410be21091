//! Peers that ask and never read: what a server holds for them is seen in its own process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::soon;

/// When the kernel has taken nothing of a peer's for so long, the server reads no more of it.
const STUCK: Duration = Duration::from_millis(100);
/// Bytes that a peer says at most: who is read for ever says no more than that.
const MOST: usize = 704 << 10;
/// Bytes of the buffers of a peer's socket: what waits in the kernel is no concern of these tests.
const BUFFER: u32 = 16 * 1_024;

/// So many peers of this server, of which each asks the same over and over until it is stuck or has said [`MOST`] bytes.
/// They stay for as long as they are held.
pub(crate) async fn deaf(to: SocketAddr, peers: u32, question: &[u8]) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..peers {
        all.push(connect(to).await);
    }
    say_all(all, question, MOST).await
}

/// Each says the same over and over until it is stuck or has said so many bytes. A machine that is too slow for the pause
/// after which one counts as stuck merely has less said.
pub(crate) async fn say_all(streams: Vec<TcpStream>, words: &[u8], most: usize) -> Vec<TcpStream> {
    let said: Arc<[u8]> = words.repeat((32 * 1_024 / words.len()).max(1)).into();
    let mut saying = JoinSet::new();
    for mut stream in streams {
        let said = Arc::clone(&said);
        saying.spawn(async move {
            let mut left = most;
            while left > 0 {
                match tokio::time::timeout(STUCK, stream.write_all(&said)).await {
                    Ok(Ok(())) => left = left.saturating_sub(said.len()),
                    // It was cut, or it is stuck.
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            stream
        });
    }
    saying.join_all().await
}

async fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a descriptor");
    socket.set_recv_buffer_size(BUFFER).expect("a TCP socket");
    socket.set_send_buffer_size(BUFFER).expect("a TCP socket");
    soon("a connection", socket.connect(to)).await.expect("somebody listens")
}
