//! What a person types: lines, pastes, and the commands after Ctrl-].

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use crate::kit::{BOUND, folder, run_with, serve, skip};
use crate::screen::{BINARY, Screen};

/// A listener, and the screen in which somebody talks to it.
fn talked_to(screen: &Screen, words: &str) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    screen.line(&format!("{BINARY} talk {address} {words}; echo left $?"));
    let (peer, _) = listener.accept().expect("it comes");
    peer.set_read_timeout(Some(BOUND)).expect("a timeout");
    screen.until(|text| text.contains("Ctrl-] opens commands") && text.contains('»'));
    peer
}

fn hear(peer: &mut TcpStream, expected: &[u8]) {
    let (mut heard, wanted) = (vec![0; expected.len()], String::from_utf8_lossy(expected));
    peer.read_exact(&mut heard).unwrap_or_else(|error| panic!("{error}, and no {wanted:?}"));
    assert_eq!(String::from_utf8_lossy(&heard), wanted);
}

#[test]
fn every_line_of_a_paste_is_sent() {
    let Some(screen) = Screen::open("every_line_of_a_paste_is_sent") else { return };
    let mut peer = talked_to(&screen, "");
    let lines: Vec<_> = (1..=200).map(|number| format!("line {number} 你好\n")).collect();
    let lines = lines.concat();
    let folder = folder();
    let path = folder.path().join("paste");
    std::fs::write(&path, &lines).expect("a file");
    screen.tmux(&["load-buffer", &path.to_string_lossy()]);
    screen.tmux(&["paste-buffer"]);
    hear(&mut peer, lines.as_bytes());
}

#[test]
fn the_orders() {
    let Some(screen) = Screen::open("the_orders") else { return };
    let mut peer = talked_to(&screen, "");
    screen.keys(&["C-]"]);
    screen.until(|text| text.lines().any(|line| line.trim_end() == "»  :"));
    screen.line("");
    screen.until(|text| text.contains("--  text   hex   eol lf|crlf|none   send FILE"));

    screen.order("hex");
    screen.until(|text| text.contains("--  shown as hex"));
    peer.write_all(b"ab\n").expect("it is open");
    screen.until(|text| text.contains("00000000  61 62 0a"));
    screen.order("text");
    screen.until(|text| text.contains("--  shown as text"));
    peer.write_all(b"as text\n").expect("it is open");
    screen.until(|text| text.contains("«  as text"));

    screen.order("eol crlf");
    screen.line("one");
    hear(&mut peer, b"one\r\n");
    screen.order("eol none");
    screen.line("two");
    hear(&mut peer, b"two");
    screen.order("hex 0d 0A ff");
    hear(&mut peer, b"\r\n\xff");

    let folder = folder();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let file: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&from, &file).expect("a file");
    screen.order(&format!("send {}", from.display()));
    hear(&mut peer, &file);
    screen.until(|text| text.contains("--  sending 800,000 B"));
    screen.order(&format!("save {}", to.display()));
    screen.until(|text| text.contains("--  what comes is kept in"));
    peer.write_all(b"kept\x1b").expect("it is open");
    screen.until(|text| text.contains(r"«  kept\x1b"));
    assert_eq!(std::fs::read(&to).expect("it was made"), b"kept\x1b");
    screen.order(&format!("save {}", to.display()));
    screen.until(|text| text.contains("error[file-exists]"));

    screen.order("info");
    screen.until(|text| text.contains("--  tcp, bytes   local 127.0.0.1:"));
    screen.order("half-close");
    screen.until(|text| text.contains("--  our side has ended; still listening"));
    assert_eq!(peer.read(&mut [0; 8]).expect("the end"), 0);
    screen.line("too late");
    screen.until(|text| text.contains("--  our side has ended; Ctrl-C leaves"));
    peer.write_all(b"still heard\n").expect("it is open");
    screen.until(|text| text.contains("«  still heard"));
    screen.order("quit");
    let text = screen.until(|text| text.contains("left 0"));
    assert!(text.contains("--  left after"), "{text}");
}

#[test]
fn a_tab_is_a_character_that_is_sent() {
    let Some(screen) = Screen::open("a_tab_is_a_character_that_is_sent") else { return };
    let mut peer = talked_to(&screen, "");
    screen.keys(&["a", "Tab", "b", "Enter"]);
    hear(&mut peer, b"a\tb\n");
}

#[test]
fn enter_sends_what_the_port_wants() {
    const NAME: &str = "enter_sends_what_the_port_wants";
    let Some(screen) = Screen::open(NAME) else { return };
    // An address of this test alone, so that nobody else has these ports.
    let id = std::process::id();
    let host = format!("127.25.{}.{}", id >> 8 & 0xff, id & 0xff);
    for port in [25_u16, 80, 110, 143, 587] {
        let Ok(listener) = TcpListener::bind((host.as_str(), port)) else {
            return skip(NAME, "ports below 1024 need root");
        };
        screen.line(&format!("clear; {BINARY} talk {host}:{port}; echo left $?"));
        let (mut peer, _) = listener.accept().expect("it comes");
        let said = format!(r"Enter sends \r\n, as port {port} wants it");
        screen.until(|text| text.contains(&said) && text.contains('»'));
        screen.line("HELO me");
        hear(&mut peer, b"HELO me\r\n");
        drop(peer);
        screen.until(|text| text.contains("left 0"));
        // In a pipe it is somebody else's protocol.
        let answer = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("it comes");
            let mut all = Vec::new();
            peer.read_to_end(&mut all).expect("its end comes");
            all
        });
        let done = run_with(&["talk", &format!("{host}:{port}")], b"HELO me\n");
        assert_eq!(done.code, 0, "{}", done.err);
        assert_eq!(answer.join().expect("the peer does not panic"), b"HELO me\n");
    }
}

#[test]
fn a_terminal_that_is_closed_ends_it() {
    let Some(screen) = Screen::open("a_terminal_that_is_closed_ends_it") else { return };
    let mut peer = talked_to(&screen, "");
    screen.tmux(&["kill-pane"]);
    let mut rest = Vec::new();
    // Its end, or a reset: either way it is gone.
    let _ = peer.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn ascii_and_colours_as_wished() {
    let Some(screen) = Screen::open("ascii_and_colours_as_wished") else { return };
    let served = serve(&["hello", "127.0.0.1:0"]);
    screen.line(&format!("{BINARY} talk {} --ascii; echo left $?", served.address));
    screen.until(|text| text.contains("<  Welcome!"));
    screen.line("李雷");
    screen.until(|text| text.contains("<  Hello, 李雷!"));
    screen.keys(&["C-c"]);
    let text = screen.until(|text| text.contains("left 130"));
    assert!(!text.contains(['«', '»']), "{text}");
    for (words, is_red) in [("", true), ("--color=never", false), ("--color always", true)] {
        screen.run(&format!("{BINARY} talk {words}"));
        let seen = screen.tmux(&["capture-pane", "-p", "-e"]);
        let head = seen.lines().find(|line| line.contains("usage]")).expect("an error");
        assert_eq!(head.contains("[31m"), is_red, "{words}: {head:?}");
    }
    screen.run(&format!("NO_COLOR=1 {BINARY} talk"));
    let seen = screen.tmux(&["capture-pane", "-p", "-e"]);
    assert!(!seen.contains("[31m"), "{seen:?}");
}

#[test]
fn help_on_a_terminal_goes_through_the_pager() {
    let Some(screen) = Screen::open("help_on_a_terminal_goes_through_the_pager") else { return };
    let is_paged = |text: &str| text.lines().any(|line| line.starts_with("paged:"));
    let text = screen.run(&format!("PAGER='sed s/^/paged:/' {BINARY} help eof"));
    assert!(is_paged(&text), "{text}");
    let text = screen.run(&format!("PAGER= {BINARY} help help"));
    assert!(text.contains("Pages") && !is_paged(&text), "{text}");
    let text = screen.run(&format!("PATH=/nowhere {BINARY} help help"));
    assert!(text.contains("Pages"), "without a pager the page is printed: {text}");
    let text = screen.run(&format!("PAGER='sed s/^/paged:/' {BINARY} help eof | cat"));
    assert!(!is_paged(&text), "{text}");
}

/// What `hobnob help keys` says of editing: the keys, and the line that is sent after them.
const EDITS: &[(&[&str], &str)] = &[
    (&["world", "C-a", "hello "], "hello world"),
    (&["world", "Home", "hello ", "C-e", "!"], "hello world!"),
    (&["ab", "C-b", "x"], "axb"),
    (&["ab", "C-a", "C-f", "x"], "axb"),
    (&["ab", "Left", "x", "Right", "y"], "axby"),
    (&["one two", "M-b", "x"], "one xtwo"),
    (&["one two", "C-a", "M-f", "x"], "onex two"),
    (&["abc", "C-h", "x"], "abx"),
    (&["abc", "BSpace", "x"], "abx"),
    (&["abc", "C-a", "DC"], "bc"),
    (&["one two", "C-w", "x"], "one x"),
    (&["one two", "C-a", "M-d"], " two"),
    (&["junk", "C-u", "kept"], "kept"),
    (&["kept junk", "M-b", "C-k"], "kept "),
    (&["one", "C-w", "x", "C-y"], "xone"),
    (&["ab", "C-t"], "ba"),
    (&["C-p", "x"], "bax"),
    (&["C-p", "C-p", "C-n", "y"], "baxy"),
    (&["C-r", "onex"], "onex two"),
    (&["C-l", "z"], "z"),
];

#[test]
fn the_keys_of_the_page_do_what_it_says() {
    let Some(screen) = Screen::open("the_keys_of_the_page_do_what_it_says") else { return };
    let mut peer = talked_to(&screen, "");
    for (keys, line) in EDITS {
        // Between two lines the terminal edits by itself, as it does between two commands of a shell.
        screen.until(|text| text.trim_end().ends_with("\n»"));
        for key in *keys {
            // tmux sends as text what is no name of a key.
            screen.keys(&[key]);
        }
        screen.keys(&["Enter"]);
        hear(&mut peer, format!("{line}\n").as_bytes());
    }
}
