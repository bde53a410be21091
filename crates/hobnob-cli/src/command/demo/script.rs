//! What the demo plays: five conversations, each with the line that has the same happen to whoever types it.

use std::time::Duration;

use hobnob::conn::Conn;
use hobnob::engine::{Dialed, Running, Server};
use hobnob::error::Result;

use crate::command::demo::play::{Play, ask, dial, hear};
use crate::report::show::{safe, span};

/// How long an answer is waited for that may be lost.
const LOST: Duration = Duration::from_millis(400);

/// All of it.
pub(super) async fn perform(play: &Play<'_>) -> Result<()> {
    greeting(play).await?;
    slicing(play).await?;
    latency(play).await?;
    loss(play).await?;
    handshake(play).await
}

/// A server that speaks first.
async fn greeting(play: &Play<'_>) -> Result<()> {
    play.step(1, "a server that greets whoever comes", "greet", "hobnob talk :PORT").await;
    let mut conn = play.dial("greet").await?;
    hear(&mut conn, 1).await?;
    play.beats(2).await;
    ask(&mut conn, "Michael\n").await?;
    play.beats(2).await;
    conn.send(b"exit\n").await?;
    while hear(&mut conn, 1).await? {}
    drop(conn);
    play.beats(3).await;
    Ok(())
}

/// One word, received in three pieces.
async fn slicing(play: &Play<'_>) -> Result<()> {
    let typed = "hobnob fault bend slice=2,gap=9ms; hobnob talk :PORT bread";
    play.step(2, "a relay cuts a word: who trusts one recv?", "bend", typed).await;
    let bent = play.bend("bend", "slice=2,gap=9ms")?;
    let mut conn = play.dial("bend").await?;
    ask(&mut conn, "bread\n").await?;
    play.beats(3).await;
    drop(bent);
    part(&mut conn).await?;
    play.beats(3).await;
    Ok(())
}

/// A delay, turned on and off within one conversation.
pub(super) async fn latency(play: &Play<'_>) -> Result<()> {
    let typed = "hobnob fault bend latency=200ms; hobnob talk :PORT hi";
    play.step(3, "200 ms each way, on and off", "bend", typed).await;
    let mut conn = play.dial("bend").await?;
    let mut bent = Some(play.bend("bend", "latency=200ms")?);
    for word in ["with", "without"] {
        let asked = play.clock().now();
        ask(&mut conn, "hi\n").await?;
        let took = span(play.clock().now().saturating_sub(asked));
        play.beats(1).await;
        play.say(&format!("the answer took {took} {word} it"));
        play.beats(2).await;
        drop(bent.take());
    }
    part(&mut conn).await?;
    play.beats(2).await;
    Ok(())
}

/// Says that all is said, and waits for the peer's end.
async fn part(conn: &mut Conn) -> Result<()> {
    conn.end().await?;
    while hear(conn, 1).await? {}
    Ok(())
}

/// Packets that nobody repeats.
pub(super) async fn loss(play: &Play<'_>) -> Result<()> {
    let typed = "hobnob fault lossy loss=50%; hobnob talk udp://:PORT 20C";
    play.step(4, "UDP, and half of the packets are lost", "lossy", typed).await;
    let bent = play.bend("lossy", "loss=50%")?;
    let mut conn = play.dial("lossy").await?;
    let questions = ["10C", "20C", "30C", "40C", "50C"];
    let mut answers = 0;
    for question in questions {
        conn.send(question.as_bytes()).await?;
        let answer = tokio::time::timeout(LOST, hear(&mut conn, 1)).await;
        answers += u32::from(answer.is_ok_and(|heard| heard.is_ok()));
        play.beats(1).await;
    }
    play.say(&format!("{answers} of {} answers came: nobody repeats a packet", questions.len()));
    drop(bent);
    // A session of packets has no end that would be seen, and would be waited for when the demo ends.
    let control = play.running("lossy")?.control();
    for session in control.sessions(0, usize::MAX) {
        control.kill(session.id);
    }
    play.beats(3).await;
    Ok(())
}

/// TLS with a certificate of this machine's own.
pub(super) async fn handshake(play: &Play<'_>) -> Result<()> {
    let typed = "hobnob serve hello tls://:9443";
    play.step(5, "TLS, with a certificate made here", "greet", typed).await;
    match dressed(play).await {
        Ok((_running, mut dialed)) => {
            let took = span(dialed.took.saturating_sub(dialed.connected));
            play.say(&format!("handshake done in {took}, the certificate was checked"));
            for fact in dialed.conn.facts().learnt().iter().take(2) {
                play.beats(1).await;
                play.say(&format!("{}: {}", fact.name, safe(&fact.value)));
            }
            hear(&mut dialed.conn, 1).await?;
            ask(&mut dialed.conn, "Michael\n").await?;
            play.say("Michael was greeted, and nobody on the way could read it");
        }
        // Such as no folder to keep the authority in.
        Err(error) => play.say(&format!("no TLS here: {error}")),
    }
    play.beats(3).await;
    Ok(())
}

/// A server of its own, for this step alone: what vouches for its certificate is a file, and a playground needs none.
async fn dressed(play: &Play<'_>) -> Result<(Running, Dialed)> {
    let mut server = Server::new(play.service("greet").unwrap_or_default())?;
    server.at("tls://127.0.0.1:0")?;
    let running = server.open().await?;
    let dialed = dial(&running).await?;
    Ok((running, dialed))
}
