//! The budget of memory is kept under every fault, by the process's own resident size, and whoever comes new is served.

use std::time::Duration;

use hobnob::fault::{FaultRow, TABLE};
use hobnob::spec::{Shape, ValueKind};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::stage::child::Child;
use crate::stage::deaf::say_all;
use crate::stage::{connect, skip, soon};

/// Clients that say much and read nothing, from a target that does the same.
const CLIENTS: u64 = 400;
/// Descriptors of this process and of the relay: two for each client, and pipes.
const FILES: u64 = 4 * CLIENTS;
/// A budget that is passed soon, so that every fault has its turn, and what each says.
const SMALL: (u64, usize) = (8 << 20, 128 << 10);
/// What an allocator and the rest of the process may take beside it, and what may be for each session.
const BESIDE: u64 = 12 << 20;
const BESIDE_EACH: u64 = 16 << 10;

/// The fault as it holds most and for longest.
fn heaviest(row: &FaultRow) -> String {
    let name = row.spec.name;
    let value = row.spec.options.iter().find(|option| option.name == name).map(|value| value.kind);
    let fault = match (name, value) {
        ("slice", _) => "slice=1".to_owned(),
        ("rate", _) => "rate=1k".to_owned(),
        (_, Some(ValueKind::Duration)) => format!("{name}=1h"),
        (_, Some(ValueKind::Bytes)) => format!("{name}=1m"),
        (_, Some(ValueKind::Percent)) => format!("{name}=1%"),
        _ => name.to_owned(),
    };
    let holds = row.spec.options.iter().any(|option| option.name == "hold");
    if holds { format!("{fault},hold=4m") } else { fault }
}

async fn keeps_the_budget(row: &FaultRow, budget: u64, said: usize) {
    let fault = heaviest(row);
    let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let to = target.local_addr().expect("it is bound");
    let mut child =
        Child::serve(&format!("relay 127.0.0.1:0 memory={budget} to=tcp://{to} fault={fault}"))
            .await;
    let before = child.resident();
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        // A fault may keep a client out, or from the target.
        streams.extend(TcpStream::connect(child.address).await);
        if !row.is_before_the_dial {
            let (at_target, _) = soon("a session", target.accept()).await.expect("a conn");
            streams.push(at_target);
        }
    }
    let _stuck = say_all(streams, b"words that nobody reads", said).await;
    let most = child.peak().saturating_sub(before);
    println!("budget: {CLIENTS} clients that read nothing cost {fault} {} KiB", most / 1_024);
    let beside = BESIDE + CLIENTS * BESIDE_EACH;
    assert!(most < budget + beside, "{fault}: {} KiB", most / 1_024);
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

/// Whether so many can come.
fn has_files(test: &str) -> bool {
    let files = hobnob::socket::raise_open_files().expect("up to the hard limit anybody may");
    if files < FILES {
        skip(test, &format!("at most {files} open files"));
    }
    files >= FILES
}

#[tokio::test]
async fn peers_that_never_read_stay_within_the_budget_under_every_fault() {
    if !has_files("faults::budget::peers_that_never_read_stay_within_the_budget_under_every_fault")
    {
        return;
    }
    let (budget, said) = SMALL;
    for row in TABLE.iter().filter(|row| row.shapes.contains(&Shape::Bytes)) {
        keeps_the_budget(row, budget, said).await;
    }
}

#[tokio::test]
async fn what_latency_holds_stays_within_the_budget_that_is_usual() {
    if !has_files("faults::budget::what_latency_holds_stays_within_the_budget_that_is_usual") {
        return;
    }
    let row = TABLE.iter().find(|row| row.spec.name == "latency").expect("a fault");
    keeps_the_budget(row, hobnob::engine::Limits::default().memory, 1 << 20).await;
}
