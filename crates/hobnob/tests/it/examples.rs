//! The examples do what they say.

#[path = "../../examples/add_a_transport.rs"]
mod add_a_transport;
#[path = "../../examples/embed_in_a_test.rs"]
mod embed_in_a_test;
#[path = "../../examples/load_a_server.rs"]
mod load_a_server;
#[path = "../../examples/serve_your_own.rs"]
mod serve_your_own;
#[cfg(feature = "tls")]
#[path = "../../examples/tls_echo.rs"]
mod tls_echo;

use hobnob::conn::Conn;
use hobnob::engine::parse;
use hobnob::{Dialer, Error};

use crate::stage::soon;

async fn hear(conn: &mut Conn) -> Result<String, Error> {
    let mut room = [0; 256];
    let length = soon("a word", conn.recv(&mut room)).await?.expect("it goes on");
    Ok(String::from_utf8_lossy(&room[..length]).into_owned())
}

/// Guesses until it is right; what it is told then.
async fn guess(to: &str) -> Result<String, Error> {
    let mut conn = Dialer::default().dial(&parse(to)?).await?.conn;
    assert_eq!(hear(&mut conn).await?, "a number below 100?");
    conn.send(b"seven").await?;
    assert_eq!(hear(&mut conn).await?, "that is no number");
    let (mut low, mut high) = (0, 99);
    loop {
        let middle = u32::midpoint(low, high);
        conn.send(middle.to_string().as_bytes()).await?;
        match hear(&mut conn).await?.as_str() {
            "more" => low = middle + 1,
            "less" => high = middle - 1,
            told => return Ok(told.to_owned()),
        }
    }
}

#[tokio::test]
async fn a_service_of_ones_own_is_served() {
    for endpoint in ["lines+memory:guess", "unixseq:@hobnob-example-guess"] {
        let _running = serve_your_own::serve(endpoint).expect("a name of our own");
        for place in 1..=3 {
            let told = guess(endpoint).await.expect("it answers");
            assert!(told.ends_with(&format!(" tries, winner {place}")), "{told}");
        }
    }
}

#[tokio::test]
async fn a_transport_of_ones_own_carries_a_service_of_the_table() {
    assert_eq!(soon("a welcome", add_a_transport::knock()).await.as_deref(), Ok("Welcome!"));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn an_echo_over_tls_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (heard, learnt) = soon("it all", tls_echo::echo(&folder.path().join("ca"), "hello"))
        .await
        .expect("the CA is trusted");
    assert_eq!(heard, "hello");
    assert!(learnt.contains(&"version: 1.3".to_owned()), "{learnt:?}");
}

#[tokio::test]
async fn a_server_is_loaded_in_ten_lines() {
    let stage = crate::stage::Stage::serve("echo", "tcp://127.0.0.1:0");
    let time = std::time::Duration::from_millis(200);
    let address = stage.address().to_string();
    let load = load_a_server::load(&address, time);
    let measured = soon("the end of a load", load).await.expect("it runs");
    // A message is due every two milliseconds. On a machine that is busy some may not be over when it gives up.
    let figures = &measured.figures;
    assert_eq!(figures.done() + measured.unanswered + measured.unbegun, 100);
    assert!(figures.is_flawless() && figures.done() > 0);
}
