//! Letters that we send and fetch ourselves: by every protocol, against our own server, and against servers that break.

#![allow(clippy::large_futures, reason = "each conversation is awaited once, in a test")]

use std::time::Duration;

use hobnob::Result;
use hobnob::codec::mime::LetterView;
use hobnob::codec::smtp::{Mailbox, SmtpBreak, SmtpEnvelope, SmtpOutcome};
use hobnob::engine::{Dialer, Server, parse};
use hobnob::error::{Error, Kind};
use hobnob::post::{
    Login, MailErrand, MailRoute, MailSaid, MailWitness, Pickup, PickupWish, PostManner, Posting,
    Upgrade,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::stage::{PATIENCE, Stage, soon};

/// A server with all its doors at these endpoints, and these options.
fn serve(at: [&str; 3], options: &[(&str, &str)]) -> Stage {
    let mut server = Server::new("mail").expect("it is built in");
    for (name, value) in options {
        server.set(name, Some(value)).expect("an option");
    }
    for (door, at) in ["smtp", "pop3", "imap"].into_iter().zip(at) {
        server.door(door, &parse(at).expect("an endpoint")).expect("a door");
    }
    Stage::start(server).expect("it starts")
}

const HERE: [&str; 3] = ["tcp://127.0.0.1:0"; 3];

fn route(to: &str, errand: MailErrand, upgrade: Upgrade) -> MailRoute {
    let endpoint = parse(to).expect("an endpoint");
    MailRoute::new(&endpoint, errand, &Dialer::default(), upgrade).expect("a route")
}

fn envelope(to: &[&str], letter: &[u8]) -> SmtpEnvelope {
    let read = |text: &&str| Mailbox::parse(text).expect("an address");
    SmtpEnvelope::of(Some(read(&"app@test")), to.iter().map(read).collect(), letter)
}

fn login() -> Login {
    Login { name: "all".to_owned(), password: "secret".to_owned() }
}

fn wish() -> PickupWish {
    PickupWish { patience: PATIENCE, ..PickupWish::of(login()) }
}

async fn send(to: &MailRoute, manner: PostManner, letter: &[u8]) -> Result<SmtpOutcome> {
    let sending = async {
        let mut posting = Posting::open(to, manner).await?;
        let outcome = posting.send(envelope(&["li@test", "han@test"], letter), letter).await?;
        posting.close().await?;
        Ok(outcome)
    };
    soon("a letter sent", sending).await
}

const LETTERS: [&[u8]; 4] = [
    b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n",
    "Subject: 你好\r\n\r\n李雷\r\n".as_bytes(),
    b"\r\n",
    b"Subject: last\r\n\r\n",
];

#[tokio::test]
async fn letters_come_back_byte_for_byte_by_both_protocols_and_can_be_deleted() {
    let stage = serve(HERE, &[("trace", "no")]);
    let [smtp, pop3, imap] = [0, 1, 2].map(|door| stage.address_of(door));
    let to = route(&format!("smtp://{smtp}"), MailErrand::Send, Upgrade::Off);
    for letter in LETTERS {
        let outcome = send(&to, PostManner::default(), letter).await.expect("it is taken");
        assert_eq!((outcome.taken, outcome.refused.len()), (2, 0));
        assert!(outcome.answer.expect("it is kept").lines[0].contains("kept as"));
    }
    for (scheme, address) in [("pop3", pop3), ("imap", imap)] {
        let from = route(&format!("{scheme}://{address}"), MailErrand::Fetch, Upgrade::Off);
        let looking = async {
            let mut pickup = Pickup::open(&from, wish()).await?;
            assert_eq!(pickup.newest(), 4, "{scheme}");
            let heads = pickup.heads(2).await?;
            assert_eq!(
                heads.iter().map(|head| head.number).collect::<Vec<_>>(),
                [4, 3],
                "{scheme}"
            );
            assert!(heads[0].size > 0 && !heads[0].uid.is_empty(), "{scheme}");
            for (at, letter) in (1..).zip(LETTERS) {
                assert_eq!(pickup.letter(at).await?, letter, "{scheme} {at}");
            }
            let error = pickup.letter(9).await.expect_err("there is none");
            assert_eq!(error.kind(), Kind::Rejected, "{scheme}");
            assert_eq!(pickup.head(2).await?.number, 2, "{scheme}");
            pickup.close().await
        };
        soon("the letters", looking).await.unwrap_or_else(|error| panic!("{scheme}: {error:?}"));
    }
    for (scheme, address, left) in [("pop3", pop3, 3), ("imap", imap, 2)] {
        let from = route(&format!("{scheme}://{address}"), MailErrand::Fetch, Upgrade::Off);
        let deleting = async {
            let mut pickup = Pickup::open(&from, PickupWish { may_delete: true, ..wish() }).await?;
            let head = pickup.head(1).await?;
            pickup.delete(&[head]).await?;
            pickup.close().await?;
            let pickup = Pickup::open(&from, wish()).await?;
            assert_eq!(pickup.newest(), left, "{scheme}");
            pickup.close().await
        };
        soon("the end of a letter", deleting)
            .await
            .unwrap_or_else(|error| panic!("{scheme}: {error:?}"));
    }
}

#[tokio::test]
async fn a_letter_that_comes_meanwhile_is_seen_by_both_protocols() {
    let stage = serve(HERE, &[]);
    let [smtp, pop3, imap] = [0, 1, 2].map(|door| stage.address_of(door));
    let to = route(&format!("smtp://{smtp}"), MailErrand::Send, Upgrade::Off);
    for (scheme, address) in [("imap", imap), ("pop3", pop3)] {
        let from = route(&format!("{scheme}://{address}"), MailErrand::Fetch, Upgrade::Off);
        let waiting = async {
            let mut pickup = Pickup::open(&from, wish()).await?;
            let before = pickup.names(9).await?.len();
            send(&to, PostManner::default(), LETTERS[0]).await?;
            while pickup.names(9).await?.len() == before {
                pickup.until_news(Duration::from_millis(10)).await?;
            }
            // One that comes while we wait, and nothing else wakes us.
            let sending = async {
                send(&to, PostManner::default(), LETTERS[0]).await?;
                std::future::pending::<Result<()>>().await
            };
            let waiting = async {
                while pickup.names(9).await?.len() == before + 1 {
                    pickup.until_news(Duration::from_millis(10)).await?;
                }
                Ok(())
            };
            tokio::select! {
                done = waiting => done?,
                failed = sending => failed?,
            }
            pickup.close().await
        };
        soon("the letter", waiting).await.unwrap_or_else(|error| panic!("{scheme}: {error:?}"));
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn behind_tls_from_the_beginning_or_later_the_server_is_known_and_passwords_are_told() {
    use std::sync::{Arc, Mutex};
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "secret\n").expect("a file");
    let user = format!("all:@{}", file.display());
    let papers = crate::tls::papers::Papers::new();
    let authority = papers.authority("ca");
    let paper = papers.certificate("server", &["localhost", "127.0.0.1"], 2099, Some(&authority));
    let (cert, key) = paper.split_once(",key=").expect("both");
    let cert = cert.strip_prefix("cert=").expect("both");
    let options = [
        ("user", user.as_str()),
        ("auth", "need"),
        ("starttls", "need"),
        ("cert", cert),
        ("key", key),
    ];
    let clear = serve(HERE, &options);
    let at = format!("tls://127.0.0.1:0,{paper}");
    let secure = serve([&at; 3], &options);
    for (stage, schemes, upgrade) in [
        (&clear, ["smtp", "pop3", "imap"], Upgrade::Need),
        (&clear, ["smtp", "pop3", "imap"], Upgrade::Try),
        (&secure, ["smtps", "pop3s", "imaps"], Upgrade::Off),
    ] {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&said);
        let witness = MailWitness::new(move |line| {
            if let MailSaid::Us(line) = line {
                heard.lock().expect("nobody panics").push(line.to_owned());
            }
        });
        let at = |door: usize| format!("{}+tcp://{}", schemes[door], stage.address_of(door));
        let trusted = |door: usize| format!("{},{}", at(door), papers.ca("ca"));
        let to = route(&trusted(0), MailErrand::Send, upgrade);
        let manner =
            PostManner { login: Some(login()), witness: witness.clone(), ..PostManner::default() };
        let outcome = send(&to, manner.clone(), LETTERS[0]).await.expect("it is taken");
        assert_eq!(outcome.taken, 2, "{schemes:?}");
        for door in [1, 2] {
            let from = route(&trusted(door), MailErrand::Fetch, upgrade);
            let wish = PickupWish { witness: witness.clone(), ..wish() };
            let pickup = soon("a mailbox", Pickup::open(&from, wish)).await.expect("it opens");
            assert!(pickup.newest() > 0, "{schemes:?}");
            pickup.close().await.expect("a goodbye");
        }
        let said = said.lock().expect("nobody panics").join("\n");
        assert!(
            !said.contains("secret") && !said.contains("c2VjcmV0") && said.contains("***"),
            "{said}"
        );
        assert!(!said.contains("AGFsbABzZWNyZXQ="), "{said}");
        // Whoever vouches for the server is nobody that this machine knows.
        let strange = route(&at(0), MailErrand::Send, upgrade);
        let error =
            send(&strange, manner.clone(), LETTERS[0]).await.expect_err("it is not trusted");
        assert_eq!(error.kind(), Kind::TlsUntrusted, "{schemes:?}");
        let wrong = Login { name: "all".to_owned(), password: "wrong".to_owned() };
        let manner = PostManner { login: Some(wrong.clone()), ..PostManner::default() };
        let error = send(&to, manner, LETTERS[0]).await.expect_err("a wrong password");
        assert_eq!(error.kind(), Kind::Rejected, "{error:?}");
        for door in [1, 2] {
            let from = route(&trusted(door), MailErrand::Fetch, upgrade);
            let opened = Pickup::open(&from, PickupWish { login: wrong.clone(), ..wish() });
            let error = soon("a no", opened).await.map(drop).expect_err("a wrong password");
            assert_eq!(error.kind(), Kind::Rejected, "{error:?}");
        }
    }
}

#[tokio::test]
async fn what_is_done_wrong_on_purpose_is_noticed_by_our_own_server() {
    let stage = serve(HERE, &[("strict", "yes")]);
    let to = route(&format!("smtp://{}", stage.address_of(0)), MailErrand::Send, Upgrade::Off);
    for (how, code) in [
        (None, 250),
        (Some(SmtpBreak::BareLf), 550),
        (Some(SmtpBreak::LongLine), 550),
        (Some(SmtpBreak::CrCrLf), 550),
    ] {
        let letter = b"Date: Thu, 26 Nov 2026 14:21:00 +0000\r\nFrom: app@test\r\nMessage-ID: <a@b>\r\n\r\n.x\r\n";
        let sent = send(&to, PostManner { breaks: how, ..PostManner::default() }, letter).await;
        let found = match sent {
            Ok(outcome) => {
                outcome.answer.map_or_else(|(_, answer)| answer.code, |answer| answer.code)
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::Rejected, "{how:?}: {error:?}");
                554
            }
        };
        assert!(found == code || (found / 100 == 5 && code / 100 == 5), "{how:?}: {found}");
    }
}

/// Where silence is to be noticed.
const SHORT: Duration = Duration::from_millis(50);

/// A server that a test plays: what is asked of it, and what that comes to.
async fn played<F: Future<Output = ()>>(
    scheme: &str,
    upgrade: Upgrade,
    patience: Duration,
    play: impl FnOnce(TcpStream) -> F,
) -> Result<()> {
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = door.local_addr().expect("it is bound");
    let playing = async {
        let (peer, _) = door.accept().await.expect("a peer");
        play(peer).await;
    };
    let at = format!("{scheme}://{address}");
    let asking = async {
        if scheme == "smtp" {
            let to = route(&at, MailErrand::Send, upgrade);
            let mut posting =
                Posting::open(&to, PostManner { patience, ..PostManner::default() }).await?;
            let letter = vec![b'x'; 1 << 20];
            let outcome = posting.send(envelope(&["li@test"], &letter), &letter).await?;
            outcome.answer.map_err(|(what, answer)| {
                let words = answer.lines.join(" / ");
                Error::new(Kind::Rejected, format!("{what}: {} {words}", answer.code))
            })?;
            return posting.close().await;
        }
        let from = route(&at, MailErrand::Fetch, upgrade);
        let mut pickup = Pickup::open(&from, PickupWish { patience, ..wish() }).await?;
        pickup.heads(10).await?;
        pickup.letter(1).await?;
        pickup.close().await
    };
    let both = async {
        tokio::select! { done = asking => done, () = async { playing.await; std::future::pending().await } => Ok(()) }
    };
    soon("an end", both).await
}

/// Says something, and then the same over and over until nobody listens.
async fn for_ever(mut peer: TcpStream, first: &[u8], then: &[u8]) {
    let _ = peer.write_all(first).await;
    let piece = then.repeat(1 + 65_536 / then.len());
    while peer.write_all(&piece).await.is_ok() {}
}

/// Answers each line that comes with the next of these, and holds on when there are none.
async fn script(mut peer: TcpStream, answers: &[&[u8]]) {
    let mut answers = answers.iter();
    let _ = peer.write_all(answers.next().expect("a greeting")).await;
    let mut heard = vec![0; 65_536];
    for answer in answers {
        match peer.read(&mut heard).await {
            Ok(1..) => drop(peer.write_all(answer).await),
            _ => return,
        }
    }
    // What still comes is nobody's.
    while matches!(peer.read(&mut heard).await, Ok(1..)) {}
}

#[tokio::test]
async fn servers_without_an_end_are_cut_off_at_a_bound() {
    for (scheme, first, then, kind) in [
        ("smtp", &b""[..], &b"2"[..], Kind::BadFrame),
        ("smtp", b"220-", b"x", Kind::MessageTooLong),
        ("smtp", b"", b"220-hi\r\n", Kind::MessageTooLong),
        ("pop3", b"+OK ", b"x", Kind::MessageTooLong),
        ("pop3", b"", b"x", Kind::MessageTooLong),
        ("imap", b"", b"* OK hi\r\n", Kind::MessageTooLong),
        ("imap", b"* OK {999999999}\r\n", b"x", Kind::MessageTooLong),
    ] {
        let ended =
            played(scheme, Upgrade::Off, PATIENCE, |peer| for_ever(peer, first, then)).await;
        let error = ended.expect_err("it has no end");
        let is_it = error.kind() == kind
            || scheme == "smtp" && first.is_empty() && error.kind() == Kind::MessageTooLong;
        assert!(
            is_it,
            "{scheme} {:?} {:?}: {error:?}",
            first.escape_ascii().to_string(),
            then.escape_ascii().to_string()
        );
    }
}

#[tokio::test]
async fn a_server_that_leaves_or_falls_silent_is_told_of() {
    for scheme in ["smtp", "pop3", "imap"] {
        let greeting: &[u8] = match scheme {
            "smtp" => b"220 hi\r\n",
            "pop3" => b"+OK hi\r\n",
            _ => b"* OK hi\r\n",
        };
        let error = played(scheme, Upgrade::Off, PATIENCE, async |peer| drop(peer))
            .await
            .expect_err("it left");
        assert!(
            [Kind::CutShort, Kind::ConnectionReset].contains(&error.kind()),
            "{scheme}: {error:?}"
        );
        let leaves = async |mut peer: TcpStream| {
            let _ = peer.write_all(greeting).await;
            let _ = peer.read(&mut [0; 999]).await;
        };
        let error = played(scheme, Upgrade::Off, PATIENCE, leaves).await.expect_err("it left");
        assert!(
            [Kind::CutShort, Kind::ConnectionReset].contains(&error.kind()),
            "{scheme}: {error:?}"
        );
        let resets = async |mut peer: TcpStream| {
            let _ = peer.write_all(greeting).await;
            let _ = peer.read(&mut [0; 999]).await;
            socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a socket");
        };
        let error = played(scheme, Upgrade::Off, PATIENCE, resets).await.expect_err("a reset");
        assert_eq!(error.kind(), Kind::ConnectionReset, "{scheme}");
        for said in [&b""[..], &greeting[..4], greeting] {
            let error =
                played(scheme, Upgrade::Off, SHORT, async |peer| script(peer, &[said]).await)
                    .await
                    .expect_err("silence");
            assert_eq!(error.kind(), Kind::IdleTimeout, "{scheme} after {said:?}");
        }
        let error = played(scheme, Upgrade::Off, PATIENCE, |peer| {
            script(peer, &[b"HTTP/1.1 400 Bad\r\n\r\n"])
        })
        .await;
        assert_eq!(error.expect_err("another protocol").kind(), Kind::BadFrame, "{scheme}");
    }
}

#[tokio::test]
async fn a_server_says_no_in_its_own_words() {
    for (scheme, answers, words) in [
        ("smtp", &[&b"554 go away\r\n"[..]][..], "554 go away"),
        ("smtp", &[b"421 too busy\r\n"], "421 too busy"),
        (
            "smtp",
            &[b"220 hi\r\n", b"250 x\r\n", b"421-later\r\n421 please\r\n"],
            "421 later / please",
        ),
        ("pop3", &[b"-ERR not you\r\n"], "-ERR not you"),
        ("pop3", &[b"+OK\r\n", b"-ERR\r\n", b"-ERR [AUTH] no li\r\n"], "-ERR [AUTH] no li"),
        (
            "pop3",
            &[b"+OK\r\n", b"-ERR\r\n", b"+OK\r\n", b"-ERR [IN-USE] wait\r\n"],
            "-ERR [IN-USE] wait",
        ),
        ("imap", &[b"* BYE full\r\n"], "BYE full"),
        (
            "imap",
            &[
                b"* OK\r\n",
                b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n",
                b"a2 NO [AUTHENTICATIONFAILED] no li\r\n",
            ],
            "NO AUTHENTICATIONFAILED no li",
        ),
        ("imap", &[b"* PREAUTH\r\n", b"a1 OK\r\n", b"* BYE shutdown\r\n"], "BYE shutdown"),
    ] {
        let result = played(scheme, Upgrade::Off, PATIENCE, |peer| script(peer, answers)).await;
        let error = result.expect_err(words);
        assert_eq!(error.kind(), Kind::Rejected, "{scheme} {words}: {error:?}");
        assert!(error.message().contains(words), "{scheme}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_put_behind_a_yes_to_tls_in_the_clear_is_not_believed() {
    for (scheme, answers) in [
        (
            "smtp",
            &[&b"220 hi\r\n"[..], b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n"][..],
        ),
        ("pop3", &[b"+OK\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"+OK go\r\n+OK injected\r\n"]),
        (
            "imap",
            &[
                b"* OK\r\n",
                b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK\r\n",
                b"a2 OK go\r\n* 9 EXISTS\r\n",
            ],
        ),
    ] {
        let result = played(scheme, Upgrade::Need, PATIENCE, |peer| script(peer, answers)).await;
        let error = result.expect_err("somebody is on the path");
        // Where the two came in two pieces, the second one is no handshake.
        assert!([Kind::BadFrame, Kind::NotTls].contains(&error.kind()), "{scheme}: {error:?}");
    }
}

#[tokio::test]
async fn where_tls_is_needed_nothing_goes_on_without_it() {
    for (scheme, answers) in [
        ("smtp", &[&b"220 hi\r\n"[..], b"250 x\r\n"][..]),
        ("smtp", &[b"220 hi\r\n", b"250-x\r\n250 STARTTLS\r\n", b"454 not now\r\n"]),
        ("pop3", &[b"+OK\r\n", b"-ERR\r\n"]),
        ("pop3", &[b"+OK\r\n", b"+OK\r\nSTLS\r\n.\r\n", b"-ERR no\r\n"]),
        ("imap", &[b"* OK\r\n", b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n"]),
    ] {
        let result = played(scheme, Upgrade::Need, PATIENCE, |peer| script(peer, answers)).await;
        assert_eq!(result.expect_err("no TLS").kind(), Kind::TlsFailed, "{scheme}");
    }
}

#[tokio::test]
async fn odd_sizes_and_numbers_are_no_more_than_odd() {
    // A size that is not so, a number that is too large, a list without an end, a letter that is cut.
    for (answers, kind) in [
        (
            &[
                &b"+OK\r\n"[..],
                b"-ERR\r\n",
                b"+OK\r\n",
                b"+OK\r\n",
                b"+OK\r\n1 99999999999999999999999\r\nx y\r\n2 5\r\n.\r\n",
                b"-ERR\r\n",
                b"-ERR\r\n",
                b"-ERR none\r\n",
            ][..],
            Kind::Rejected,
        ),
        (
            &[
                b"+OK\r\n",
                b"-ERR\r\n",
                b"+OK\r\n",
                b"+OK\r\n",
                b"+OK\r\n1 5\r\n.\r\n",
                b"-ERR\r\n",
                b"+OK\r\nSubject: x\r\n\r\n.\r\n",
                b"+OK 5 octets\r\nhello and more\r\n",
            ],
            Kind::IdleTimeout,
        ),
        (
            &[
                b"* PREAUTH\r\n",
                b"a1 OK\r\n",
                b"* 4294967296 EXISTS\r\n* x EXISTS\r\na2 OK\r\n",
                b"a3 OK\r\n",
            ],
            Kind::Rejected,
        ),
        (&[b"* PREAUTH\r\n", b"a1 OK\r\n", b"* 200000 EXISTS\r\na2 OK\r\n"], Kind::MessageTooLong),
        (
            &[
                b"* PREAUTH\r\n",
                b"a1 OK\r\n",
                b"* 1 EXISTS\r\na2 OK\r\n",
                b"* 7 FETCH (UID 1 BODY[] {3}\r\nabc)\r\na3 OK\r\n",
                b"* 1 FETCH (UID 1)\r\na4 OK\r\n",
            ],
            Kind::Rejected,
        ),
    ] {
        let scheme = if answers[0][0] == b'+' { "pop3" } else { "imap" };
        let patience = if kind == Kind::IdleTimeout { SHORT } else { PATIENCE };
        let result = played(scheme, Upgrade::Off, patience, |peer| script(peer, answers)).await;
        assert_eq!(result.expect_err("nothing to fetch").kind(), kind, "{scheme}");
    }
}

#[tokio::test]
async fn a_letter_that_is_refused_in_its_middle_is_refused_in_the_servers_words() {
    let refuses = async |mut peer: TcpStream| {
        let _ = peer.write_all(b"220 hi\r\n").await;
        let mut heard = vec![0; 4_096];
        for answer in [&b"250 x\r\n"[..], b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"] {
            let _ = peer.read(&mut heard).await;
            let _ = peer.write_all(answer).await;
        }
        // It has seen enough, and reads the rest away before it closes, so that its words arrive.
        let _ = peer.read(&mut heard).await;
        let _ = peer.write_all(b"552 too much\r\n").await;
        while matches!(peer.read(&mut heard).await, Ok(1..)) {}
    };
    let door = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = format!("smtp://{}", door.local_addr().expect("it is bound"));
    let letter = vec![b'x'; 8 << 20];
    let to = route(&at, MailErrand::Send, Upgrade::Off);
    let sending = async {
        let mut posting = Posting::open(&to, PostManner::default()).await?;
        posting.send(envelope(&["li@test"], &letter), &letter).await
    };
    let playing = async { refuses(door.accept().await.expect("a peer").0).await };
    let outcome = soon("an answer", async {
        tokio::select! { done = sending => done, () = async { playing.await; std::future::pending().await } => unreachable!() }
    });
    let (what, answer) = outcome.await.expect("an outcome").answer.expect_err("it is refused");
    assert_eq!((what, answer.code), ("the letter", 552));
}

#[tokio::test]
async fn a_letter_that_was_made_is_read_as_it_was_meant_behind_a_server() {
    use hobnob::codec::mime::Composition;
    let stage = serve(HERE, &[]);
    let composition = Composition {
        fields: vec![
            ("From".to_owned(), "李雷 <app@test>".to_owned()),
            ("Subject".to_owned(), "你好".to_owned()),
        ],
        text: Some("see https://a.test/reset?x=1 at 8".to_owned()),
        boundary: "mark".to_owned(),
        ..Composition::default()
    };
    let letter = composition.write().expect("a letter");
    let to = route(&format!("smtp://{}", stage.address_of(0)), MailErrand::Send, Upgrade::Off);
    send(&to, PostManner::default(), &letter).await.expect("it is taken");
    let from = route(&format!("imap://{}", stage.address_of(2)), MailErrand::Fetch, Upgrade::Off);
    let mut pickup = soon("a mailbox", Pickup::open(&from, wish())).await.expect("it opens");
    let view = LetterView::read(soon("a letter", pickup.letter(1)).await.expect("a letter"));
    assert_eq!(view.field("from").as_deref(), Some("李雷 <app@test>"));
    assert_eq!(view.links(), ["https://a.test/reset?x=1"]);
}
