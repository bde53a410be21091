//! A user with the rights that docs/rooms.md lists, and no others.

use std::fs;

use super::{Member, Nats, node};
use crate::peer::{Running, hobnob};

const DOCS: &str = include_str!("../../../../../docs/rooms.md");

/// What a user may publish to, and subscribe to, by the table of the page: `<room>` and `<stream>` are these.
fn rights(room: &str, streams: &[&str]) -> [Vec<String>; 2] {
    let (_, page) = DOCS.split_once("## Rights").expect("a chapter");
    let page = page.split("\n## ").next().expect("its end");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut rights = [Vec::new(), Vec::new()];
    for row in rows {
        let (subjects, rest) = row.split_once(" | ").expect("a row has columns");
        let right = rest.split(" | ").next().expect("a right");
        for subject in subjects.split('`').filter(|subject| !subject.trim().is_empty()) {
            let subject = subject.replace("<room>", room);
            let of_streams = streams.iter().map(|stream| subject.replace("<stream>", stream));
            let of_streams: Vec<_> = of_streams.collect();
            let one = [subject.replace("<ROOM>", &room.to_ascii_uppercase())];
            let all = if subject.contains("<stream>") { &of_streams[..] } else { &one };
            match right {
                "publish" => rights[0].extend_from_slice(all),
                "subscribe" => rights[1].extend_from_slice(all),
                "both" => rights.iter_mut().for_each(|one| one.extend_from_slice(all)),
                other => panic!("{other} is no right: {row}"),
            }
        }
    }
    rights
}

/// A server whose only user has these rights.
fn limited(test: &str, [publish, subscribe]: &[Vec<String>; 2]) -> Option<Nats> {
    let folder = tempfile::tempdir().expect("a folder");
    let list = |subjects: &[String]| {
        let quoted: Vec<_> = subjects.iter().map(|subject| format!("{subject:?}")).collect();
        quoted.join(", ")
    };
    let config = folder.path().join("nats.conf");
    let text = format!(
        "jetstream {{ store_dir: \"{}\" }}\nauthorization {{ users: [{{ user: me, password: secret, permissions: {{ publish: {{ allow: [{}] }}, subscribe: {{ allow: [{}] }} }} }}] }}\n",
        folder.path().join("store").display(),
        list(publish),
        list(subscribe),
    );
    fs::write(&config, text).expect("room");
    Nats::begin(test, folder, &["-c", config.to_str().expect("UTF-8")])
}

#[test]
fn the_rights_of_the_page_are_all_that_a_node_and_the_doctor_need() {
    let test = "rooms::rights::the_rights_of_the_page_are_all_that_a_node_and_the_doctor_need";
    let lobby = "nrxweytz";
    let streams = ["HOBNOB_CHAT_NRXWEYTZ", "HOBNOB_NAME_NRXWEYTZ"];
    let of_room = rights(lobby, &streams);
    assert!(of_room[0].len() > 8 && of_room[1].len() > 3, "{of_room:?}");
    let Some(mut nats) = limited(test, &of_room) else { return };
    let flags = ["--cluster", &nats.url().replace("nats://", "nats://me:secret@")];
    let (_kite, at_kite) = node(&nats, "kite", &flags);
    let (_lark, at_lark) = node(&nats, "lark", &flags);
    let mut ada = Member::called("Ada", &at_kite);
    let mut bob = Member::called("Bob", &at_lark);
    ada.say("hello");
    bob.until("Ada: hello");
    nats.kill();
    ada.until("* the other nodes cannot be reached");
    bob.until("* the other nodes cannot be reached");
    ada.say("alone");
    nats.start_again();
    bob.until("Ada: alone");
    bob.say("/name Ben");
    ada.until("* Bob is Ben now");
    bob.say("and back");
    ada.until("Ben: and back");

    // The doctor tries a room of its own, and takes it away again.
    let mut of_doctor = rights("*", &["*"]);
    for more in ["$JS.API.STREAM.DELETE.*", "$JS.API.DIRECT.GET.*"] {
        assert!(DOCS.contains(&format!("`{more}`")), "the page says it: {more}");
        of_doctor[0].push(more.to_owned());
    }
    let Some(nats) = limited(test, &of_doctor) else { return };
    let url = nats.url().replace("nats://", "nats://me:secret@");
    let seen = Running::start(hobnob().args(["doctor", "--cluster", &url])).finish();
    assert_eq!(seen.status.code(), Some(0), "{seen:?}");
    let seen = [seen.stdout, seen.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(!seen[0].contains("let our user"), "{seen:?}");
    assert!(seen[0].contains("read from the leader") && seen[0].contains("remove"), "{seen:?}");
}
