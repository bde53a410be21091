//! The reader of stdout leaves: whoever has a conversation there ends, also while nobody says anything.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use crate::kit::{Bounded, code, folder, hobnob};

/// A peer that says a word back and then neither says anything nor ends until it is let go.
fn silent_after_a_word() -> (String, JoinHandle<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (hold, held) = channel();
    let play = move || {
        let (mut peer, _) = listener.accept().expect("it dials");
        let mut word = [0; 3];
        // With events its reader may leave before the word is there.
        let _ = peer.read_exact(&mut word).and_then(|()| peer.write_all(&word));
        let _ = held.recv();
    };
    (address, std::thread::spawn(play), hold)
}

#[test]
fn who_talks_ends_when_the_reader_of_its_stdout_has_left() {
    let folder = folder();
    let path = folder.path().join("gram").display().to_string();
    let _gram = hobnob::serve("echo", &format!("unixgram:{path}")).expect("it is free");
    let gram = format!("unixgram:{path}");
    let runs: [(&[&str], bool); 7] = [
        (&["talk", "PEER"], false),
        (&["talk", "PEER"], true),
        (&["talk", "PEER", "--json"], false),
        (&["talk", &gram], false),
        (&["relay", "-", "PEER", "-q"], false),
        (&["relay", "-", "PEER", "-q"], true),
        (&["serve", "echo", "-", "-q"], false),
    ];
    std::thread::scope(|scope| {
        for (words, input_ends) in runs {
            for medium in ["pipe", "socket"] {
                scope.spawn(move || {
                    let (address, peer, hold) = silent_after_a_word();
                    let place = |word: &&str| word.replace("PEER", &address);
                    let all: Vec<_> = words.iter().map(place).collect();
                    let all: Vec<_> = all.iter().map(String::as_str).collect();
                    let mut command = hobnob(&all);
                    command.stdin(Stdio::piped()).stderr(Stdio::null());
                    let mut reader = File::from(if medium == "pipe" {
                        let (reader, writer) = std::io::pipe().expect("a pipe");
                        command.stdout(writer);
                        OwnedFd::from(reader)
                    } else {
                        let (ours, theirs) = UnixStream::pair().expect("two sockets");
                        command.stdout(OwnedFd::from(theirs));
                        ours.into()
                    });
                    let mut child = command.spawn().expect("the binary is there");
                    drop(command);
                    let mut input = child.stdin.take();
                    let said = input.as_mut().expect("it is piped").write_all(b"hi\n");
                    said.expect("it reads");
                    if input_ends {
                        input = None;
                    }
                    let child = Bounded::of(child);
                    reader.read_exact(&mut [0]).expect("the word comes back");
                    drop(reader);
                    assert_eq!(code(child.wait()), 141, "{words:?} {input_ends} {medium}");
                    drop((input, hold));
                    if words.contains(&"PEER") {
                        peer.join().expect("it does not panic");
                    }
                });
            }
        }
    });
}
