//! On a terminal: what a peer sends cannot drive it (safety.md 26), and it is given back as it was.

use std::io::Write as _;
use std::net::TcpListener;

use crate::kit::serve;
use crate::screen::{BINARY, Screen};

/// What a hostile peer sends: clipboard, title, colours, C1 raw and in UTF-8, bidi, line separators, a bell.
const HOSTILE: &[u8] = b"\x1b]52;c;QUJD\x07\x1b]0;title\x07\x1b[31m\x9b31m\xc2\x9b31m\xe2\x80\xae\
                         \xe2\x80\xa8\x08\x7f\rover\x1bP$q\x1b\\end\n";

#[test]
fn a_conversation() {
    let Some(screen) = Screen::open("a_conversation") else { return };
    let served = serve(&["hello", "127.0.0.1:0"]);
    screen.line(&format!("stty -a > /dev/null; {BINARY} talk {}; echo left $?", served.address));
    screen.until(|text| text.contains("«  Welcome!"));
    screen.line("李雷");
    let text = screen.until(|text| text.contains("«  Hello, 李雷!"));
    assert!(text.contains("»  李雷"), "{text}");
    screen.tmux(&["send-keys", "C-]"]);
    screen.line("info");
    screen.until(|text| text.contains("--  tcp, bytes"));
    screen.tmux(&["send-keys", "C-]"]);
    screen.line("hex 6578 69 74 0a");
    let text = screen.until(|text| text.contains("left 0"));
    let after: Vec<_> =
        text.lines().skip_while(|line| !line.contains("--  peer closed after")).collect();
    assert_eq!(after.get(1), Some(&"left 0"), "no prompt is left: {text}");
    assert!(text.contains("sent 12 B in 2   received 23 B in 2"), "{text}");
}

/// Emacs and build services say `TERM=dumb`: lines as they come, and no line editor.
#[test]
fn a_terminal_without_a_cursor_gets_plain_lines() {
    const NAME: &str = "a_terminal_without_a_cursor_gets_plain_lines";
    let Some(screen) = Screen::open(NAME) else { return };
    let served = serve(&["hello", "127.0.0.1:0"]);
    let folder = crate::kit::folder();
    let typescript = folder.path().join("seen");
    screen.line(&format!("clear; TERM=dumb {BINARY} talk {}; echo left $?", served.address));
    screen.until(|text| text.contains("Welcome!"));
    screen.tmux(&["pipe-pane", "-o", &format!("cat > {}", typescript.display())]);
    screen.line("Ada");
    let text = screen.until(|text| text.contains("Hello, Ada!"));
    assert!(text.contains("Ctrl-D ends our side, Ctrl-C leaves"), "{text}");
    screen.line("exit");
    screen.until(|text| text.contains("left 0"));
    screen.tmux(&["pipe-pane"]);
    let seen = std::fs::read(&typescript).expect("what the terminal was sent");
    assert!(!seen.contains(&0x1b), "{}", seen.escape_ascii());
}

/// A FIFO is sent once it was written; what is typed meanwhile comes behind, and a person can leave.
#[test]
fn a_file_that_does_not_come_holds_up_nobody() {
    const NAME: &str = "a_file_that_does_not_come_holds_up_nobody";
    let Some(screen) = Screen::open(NAME) else { return };
    let served = serve(&["echo", "127.0.0.1:0"]);
    let folder = crate::kit::folder();
    let path = folder.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("room");
    let fifo = path.to_str().expect("UTF-8");
    let talk = format!("clear; {BINARY} talk {}; echo left $?", served.address);
    screen.line(&talk);
    screen.until(|text| text.contains('»'));
    screen.order(&format!("send {fifo}"));
    screen.until(|text| text.contains("to its end"));
    screen.line("behind it");
    screen.order("info");
    screen.until(|text| text.contains("sent 0 B in 0"));
    std::fs::write(&path, "by the way\n").expect("somebody reads it");
    // Both may come back in one piece, or each by itself.
    let come = ["   behind it", "«  behind it"];
    let text = screen.until(|text| come.iter().any(|come| text.contains(come)));
    let at = |part| text.rfind(part).expect("it is there");
    assert!(at("«  by the way") < at("  behind it"), "{text}");
    screen.order(&format!("send {fifo}"));
    screen.keys(&["C-c"]);
    screen.until(|text| text.contains("left 130"));
}

/// A long command costs what its keys cost, and not all of itself for each of them.
#[test]
fn a_long_order_is_not_drawn_anew_for_each_key() {
    const NAME: &str = "a_long_order_is_not_drawn_anew_for_each_key";
    const KEYS: usize = 3_000;
    let Some(screen) = Screen::open(NAME) else { return };
    let served = serve(&["echo", "127.0.0.1:0"]);
    let folder = crate::kit::folder();
    let typescript = folder.path().join("seen");
    screen.line(&format!("clear; {BINARY} talk {}; echo left $?", served.address));
    screen.until(|text| text.contains('»'));
    screen.tmux(&["pipe-pane", "-o", &format!("cat > {}", typescript.display())]);
    screen.keys(&["C-]"]);
    screen.tmux(&["send-keys", "-l", &format!("hex {}", "0a".repeat(KEYS / 2))]);
    screen.tmux(&["send-keys", "-l", "  zz"]);
    let text = screen.until(|text| text.contains("  zz"));
    assert!(text.contains(":hex 0a0a0a"), "{text}");
    screen.tmux(&["pipe-pane"]);
    let drawn = std::fs::metadata(&typescript).expect("what the terminal was sent").len();
    assert!(drawn < 100 * KEYS as u64, "{drawn} bytes for {KEYS} keys");
    screen.keys(&["C-c"]);
    screen.until(|text| text.contains("left 130"));
}

#[test]
fn a_narrow_terminal_gets_eight_bytes_a_row() {
    let Some(screen) = Screen::open("a_narrow_terminal_gets_eight_bytes_a_row") else { return };
    screen.tmux(&["resize-window", "-x", "60"]);
    let served = serve(&["reply", "127.0.0.1:0", "--reply", "sixteen bytes go"]);
    screen.line(&format!("clear; {BINARY} talk --hex {}", served.address));
    screen.until(|text| text.contains('»'));
    screen.line("x");
    screen.until(|text| {
        text.contains("|sixteen |\n  00000008  62 79 74 65 73 20 67 6f  |bytes go|\n")
    });
}

#[test]
fn the_ways_out_give_the_terminal_back() {
    let Some(screen) = Screen::open("the_ways_out_give_the_terminal_back") else { return };
    let served = serve(&["echo", "127.0.0.1:0"]);
    screen.line("before=$(stty -g); clear");
    for (key, code) in [("C-c", "left 130"), ("C-d", "left 0")] {
        // Typed these words read otherwise, so that only what this round prints counts.
        screen.line(&format!(
            "clear; echo fo''r {key}; {BINARY} talk {}; echo left $?; \
             [ \"$before\" = \"$(stty -g)\" ] && echo sa''me {key}",
            served.address
        ));
        let began = format!("for {key}");
        screen.until(|text| {
            text.contains(&began) && text.contains("Ctrl-] opens commands") && text.contains('»')
        });
        screen.keys(&[key]);
        let text = screen.until(|text| text.contains(&format!("same {key}")));
        assert!(text.contains(code), "{key}: {text}");
    }
    screen.line(&format!(
        "clear; {BINARY} talk {} & sleep 0; fg; echo left $?; \
         [ \"$before\" = \"$(stty -g)\" ] && echo sa''me at last",
        served.address
    ));
    drop(served);
    screen.until(|text| text.contains("same at last"));
}

#[test]
fn a_peer_that_closes_at_once_leaves_the_terminal_as_it_was() {
    const NAME: &str = "a_peer_that_closes_at_once_leaves_the_terminal_as_it_was";
    let Some(screen) = Screen::open(NAME) else { return };
    let served = serve(&["time", "127.0.0.1:0"]);
    let talk = format!("{BINARY} talk {}", served.address);
    screen.line(&format!(
        "before=$(stty -g); for i in 1 2 3 4 5 6 7 8; do {talk}; \
         [ \"$before\" = \"$(stty -g)\" ] || echo chang''ed; done; echo do''ne"
    ));
    let text = screen.until(|text| text.contains("done\n") || text.contains("changed"));
    assert!(!text.contains("changed"), "{text}");
}

#[test]
fn what_a_peer_sends_is_shown_and_not_obeyed() {
    let Some(screen) = Screen::open("what_a_peer_sends_is_shown_and_not_obeyed") else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let peer = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut peer, _) = listener.accept().expect("a peer");
            peer.write_all(HOSTILE).expect("it is open");
        }
    });
    let folder = crate::kit::folder();
    let typescript = folder.path().join("seen");
    screen.tmux(&["pipe-pane", "-o", &format!("cat > {}", typescript.display())]);
    // Typed, and in a pipe that ends on the terminal.
    screen
        .line(&format!("{BINARY} talk {address}; {BINARY} talk {address} </dev/null; echo le''ft"));
    let text = screen.until(|text| text.contains("left"));
    peer.join().expect("the peer does not panic");
    assert!(text.contains(r"\x1b]52;c;QUJD\x07"), "{text}");
    assert!(text.contains(r"\x9b31m\u{9b}31m\u{202e}\u{2028}\x08\x7f\rover"), "{text}");
    screen.tmux(&["pipe-pane"]);
    let seen = std::fs::read(&typescript).expect("what the terminal was sent");
    for bad in [
        &b"\x1b]52"[..],
        b"\x1b]0;",
        b"\x1bP",
        b"\xc2\x9b",
        b"\xe2\x80\xae",
        b"\xe2\x80\xa8",
        b"\x08\x7f",
        b"\x07",
    ] {
        assert!(!seen.windows(bad.len()).any(|part| part == bad), "{bad:?} reached the terminal");
    }
}

#[test]
fn a_reply_on_a_terminal_ends_its_line() {
    let Some(screen) = Screen::open("a_reply_on_a_terminal_ends_its_line") else { return };
    let served = serve(&["temp", "udp://127.0.0.1:0"]);
    let talk = format!("{BINARY} talk udp://{} --wait 200ms", served.address);
    screen.line(&format!("echo 20C | {talk}; echo next"));
    let text = screen.until(|text| text.lines().any(|line| line == "next"));
    assert!(text.contains("\n68.0 F\nnext\n"), "{text}");
}

#[test]
fn messages_on_a_terminal_look_like_a_conversation() {
    const NAME: &str = "messages_on_a_terminal_look_like_a_conversation";
    let Some(screen) = Screen::open(NAME) else { return };
    let served = serve(&["hello", "127.0.0.1:0"]);
    let text = screen.run(&format!("{BINARY} talk {} Michael exit", served.address));
    let shown: Vec<_> = text.lines().map(|line| line.split("   ").next().unwrap_or(line)).collect();
    assert_eq!(
        shown[..4],
        ["«  Welcome!", "»  Michael", "«  Hello, Michael!", "»  exit"],
        "{text}"
    );
    assert!(text.contains("16 B    +"), "{text}");
    let text = screen.run(&format!("{BINARY} talk {} Michael exit --raw", served.address));
    assert!(text.starts_with("Welcome!Hello, Michael!"), "{text}");
}
