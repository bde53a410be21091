//! `hobnob up`: what a file says is served, all of it or none, and each mistake has its line and column.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::kit::hardship::{connect, ends_without_its_events, goes_on_without_its_log, with_files};
use crate::kit::{Done, code, finish, folder, hobnob, launch, steady};

/// A command in a folder.
fn there(folder: &Path, words: &[&str]) -> Command {
    let mut command = hobnob(words);
    command.current_dir(folder);
    command
}

/// `hobnob up` on a file with this text.
fn up(text: &str) -> Done {
    let folder = folder();
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    finish(there(folder.path(), &["up", "--for", "1ms"]), b"")
}

#[test]
fn everything_in_the_file_is_served() {
    let folder = folder();
    let text = r#"
        [serve.mirror]
        service = "echo"
        on = ["tcp://127.0.0.1:0", "./mirror.sock"]
        max-conns = 5
        allow = ["127.0.0.1"]

        [upper.loud]
        listen = "./loud.sock"
        framing = "lines"

        [serve.greet]
        service = "hello"
        on = "./greet.sock"
        greeting = '@env:GREETING'
        reply = "@file:reply.txt"

        [alias]
        loud = "./loud.sock"
        greet = "unix:./greet.sock"
    "#;
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    std::fs::write(folder.path().join("reply.txt"), "Ho, {}\n").expect("a file");
    let mut command = there(folder.path(), &["up"]);
    command.env("GREETING", "s3cret hi");
    let up = launch(command);
    assert_eq!(up.err.next(), "hobnob.toml: 3 of 3 started");
    let first = up.err.next();
    assert!(first.starts_with("  mirror      tcp 127.0.0.1:"), "{first}");
    assert!(first.ends_with("   unix ./mirror.sock"), "{first}");
    assert_eq!(up.err.next(), "  loud        unix ./loud.sock");
    assert_eq!(up.err.next(), "  greet       unix ./greet.sock");
    let done = finish(there(folder.path(), &["talk", "@loud", "shout"]), b"");
    assert_eq!((done.code, done.out.as_str()), (0, "SHOUT\n"), "{}", done.err);
    let line = up.err.until("shout");
    assert!(line.contains("  loud    #1  "), "{line}");
    let done = finish(there(folder.path(), &["talk", "@greet", "Li", "exit"]), b"");
    assert_eq!((done.code, done.out.as_str()), (0, "s3cret hiHo, Li\n"), "{}", done.err);
    let (code, said) = up.stop("TERM");
    assert_eq!(code, 0);
    let last = said.iter().rev().take(3).rev().map(|line| line.split(',').next());
    let last: Vec<_> = last.flatten().collect();
    assert_eq!(last, ["mirror: 0 sessions", "loud: 1 session", "greet: 1 session"]);
    for name in ["mirror.sock", "loud.sock", "greet.sock"] {
        assert!(!folder.path().join(name).exists(), "{name} goes with it");
    }
}

#[test]
fn names_choose_and_a_word_with_a_slash_is_a_file() {
    let folder = folder();
    let text =
        "[echo.a]\non = \"./a.sock\"\n[echo.b]\non = \"./b.sock\"\n[echo.c]\non = \"./a.sock\"\n";
    std::fs::write(folder.path().join("other"), text).expect("a file");
    let done = finish(there(folder.path(), &["up", "./other", "a", "b", "--for", "1ms"]), b"");
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.starts_with("./other: 2 of 3 started\n"), "{}", done.err);
    let mut command = there(folder.path(), &["up", "b", "--for", "1ms"]);
    command.env("HOBNOB_CONFIG", "other");
    let done = finish(command, b"");
    assert!(done.err.starts_with("other: 1 of 3 started\n"), "{}", done.err);
    let done = finish(there(folder.path(), &["up", "./other", "d"]), b"");
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("it has: a b c"), "{}", done.err);
}

#[test]
fn each_mistake_has_its_place() {
    for (name, text) in [
        ("not-toml", "[serve.a\nservice = \"echo\"\n"),
        ("empty", ""),
        ("section", "[sreve.a]\nservice = \"echo\"\n"),
        ("outside", "service = \"echo\"\n"),
        ("key", "[serve.a]\nservice = \"echo\"\nidel = \"5s\"\n"),
        ("option", "[serve.a]\nservice = \"hello\"\ngreting = \"x\"\n"),
        ("misspelt", "[serve.a]\nservce = \"echo\"\n"),
        ("service", "[serve.a]\nservice = \"ehco\"\n"),
        ("no-service", "[serve.a]\non = \":9000\"\n"),
        ("type", "[serve.a]\nservice = \"echo\"\non = 9000\n"),
        ("list", "[serve.a]\nservice = \"echo\"\nidle = [\"1s\", \"2s\"]\n"),
        ("value", "[serve.a]\nservice = \"echo\"\nidle = 5\n"),
        ("address", "[serve.a]\nservice = \"echo\"\non = [\":9000\", \"udp://:90000\"]\n"),
        ("shape", "[serve.a]\nservice = \"chat\"\nidle = \"1s\"\non = [\"lines+udp://:1\"]\n"),
        ("twice", "[echo.a]\non = \":9000\"\n[upper.b]\non = \"tls://127.0.0.1:9000\"\n"),
        ("names", "[echo.a]\non = \":1\"\n[upper.a]\non = \":2\"\n"),
        ("default", "[echo.a]\n[defaults]\ntimeout = \"5\"\n"),
        ("default-key", "[echo.a]\n[defaults]\ncolour = \"never\"\n"),
        ("secret", "[hello.a]\ngreeting = \"@env:NOT_SET\"\n"),
    ] {
        let done = up(text);
        assert_eq!(done.out, "", "{name}");
        assert!([2, 9].contains(&done.code), "{name}: {} {}", done.code, done.err);
        assert!(done.err.lines().all(|line| line.chars().count() <= 80), "{name}: {}", done.err);
        insta::assert_snapshot!(format!("up-{name}"), steady(&done.err));
    }
}

#[test]
fn a_secret_is_never_printed() {
    let folder = folder();
    let text = "[echo.a]\non = \"./a.sock\"\nidle = \"@env:SECRET\"\n";
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    let mut command = there(folder.path(), &["up", "--json"]);
    command.env("SECRET", "hunter2");
    let done = finish(command, b"");
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("idle does not take what @env:SECRET stands"), "{}", done.err);
    assert!(!done.err.contains("hunter2") && !done.out.contains("hunter2"), "{}", done.out);
}

#[cfg(feature = "http")]
#[test]
fn a_service_that_would_tell_its_secret_is_not_heard() {
    let folder = folder();
    let text = "[http.a]\non = \"./a.sock\"\nbody = \"@env:SECRET\"\n";
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    let mut command = there(folder.path(), &["up", "--json"]);
    // To this service it is a file, and its error names it.
    command.env("SECRET", "@/hunter2");
    let done = finish(command, b"");
    assert_eq!(done.code, 9, "{}", done.err);
    assert!(done.err.contains("a cannot start"), "{}", done.err);
    assert!(!done.err.contains("hunter2") && !done.out.contains("hunter2"), "{}", done.out);
}

#[test]
fn what_is_open_to_the_network_is_said() {
    let text = "[echo.here]\non = \"127.0.0.1:0\"\n[echo.wide]\non = \"0.0.0.0:0\"\n";
    let done = up(text);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("\nopen to your network: wide\n"), "{}", done.err);
}

#[test]
fn nothing_stays_open_when_one_cannot_start() {
    let folder = folder();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|at| (at, taken)).expect("it is bound");
    let text = format!(
        "[echo.first]\non = \"./first.sock\"\n[echo.second]\non = \"{}\"\n[echo.third]\non = \"./third.sock\"\n",
        taken.0
    );
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    let done = finish(there(folder.path(), &["up", "--for", "10s"]), b"");
    assert_eq!(done.code, 3, "{}", done.err);
    let told = done.err.replace('\n', " ").replace("  ", " ");
    assert!(told.contains("hobnob.toml:4:6: second cannot start: port"), "{}", done.err);
    assert!(told.contains("nothing was started"), "{}", done.err);
    assert!(told.contains("hobnob up first third"), "{}", done.err);
    assert!(!folder.path().join("first.sock").exists());
    assert!(!folder.path().join("third.sock").exists());
}

#[test]
fn a_file_that_cannot_be_read_is_said() {
    let folder = folder();
    let path = folder.path().join("hobnob.toml");
    let done = finish(there(folder.path(), &["up"]), b"");
    assert_eq!(done.code, 9, "{}", done.err);
    assert!(done.err.contains("there is no file hobnob.toml"), "{}", done.err);
    assert!(done.err.contains("hobnob demo"), "{}", done.err);
    std::fs::write(&path, vec![b'#'; 10 << 20]).expect("a file");
    let done = finish(there(folder.path(), &["up"]), b"");
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(done.err.contains("larger than 1024 KiB"), "{}", done.err);
    std::fs::write(&path, b"[echo.a]\n# \xff\n").expect("a file");
    let done = finish(there(folder.path(), &["up"]), b"");
    assert_eq!(done.code, 10, "{}", done.err);
    assert!(done.err.contains("hobnob.toml:2: byte 11"), "{}", done.err);
    std::fs::remove_file(&path).expect("it is there");
    std::fs::create_dir(&path).expect("a folder");
    let done = finish(there(folder.path(), &["up"]), b"");
    assert_eq!(done.code, 2, "{}", done.err);
    std::fs::remove_dir(&path).expect("it is there");
    // A FIFO that nobody writes to, and a file that never ends, are not waited for.
    make_fifo(&path);
    let done = finish(there(folder.path(), &["up"]), b"");
    assert!(done.err.contains("is not a plain file"), "{}", done.err);
    std::fs::remove_file(&path).expect("it is there");
    std::os::unix::fs::symlink("/dev/zero", &path).expect("a link");
    let done = finish(there(folder.path(), &["up"]), b"");
    assert!(done.err.contains("is not a plain file"), "{}", done.err);
}

fn make_fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo is there");
    assert!(made.success());
}

#[test]
fn a_file_that_others_may_not_read_is_said() {
    let folder = folder();
    let path = folder.path().join("hobnob.toml");
    std::fs::write(&path, "[echo.a]\n").expect("a file");
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(&path, closed).expect("it is ours");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let is_root = std::fs::read(&path).is_ok();
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]);
        command.arg(env!("CARGO_BIN_EXE_hobnob"));
        command
    } else {
        hobnob(&[])
    };
    command.arg("up").current_dir(folder.path());
    let done = finish(command, b"");
    assert_eq!(done.code, 8, "{}", done.err);
    assert!(done.err.contains("hobnob.toml cannot be read"), "{}", done.err);
}

#[test]
fn a_broken_file_is_told_by_who_heeds_it_and_no_help_is_refused() {
    let folder = folder();
    std::fs::write(folder.path().join("hobnob.toml"), "[alias\n").expect("a file");
    assert_eq!(finish(there(folder.path(), &["talk", ":1"]), b"").code, 2);
    for words in
        [&["help", "up"][..], &["serve"], &["up", "-h"], &["talk", "--help"], &["--version"]]
    {
        let done = finish(there(folder.path(), words), b"");
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{words:?}");
    }
}

#[test]
fn an_alias_stands_for_an_address() {
    let folder = folder();
    let home = folder.path().join("config/hobnob");
    std::fs::create_dir_all(&home).expect("a folder");
    let text = "[alias]\nprod = \"tls://localhost:5433,ca=x.pem\"\nbad = \"tcp://:99999\"\n";
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    let text = "[alias]\nprod = \":1\"\nown = \"udp://10.0.0.7:53\"\n";
    std::fs::write(home.join("config.toml"), text).expect("a file");
    let explain = |word: &str| {
        let mut command = there(folder.path(), &["explain", word, "--json"]);
        command.env("XDG_CONFIG_HOME", folder.path().join("config"));
        finish(command, b"")
    };
    let endpoint = |word: &str| {
        let line: serde_json::Value = serde_json::from_str(&explain(word).out).expect("JSON");
        line["endpoint"].as_str().expect("an endpoint").to_owned()
    };
    assert!(endpoint("@prod").contains("localhost:5433"), "the folder's goes first");
    assert!(endpoint("@own").starts_with("udp://10.0.0.7:53"));
    assert!(endpoint("@own,ttl=3").contains("ttl=3"));
    let done = explain("@bad");
    assert_eq!(done.code, 2);
    assert!(done.err.contains("hobnob.toml:3:15: "), "{}", done.err);
    let done = explain("@pord");
    assert!(done.err.contains("hobnob explain @prod"), "{}", done.err);
    let done = finish(hobnob(&["talk", "@prod"]), b"");
    assert!(done.err.contains("there is no alias @prod"), "{}", done.err);
}

#[test]
fn relays_that_dial_each_other_are_found_in_the_file() {
    let folder = folder();
    let path = folder.path().join("hobnob.toml");
    let relay =
        |name: &str, on: &str, to: &str| format!("[relay.{name}]\non = [{on:?}]\nto = {to:?}\n");
    let up = |text: String| {
        std::fs::write(&path, text).expect("a file");
        finish(there(folder.path(), &["up", "--for", "1ms"]), b"")
    };
    let two = |to: &str, on: &str| {
        relay("a", "127.0.0.1:39001", to) + &relay("b", on, "tcp://localhost:39001")
    };
    for (to, on) in [(":39002", "127.0.0.1:39002"), ("127.0.0.1:39002", "0.0.0.0:39002")] {
        let done = up(two(to, on));
        let first = done.err.lines().next().expect("a line");
        assert_eq!(first, "error[loop]: hobnob.toml:6:6: this goes round for ever: a to b to a");
        assert!(done.err.contains("^ a listens there"), "{}", done.err);
        assert_eq!(done.code, 2, "{}", done.err);
    }
    let done = up(relay("a", "./a.sock", "./b.sock")
        + &relay("b", "./b.sock", "./c.sock")
        + &relay("c", "./c.sock", "./b.sock"));
    assert!(done.err.contains("this goes round for ever: b to c to b"), "{}", done.err);
    // One behind the other is no circle, and neither is the same port over another transport.
    let done = up(relay("a", "./a.sock", "./b.sock") + &relay("b", "./b.sock", "./c.sock"));
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn the_first_signal_closes_and_the_second_drops() {
    let folder = folder();
    let text = "[echo.a]\non = \"127.0.0.1:0\"\n[upper.b]\non = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    let up = launch(there(folder.path(), &["up"]));
    up.err.next();
    let mut peers: Vec<_> = (0..2)
        .map(|_| {
            let line = up.err.next();
            let address = line.split_whitespace().nth(2).expect("an address").to_owned();
            connect(&address)
        })
        .collect();
    up.err.until("  in");
    up.err.until("  in");
    // A peer that says nothing and does not leave.
    crate::kit::signal(up.child.id(), "INT");
    assert_eq!(up.err.until("closing"), "closing 2 sessions (Ctrl-C again to drop them)");
    crate::kit::signal(up.child.id(), "INT");
    assert_eq!(code(up.child.wait()), 0);
    for peer in &mut peers {
        let _ = peer.write_all(b"x");
        assert!(!matches!(peer.read(&mut [0; 8]), Ok(read) if read > 0));
    }
}

#[test]
fn a_full_disk_ends_it_only_under_its_events() {
    let folder = folder();
    std::fs::write(folder.path().join("hobnob.toml"), "[echo.a]\non = \"./a.sock\"\n")
        .expect("a file");
    ends_without_its_events(there(folder.path(), &["up", "--json"]));
    let path = folder.path().join("a.sock").display().to_string();
    goes_on_without_its_log(there(folder.path(), &["up"]), &path);
}

#[test]
fn without_descriptors_it_says_so_and_nothing_runs() {
    let folder = folder();
    let parts = (0..8).map(|at| format!("[echo.p{at}]\non = \"./{at}.sock\"\n"));
    std::fs::write(folder.path().join("hobnob.toml"), parts.collect::<String>()).expect("a file");
    // The runtime of one core and eight sockets need more than sixteen, wherever this runs.
    for most in [8, 12, 16] {
        let mut command = with_files(most, &["up"]);
        command.current_dir(folder.path());
        let done = finish(command, b"");
        assert_eq!(done.code, 3, "{most}: {}", done.err);
        assert!(done.err.contains("error[too-many-files]: "), "{most}: {}", done.err);
        for at in 0..8 {
            assert!(!folder.path().join(format!("{at}.sock")).exists(), "{most}");
        }
    }
}

#[test]
fn defaults_hold_where_neither_flag_nor_variable_says_otherwise() {
    let folder = folder();
    let text = "[defaults]\nascii = true\ncolor = \"always\"\n[echo.a]\non = \"127.0.0.1:0\"\n";
    std::fs::write(folder.path().join("hobnob.toml"), text).expect("a file");
    let said = |words: &[&str], variable: Option<(&str, &str)>| {
        let mut command = there(folder.path(), &[&["talk", ":99999"], words].concat());
        command.envs(variable);
        finish(command, b"").err
    };
    assert!(said(&[], None).contains('\x1b'));
    assert!(!said(&["--color", "never"], None).contains('\x1b'));
    assert!(!said(&[], Some(("NO_COLOR", "1"))).contains('\x1b'));
}
