//! Signals while a person types: the terminal is given back as it was (safety.md 14).

use crate::kit::{serve, signal};
use crate::screen::{BINARY, Screen};

/// Starts a conversation in a shell that says its process id; answers that.
fn start(screen: &Screen, address: &str) -> u32 {
    screen.line(&format!(
        "clear; sh -c 'ulimit -c 0; echo id $$ .; exec {BINARY} talk {address}'; echo left $?"
    ));
    let text = screen.until(|text| text.contains("«  Welcome!"));
    let id = text.lines().find_map(|line| line.strip_prefix("id ")?.strip_suffix(" ."));
    id.and_then(|id| id.parse().ok()).expect("a process id")
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let Some(screen) = Screen::open("a_signal_gives_the_terminal_back") else { return };
    let served = serve(&["hello", "127.0.0.1:0"]);
    let folder = crate::kit::folder();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    screen.run(&format!("stty -a > {}", before.display()));
    let before = std::fs::read_to_string(&before).expect("the terminal as it was");
    let all = [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)];
    for (name, code) in all.map(|(name, code)| (name, format!("left {code}"))) {
        let id = start(&screen, &served.address);
        screen.line("half a");
        screen.until(|text| text.contains("Hello, half a!"));
        screen.tmux(&["send-keys", "-l", "unsent"]);
        // What the program has not read by its end is typed into the shell.
        screen.until(|text| text.contains("unsent"));
        signal(id, name);
        screen.until(|text| text.contains(&code));
        screen.run(&format!("stty -a > {}", after.display()));
        let after = std::fs::read_to_string(&after).expect("the terminal as it is");
        assert_eq!(after, before, "{name}");
    }
}

#[test]
fn it_can_be_suspended_and_goes_on() {
    let Some(screen) = Screen::open("it_can_be_suspended_and_goes_on") else { return };
    let served = serve(&["hello", "127.0.0.1:0"]);
    let folder = crate::kit::folder();
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    screen.run(&format!("stty -a > {}", before.display()));
    screen.line(&format!("{BINARY} talk {}", served.address));
    screen.until(|text| text.contains("«  Welcome!"));
    screen.keys(&["C-z"]);
    screen.until(|text| text.contains("Stopped"));
    screen.run(&format!("stty -a > {}", after.display()));
    let read = |path| std::fs::read_to_string(path).expect("the terminal's settings");
    assert_eq!(read(&after), read(&before), "the shell has its terminal as it was");
    screen.line("fg; echo left $?");
    screen.until(|text| text.contains(" talk "));
    screen.line("Tracy");
    screen.until(|text| text.contains("«  Hello, Tracy!"));
    screen.line("exit");
    screen.until(|text| text.contains("left 0"));
    screen.run(&format!("stty -a > {}", after.display()));
    assert_eq!(read(&after), read(&before));
}
