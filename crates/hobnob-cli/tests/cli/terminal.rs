//! On a terminal: what a peer sends cannot drive it (safety.md 26), and it is given back as it was.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use crate::kit::{serve, skip};

/// What a hostile peer sends: clipboard, title, colours, C1 raw and in UTF-8, bidi, line separators, a bell.
const HOSTILE: &[u8] = b"\x1b]52;c;QUJD\x07\x1b]0;title\x07\x1b[31m\x9b31m\xc2\x9b31m\xe2\x80\xae\
                         \xe2\x80\xa8\x08\x7f\rover\x1bP$q\x1b\\end\n";

/// A terminal of its own, gone at the end of the test.
struct Screen {
    socket: String,
}

impl Screen {
    /// None where there is no tmux.
    fn open(name: &str) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if Command::new("tmux").arg("-V").output().is_err() {
            skip(name, "tmux is not here");
            return None;
        }
        let number = COUNT.fetch_add(1, Relaxed);
        let screen = Screen { socket: format!("hobnob-test-{}-{number}", std::process::id()) };
        let shell = "env -i PATH=/usr/bin:/bin TERM=screen LC_ALL=C.UTF-8 PS1='$ ' sh";
        screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40", shell]);
        screen.until(|text| text.contains('$'));
        Some(screen)
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.env("LC_ALL", "C.UTF-8").args(["-u", "-L", &self.socket]).args(words);
        let output = command.output().expect("tmux is there");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line.
    fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// The screen once it is as wanted.
    fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        for _ in 0..200 {
            let text = self.tmux(&["capture-pane", "-p"]);
            if wanted(&text) {
                return text;
            }
            std::thread::park_timeout(Duration::from_millis(50));
        }
        panic!("it does not come:\n{}", self.tmux(&["capture-pane", "-p"]));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

const BINARY: &str = env!("CARGO_BIN_EXE_hobnob");

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
    assert!(text.contains("--  peer closed after"), "{text}");
    assert!(text.contains("sent 12 B in 2   received 23 B in 2"), "{text}");
}

#[test]
fn the_ways_out_give_the_terminal_back() {
    let Some(screen) = Screen::open("the_ways_out_give_the_terminal_back") else { return };
    let served = serve(&["echo", "127.0.0.1:0"]);
    screen.line("before=$(stty -g); clear");
    let talk = format!(
        "{BINARY} talk {}; echo left $?; [ \"$before\" = \"$(stty -g)\" ] && echo same",
        served.address
    );
    for (key, code) in [("C-c", "left 130"), ("C-d", "left 0")] {
        screen.line("clear");
        screen.line(&talk);
        screen.until(|text| text.contains("Ctrl-] opens commands") && text.contains('»'));
        screen.tmux(&["send-keys", key]);
        let text = screen.until(|text| text.lines().any(|line| line.trim() == "same"));
        assert!(text.contains(code), "{key}: {text}");
    }
    screen.line("clear");
    screen.line(&format!("{BINARY} talk {} & sleep 0; fg; echo left $?; [ \"$before\" = \"$(stty -g)\" ] && echo same", served.address));
    drop(served);
    screen.until(|text| text.lines().any(|line| line.trim() == "same"));
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
    screen.line(&format!("{BINARY} talk udp://{} 20C; echo next", served.address));
    let text = screen.until(|text| text.lines().any(|line| line == "next"));
    assert!(text.contains("\n68.0 F\nnext\n"), "{text}");
}
