//! Where there is no place for a CA that lasts, as under a service of systemd or in a container, what listens is served
//! all the same.

use std::process::Command;

use crate::kit::{finish, folder, hobnob, run, serve_with};

/// Without a HOME, and with one that nobody can write to.
fn homeless(words: &[&str], home: Option<&str>) -> Command {
    let mut command = hobnob(words);
    command.envs(home.map(|home| ("HOME", home)));
    command
}

#[test]
fn who_has_no_home_listens_by_tls_all_the_same() {
    let echo = serve_with(hobnob(&["serve", "echo", "127.0.0.1:0"]));
    for (home, why) in [
        (None, "neither XDG_STATE_HOME nor HOME is set"),
        (Some("/dev/null"), "/dev/null/.local/state/hobnob: not a directory"),
        (Some("/proc"), "/proc/.local/state/hobnob: no such file or directory"),
    ] {
        for words in [
            &["serve", "echo", "tls://127.0.0.1:0"][..],
            &["serve", "http", "https://127.0.0.1:0"],
            &["serve", "mail", "smtp=tls://127.0.0.1:0"],
            &["serve", "mail", "smtp=127.0.0.1:0"],
            &["relay", "tls://127.0.0.1:0", &echo.address],
            &["serve", "chat", "tls://127.0.0.1:0"],
        ] {
            let served = serve_with(homeless(words, home));
            if words[1] == "echo" {
                let done = run(&["talk", "-k", &format!("tls://{}", served.address), "hello"]);
                assert_eq!((done.code, &*done.out), (0, "hello\n"), "{home:?}: {}", done.err);
            }
            let (code, said) = served.stop("TERM");
            assert_eq!(code, 0, "{words:?} {home:?}: {said:?}");
            let said = said.join(" ");
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("it goes with this process"), "{words:?}: {said}");
            assert!(said.contains(why), "{words:?}: {said}");
        }
    }
}

/// What the banner proposes works, and trusts nothing that nobody has.
#[test]
fn what_nobody_can_trust_is_proposed_unchecked() {
    let served = serve_with(hobnob(&["serve", "echo", "tls://127.0.0.1:0"]));
    assert!(served.banner.contains(",insecure"), "{}", served.banner);
    let (_, said) = served.stop("TERM");
    assert!(!said.iter().any(|line| line.contains("ca=")), "{said:?}");
}

#[test]
fn what_is_asked_to_trust_the_ca_or_shows_it_says_that_there_is_no_place() {
    for words in [&["talk", "tls://127.0.0.1:9,ca=dev", "x"][..], &["cert"]] {
        let done = finish(hobnob(words), b"");
        assert_eq!(done.code, 9, "{words:?}: {}", done.err);
        assert!(done.err.starts_with("error[not-found]"), "{words:?}: {}", done.err);
    }
}

/// A folder that others may write into could hold a CA of theirs.
#[test]
fn a_home_that_others_may_write_into_is_refused_and_not_passed_over() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = folder();
    let state = home.path().join(".local/state/hobnob");
    std::fs::create_dir_all(&state).expect("ours");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o777)).expect("ours");
    let mut command = hobnob(&["serve", "echo", "tls://127.0.0.1:0"]);
    command.env("HOME", home.path());
    let done = finish(command, b"");
    assert!(done.err.starts_with("error[permission-denied]"), "{}", done.err);
}
