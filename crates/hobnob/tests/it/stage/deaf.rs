//! Peers that ask and never read: what a server holds for them is seen in its own process.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::soon;

/// When the kernel has taken nothing of a peer's for so long, the server reads no more of it.
const STUCK: Duration = Duration::from_millis(100);
/// Bytes that a peer says at most: who is read for ever says no more than that.
const MOST: usize = 1 << 20;
/// Bytes of the buffers of a peer's socket: what waits in the kernel is no concern of these tests.
const BUFFER: u32 = 16 * 1_024;

/// So many peers of this server, of which each asks the same over and over until it is stuck or has said [`MOST`] bytes.
/// They stay for as long as they are held.
pub(crate) async fn deaf(to: SocketAddr, peers: u32, question: &[u8]) -> Vec<TcpStream> {
    let said = question.repeat((32 * 1_024 / question.len()).max(1));
    let mut asking = JoinSet::new();
    for _ in 0..peers {
        let mut stream = connect(to).await;
        let said = said.clone();
        asking.spawn(async move {
            let mut left = MOST;
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
    asking.join_all().await
}

async fn connect(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a descriptor");
    socket.set_recv_buffer_size(BUFFER).expect("a TCP socket");
    socket.set_send_buffer_size(BUFFER).expect("a TCP socket");
    soon("a connection", socket.connect(to)).await.expect("somebody listens")
}
