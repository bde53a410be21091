//! The budget of memory is kept under every fault, by the process's own resident size, and whoever comes new is served.

use std::time::Duration;

use hobnob::fault::{FaultRow, TABLE};
use hobnob::spec::{Shape, ValueKind};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::stage::child::Child;
use crate::stage::{connect, soon};

/// Clients that say so much and read nothing, from a target that does the same.
const CLIENTS: usize = 40;
const SAYS: usize = 1 << 20;
const BUDGET: u64 = 8 << 20;
/// What an allocator and the rest of the process may take beside it.
const BESIDE: u64 = 12 << 20;

/// The fault as it holds most and for longest.
fn heaviest(row: &FaultRow) -> String {
    let name = row.spec.name;
    let value = row.spec.options.iter().find(|option| option.name == name).map(|value| value.kind);
    let fault = match (name, value) {
        ("slice", _) => "slice=1".to_owned(),
        ("rate", _) => "rate=1k".to_owned(),
        (_, Some(ValueKind::Duration)) => format!("{name}=1h"),
        (_, Some(ValueKind::Bytes)) => format!("{name}=1m"),
        (_, Some(ValueKind::Percent)) if !row.stands_alone => format!("{name}=1%"),
        _ => name.to_owned(),
    };
    let holds = row.spec.options.iter().any(|option| option.name == "hold");
    if holds { format!("{fault},hold=4m") } else { fault }
}

/// Whether more was taken.
fn say(stream: &TcpStream, said: &mut usize) -> bool {
    let text = vec![0; 65_536];
    let before = *said;
    while *said < SAYS
        && let Ok(length) = stream.try_write(&text[..text.len().min(SAYS - *said)])
    {
        *said += length;
    }
    *said > before
}

/// All say what they have to say, until nothing more is taken.
async fn say_all(streams: &mut [(TcpStream, usize)]) {
    let mut rests = 0;
    while rests < 10 {
        let mut has_moved = false;
        for (stream, said) in streams.iter_mut() {
            has_moved |= say(stream, said);
        }
        rests = if has_moved { 0 } else { rests + 1 };
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn keeps_the_budget(row: &FaultRow) {
    let fault = heaviest(row);
    let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let to = target.local_addr().expect("it is bound");
    let mut child =
        Child::serve(&format!("relay 127.0.0.1:0 memory={BUDGET} to=tcp://{to} fault={fault}"))
            .await;
    let before = child.resident();
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        // A fault may keep a client out, or from the target.
        streams.extend(TcpStream::connect(child.address).await.map(|stream| (stream, 0)));
        if !row.is_before_the_dial {
            let (at_target, _) = soon("a session", target.accept()).await.expect("a conn");
            streams.push((at_target, 0));
        }
    }
    say_all(&mut streams).await;
    let most = child.peak().saturating_sub(before);
    assert!(most < BUDGET + BESIDE, "{fault}: {} KiB", most / 1_024);
    assert_eq!(child.counts().await.2, 0, "{fault}: somebody was refused");
    // The heavy ones make room for whoever comes.
    if row.spec.name == "latency" {
        let mut newcomer = connect(child.address).await;
        let (mut at_target, _) = soon("its session", target.accept()).await.expect("a conn");
        newcomer.write_all(b"here").await.expect("it is open");
        at_target.write_all(b"there").await.expect("it is open");
        let open = tokio::time::timeout(Duration::from_millis(100), newcomer.readable()).await;
        assert!(open.is_err(), "the newcomer was cut");
    }
}

#[tokio::test]
async fn peers_that_never_read_stay_within_the_budget_under_every_fault() {
    for row in TABLE.iter().filter(|row| row.shapes.contains(&Shape::Bytes)) {
        keeps_the_budget(row).await;
    }
}
