//! Case 32 over the wire: a server that is killed at any moment has all letters that it said it has, each once, whole,
//! and under its number; and it has made all changes that it said it made.
//!
//! `cargo xtask soak` does it 200 times, with 10,000 letters.

mod book;
mod clients;
mod letter;
mod line;
mod looks;
mod moment;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use hobnob::engine::{Server, parse};
use hobnob::event::{Fact, MailDeed};

use self::book::{Book, LI, POP};
use self::clients::Client;
use self::letter::lot;
use self::line::Line;
use self::looks::Look;
use self::moment::{Counted, Moment, Watch};
use crate::mail::step_of;
use crate::stage::{Stage, births, soon};

/// Where the child finds the folder of its letters.
const FOLDER: &str = "HOBNOB_STAGE_MAIL";
/// Where it finds the next server, if there is one.
const NEXT: &str = "HOBNOB_STAGE_NEXT";
/// Clients that send at once.
const SENDERS: usize = 4;
/// How often it is killed, and how often in full.
const KILLS: u64 = 9;
const ALL_KILLS: u64 = 200;
/// Between two looks at everything.
const WHOLE: u64 = 20;

/// In the child, and nowhere else: serves mail until it is killed, or nobody holds its standard input any more.
#[test]
#[allow(clippy::disallowed_methods, reason = "the child is told by its environment")]
fn serves_mail_as_a_child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let mut server = Server::new("mail").expect("it is built in");
    for (name, value) in [("dir", &*folder), ("boxes", "recipient"), ("trace", "no")] {
        server.set(name, Some(value)).expect("an option");
    }
    if let Ok(next) = std::env::var(NEXT) {
        server.set("forward", Some(&next)).expect("an option");
    }
    for door in ["smtp", "pop3", "imap"] {
        server.door(door, &parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("a door");
    }
    let running = server.start().expect("it starts");
    let doors: Vec<_> = running.bound().iter().map(|bound| bound.address.to_string()).collect();
    println!("\nstage-doors {}", doors.join(" "));
    std::io::stdin().read_to_end(&mut Vec::new()).expect("a pipe");
    running.cut();
    running.wait();
}

/// A server of this folder, which is killed at that moment, and its doors.
fn serve(folder: &Path, counted: Counted, most: u64) -> (Moment, [SocketAddr; 3]) {
    serve_before(None, folder, counted, most)
}

/// The same, which passes letters on to the next server.
fn serve_before(
    next: Option<&str>,
    folder: &Path,
    counted: Counted,
    most: u64,
) -> (Moment, [SocketAddr; 3]) {
    let mut command = Command::new(std::env::current_exe().expect("it runs"));
    command
        .envs(next.map(|next| (NEXT, next)))
        .args(["killed::serves_mail_as_a_child", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let (child, mut lines) = births::spawn(&mut command, |child| {
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut String::new()).expect("text");
        out.lines().map_while(Result::ok)
    })
    .expect("it starts");
    let doors = lines.find_map(|line| {
        let doors = line.split_once("stage-doors ")?.1.split(' ');
        Some(doors.map(|door| door.parse().expect("an address")).collect::<Vec<_>>())
    });
    let doors = doors.expect("it says where it listens").try_into().expect("three doors");
    (Moment::new(child, counted, most), doors)
}

/// What a client does until the server is gone.
type Acts = fn(&Client<'_>);

/// All clients at once, until the server is gone.
fn round(folder: &Path, book: &Book, round: u64, counted: Counted, most: u64) {
    let (moment, doors) = serve(folder, counted, most);
    let client =
        |kind: &str| Client { doors, moment: &moment, book, name: format!("{kind}-{round}") };
    let watch = Watch::of(folder);
    std::thread::scope(|scope| {
        let sends: Acts = |client| client.sends();
        let fetches: Acts = |client| client.fetches();
        let keeps_house: Acts = |client| client.keeps_house();
        let senders = (0..SENDERS).map(|n| (client(&format!("smtp{n}")), sends));
        let others = [(client("pop3"), fetches), (client("imap"), keeps_house)];
        let all: Vec<_> = senders
            .chain(others)
            .map(|(client, acts)| scope.spawn(move || acts(&client)))
            .collect();
        if counted == Counted::Steps {
            scope.spawn(|| watch.count(&moment));
        }
        let ended: Vec<_> = all.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        // Where they had enough before that moment came, it is now.
        moment.kill();
        assert!(ended.iter().all(Result::is_ok), "see above");
    });
}

/// A server with all its boxes.
fn begin(folder: &Path, book: &Book) {
    let (moment, doors) = serve(folder, Counted::Answers, u64::MAX);
    let first = Client { doors, moment: &moment, book, name: "first".to_owned() };
    let line = first.send(None, "first-li", "li@test", LI);
    first.send(line, "first-pop", "pop@test", POP).expect("it is well");
    let mut line = Line::dial(doors[2], &moment).expect("it listens");
    line.command("LOGIN mo x").expect("anybody may");
    line.command("CREATE Archive").expect("there is none");
}

/// Kills it so often, and after each time looks whether all is there.
fn kill_again_and_again(kills: u64, most_answers: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let book = Book::default();
    begin(folder.path(), &book);
    for (kill, counted) in (0..kills).zip(Counted::ALL.into_iter().cycle()) {
        let lot = lot(&format!("kill {kill} of {kills}"));
        // A letter is some 5 KB, and 8 steps of the disk.
        let most = 1 + lot % most_answers
            * match counted {
                Counted::Answers => 1,
                Counted::Bytes => 5_000,
                Counted::Steps => 8,
            };
        round(folder.path(), &book, kill, counted, most);
        let (moment, doors) = serve(folder.path(), Counted::Answers, u64::MAX);
        let is_last = kill + 1 == kills || kill % WHOLE == 0;
        looks::check(doors, &moment, &book, if is_last { Look::Whole } else { Look::New });
    }
    let (answers, letters) = (book.answers(), book.letters());
    println!("killed {kills} times: {answers} answers were true, {letters} letters are there");
    assert!(letters as u64 > kills * most_answers / 8, "only {letters} letters were kept");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the test run says how much")]
fn case_32_what_a_server_of_mail_has_said_holds_however_often_it_is_killed() {
    if std::env::var_os("HOBNOB_SOAK").is_some() {
        kill_again_and_again(ALL_KILLS, 100);
    } else {
        kill_again_and_again(KILLS, 40);
    }
}

/// The letters that wait to be passed on.
fn waiting(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("hobnob.errands")).expect("a folder").count()
}

#[tokio::test]
async fn a_letter_that_was_to_be_passed_on_is_passed_on_by_the_next_process_and_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mail, path) = (folder.path().join("mail"), folder.path().join("next"));
    let next = format!("unix:{}", path.display());
    let book = Book::default();
    // Nobody is there to pass it on to, and then the server is killed with its last answer.
    for n in 0..3 {
        let (moment, doors) = serve_before(Some(&next), &mail, Counted::Answers, 2);
        let client = Client { doors, moment: &moment, book: &book, name: format!("forward-{n}") };
        client.sends();
    }
    assert_eq!(waiting(&mail), 6, "each that was answered for");
    let mut server = Server::new("mail").expect("it is built in");
    server.door("smtp", &parse(&next).expect("an endpoint")).expect("a door");
    let mut stage = Stage::start(server).expect("it starts");
    let mut came = BTreeSet::new();
    let (moment, _) = serve_before(Some(&next), &mail, Counted::Answers, u64::MAX);
    while came.len() < 6 {
        let letter = step_of(&mut stage, &[MailDeed::Kept]).await;
        assert_eq!(letter.to, ["li@test"]);
        assert!(came.insert(letter.subject.clone()), "{} came twice", letter.subject);
    }
    soon("nothing more to be done", async {
        while waiting(&mail) > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    moment.kill();
    assert_eq!(
        stage.count(|fact| matches!(fact, Fact::Mailed(one) if one.did == MailDeed::Kept)),
        6
    );
}
