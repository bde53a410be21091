//! What every error proposes can be done: mistakes of all kinds are made, and each command that is proposed is run.

mod following;
mod habits;
mod written;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use serde_json::Value;

use self::following::{Place, follow_all};
use crate::kit::finish;
use crate::ports::Port;

/// Makes a mistake, and follows all that it proposes; the slug of the error.
fn check(place: &Place, words: &[&str], stdin: &[u8]) -> String {
    let (slug, tries) = proposed(place, words, stdin);
    follow_all(place, words, &tries);
    slug
}

/// The slug of the error of a command, and what it proposes. It is given `--json`, as is what it proposes then.
fn proposed(place: &Place, words: &[&str], stdin: &[u8]) -> (String, Vec<String>) {
    let first = words.len().min(1);
    let done =
        finish(place.hobnob(&[&words[..first], &["--json"], &words[first..]].concat()), stdin);
    let told = done.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let error = told.rev().find(|line| line["type"] == "error");
    let error = error.unwrap_or_else(|| panic!("{words:?} fails: {}{}", done.out, done.err));
    let tries = error["try"].as_array().expect("what to try").iter();
    let tries: Vec<_> = tries.map(|one| one.as_str().expect("text").to_owned()).collect();
    assert!(!tries.is_empty(), "{words:?} proposes something");
    (error["slug"].as_str().expect("a slug").to_owned(), tries)
}

fn check_all(mistakes: &[&[&str]]) -> BTreeSet<String> {
    let place = Place::new();
    mistakes.iter().map(|words| check(&place, words, b"")).collect()
}

#[test]
fn of_the_command_line() {
    let slugs = check_all(&[
        &["srve"],
        &["sirve", ":9"],
        &["get"],
        &["talk"],
        &["talk", ":9000", "--wait"],
        &["talk", ":9000", "--wait", "5"],
        &["talk", ":9000", "--nonsense"],
        &["talk", ":9000", "--half-close", "--no-half-close"],
        &["talk", ":9000", "--text=yes"],
        &["talk", ":9000", "--framing", "lines"],
        &["talk", ":9000", "--framing", "whole", "--eol", "lf"],
        &["talk", ":9000", "--framing", "none", "a message"],
        &["talk", "-"],
        &["serve", "ehco"],
        &["serve", "nothing-like-it"],
        &["serve", "hello", "--greting", "x"],
        &["serve", "echo", "--greeting", "x"],
        &["serve", "echo", "--framing", "words"],
        &["serve", "echo", "--framing", "lines", "--recv", "7"],
        &["serve", "echo", "--allow", "10.0.0.0/40"],
        &["serve", "echo", "--max-conns", "none"],
        &["serve", "echo", ":9000", "-"],
        &["serve", "echo", "-O", "nodelay", ":9000", ":9001"],
        &["serve", "http", "--status", "99"],
        &["serve", "http", "--type", "a\nb"],
        &["serve", "http", "--body", "@/nowhere/x"],
        &["serve", "relay", ":9001"],
        &["relay"],
        &["relay", ":9001", ":9000", ":9002"],
        &["relay", "-O", "nodelay", ":9001", ":9000"],
        &["relay", "-", ":9000"],
        &["relay", ":9001", ":9000", "--both-listen", "--both-dial"],
        &["get", ":9", "-H", "no colon"],
        &["get", ":9", "-H", "a: b\r\nc: d", "--header", "a: b\r\nc: d", "--header=no: \r"],
        &["get", ":9", "-X", "NO METHOD"],
        &["get", ":9", "-d", "@/nowhere/x"],
        &["get", ":9", "-o", "/nowhere/x"],
        &["get", ":9", "-o", "/"],
        &["get", ":9", "--head", "-d", "x"],
        &["get", ":9", ":10"],
        &["help", "addreses"],
        &["help", "nothing-like-it"],
        &["completions", "bahs"],
        &["completions"],
        &["man", "/dev/null"],
        &["explain"],
        &["fault", "redis"],
        &["fault", "redis", "clear", "latency=1s"],
        &["up"],
        &["up", "/nowhere/hobnob.toml"],
    ]);
    assert!(slugs.len() >= 8, "{slugs:?}");
}

#[test]
fn of_addresses() {
    let mistakes = [
        "",
        " ",
        "@",
        "@name",
        "[::1",
        "::1",
        "::1:80",
        "fe80::1:80",
        "*:80",
        ":90000",
        "host",
        "host:",
        "10.0.0.1",
        "tcp://127.0.0.1:90000",
        "tcp:/x",
        "tpc://:9",
        "tcp:",
        "udp://",
        "unix:",
        "unix:@",
        "unix://tmp/x",
        "tls+tsl+tcp://:9",
        "tcp+tls://:9",
        "tls",
        "lines",
        "tls+udp://:9",
        "lines+udp://:9",
        "localhost:80/x",
        "http://u:p@h/",
        "http://h:80/a b",
        "http://h:80/x,max=1k",
        "https://h:443/x,ca=a b,name=y",
        "udp+tcp://:9",
        "tcp://:9,nodeley",
        "tcp://:9,ttl",
        "tls://:9,min=2",
        "tcp://:9,,",
        "exec:",
        "fd:",
        "memory:",
        "a b:80",
        "user@host:22",
        "tcp://:9,=x",
        "127.0.0.1:http",
        "127.0.0.1:htp",
        "unix:/tmp/a b",
        "/",
        "./",
        "http://:80",
        "tcp://[::1]",
        "tls://h",
        "1.2.3.4.5:80",
        "256.1.1.1:80",
        "0.0.0.0:1",
        "icmp://h",
        "vsock:1:2",
        "host:80:90",
    ];
    let place = Place::new();
    let mut wrong = 0;
    for at in mistakes {
        for words in [&["explain", at][..], &["serve", "echo", at], &["talk", at]] {
            // To explain a host takes no port.
            let hosts = ["::1", "::1:80", "fe80::1:80", "host", "10.0.0.1"];
            let is_explained = words[0] == "explain" && hosts.contains(&at);
            let is_wrong = !is_explained
                && hobnob::engine::parse(at).and_then(|at| hobnob::engine::resolve(&at)).is_err();
            if is_wrong {
                check(&place, words, b"");
                wrong += 1;
            }
        }
    }
    assert!(wrong > 100, "only {wrong} were mistakes");
}

#[test]
fn of_parts_that_do_not_fit() {
    let slugs = check_all(&[
        &["serve", "echo", "http://:8000"],
        &["serve", "http", "http://:8000/x"],
        &["serve", "http", "udp://:8000"],
        &["serve", "chat", "lines+udp://:9"],
        &["serve", "hello", "lines+tcp://:9", "--greeting", r"a\nb"],
        &["serve", "source", "udp://0.0.0.0:0"],
        &["serve", "echo", "unix:@x,mode=660"],
        &["serve", "echo", "./x.sock,mode=888"],
        &["serve", "echo", "./x.sock,user=no-such-user"],
        &["serve", "echo", "unixgram:./x.sock,group=no-such-group"],
        &["talk", "http://127.0.0.1:9/x"],
        &["talk", "lines+udp://127.0.0.1:9"],
        &["talk", "tcp://127.0.0.1:9,listen"],
        &["get", "tcp://127.0.0.1:9,listen"],
        &["get", "udp://:9"],
        &["relay", ":9001", "udp://10.0.0.1:53"],
        &["relay", "udp://:5353", ":9000"],
        &["relay", "udp://:5353", "/tmp/a b.sock"],
        &["relay", ":9001", "http://example.com/"],
        &["relay", "udp://:5353", "udp://:5354", "--both-listen"],
        &["relay", "127.0.0.1:19001", "127.0.0.1:19001"],
        &["relay", ":0", ":9000", "--fault", "loss=2%"],
        &["relay", ":0", ":9000", "--fault", "latency=1s", "--fault", "reorder=2%"],
        &["relay", ":0", ":9000", "--fault", "dup=2%"],
        &["relay", ":0", ":9000", "--fault", "stall=1s,after=4 packets"],
        &["relay", ":0", ":9000", "--fault", "up:latncy=1s"],
        &["relay", ":0", ":9000", "--fault", "sideways:latency=1s"],
        &["relay", ":0", ":9000", "--fault", "rate=1k,after=soon"],
        &["relay", ":0", ":9000", "--fault", "latency"],
        &["relay", ":0", ":9000", "--like", "4g"],
    ]);
    assert!(slugs.len() >= 4, "{slugs:?}");
}

#[test]
fn of_places_that_cannot_be_had() {
    let place = Place::new();
    let path = |name: &str| place.path(name).to_string_lossy().into_owned();
    let (port, udp) = (Port::draw(), Port::draw());
    let _taken = TcpListener::bind(("127.0.0.1", port.number)).expect("it is ours");
    let _bound = UdpSocket::bind(("127.0.0.1", udp.number)).expect("it is ours");
    let (taken, bound) = (format!(":{}", port.number), format!("udp://:{}", udp.number));
    assert_eq!(check(&place, &["serve", "echo", &taken], b""), "port-in-use");
    assert_eq!(check(&place, &["serve", "echo", &bound], b""), "port-in-use");
    assert_eq!(check(&place, &["relay", &taken, ":9"], b""), "port-in-use");
    let elsewhere = "203.0.113.9:9000";
    assert_eq!(check(&place, &["serve", "echo", elsewhere], b""), "address-not-here");
    let _live = UnixListener::bind(path("it is live.sock")).expect("a socket");
    std::fs::write(path("file"), "precious").expect("a file");
    for name in ["it is live.sock", "file"] {
        let told = check(
            &place,
            &["serve", "echo", &format!("unix:{}", path(name).replace(' ', "%20"))],
            b"",
        );
        assert_eq!(told, "socket-file-exists", "{name}");
    }
    let _datagrams = UnixDatagram::bind(path("datagrams.sock")).expect("a socket");
    assert_eq!(check(&place, &["talk", &path("datagrams.sock"), "x"], b""), "does-not-fit");
    assert_eq!(check(&place, &["talk", "/nowhere/x.sock"], b""), "not-found");
    assert_eq!(
        check(&place, &["talk", &format!("/tmp/{}", "x".repeat(120))], b""),
        "path-too-long"
    );
    let decisions = ["relay", ":0", ":9", "--fault", "stall=1s", "--decisions", &path("file")];
    assert_eq!(check(&place, &decisions, b""), "file-exists");
}

#[test]
fn of_peers_that_are_not_there_or_say_nothing() {
    let place = Place::new();
    let gone = Port::draw();
    let address = format!("127.0.0.1:{}", gone.number);
    let udp = format!("udp://{address}");
    for words in [
        &["talk", &address][..],
        &["talk", &address, "--", "--a-message"],
        &["get", &address],
        &["talk", &udp, "x"],
        &["relay", &address, &address.replace("0.0.1", "0.0.2"), "--both-dial"],
        &["serve", "echo", &format!("{address},dial")],
    ] {
        assert_eq!(check(&place, words, b""), "connection-refused", "{words:?}");
    }
    let quiet = Port::draw();
    let (address, udp) =
        (format!("127.0.0.1:{}", quiet.number), format!("udp://127.0.0.1:{}", quiet.number));
    let mistakes = [
        (vec!["talk", &udp, "x", "--wait", "50ms"], "timed-out"),
        (vec!["talk", &address, "x", "--wait", "50ms"], "timed-out"),
        (vec!["talk", &address, "--idle", "50ms", "--no-half-close"], "idle-timeout"),
        (vec!["get", &address, "--idle", "50ms"], "idle-timeout"),
        (vec!["talk", &format!("tls://{address}"), "--timeout", "50ms"], "timed-out"),
    ]
    .map(|(words, slug)| (words.into_iter().map(str::to_owned).collect::<Vec<_>>(), slug));
    for (words, slug) in mistakes {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let listener = TcpListener::bind(("127.0.0.1", quiet.number)).expect("it is ours");
        let socket = UdpSocket::bind(("127.0.0.1", quiet.number)).expect("it is ours");
        let (told, tries) = proposed(&place, &words, b"x");
        drop((listener, socket));
        assert_eq!(told, slug, "{words:?}");
        follow_all(&place, &words, &tries);
    }
}

/// The error of asking whoever says this.
fn answered(place: &Place, verb: &[&str], said: &'static [u8]) -> (String, Vec<String>) {
    let port = Port::draw();
    let listener = TcpListener::bind(("127.0.0.1", port.number)).expect("it is ours");
    let peer = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("it comes");
        let _ = peer.read(&mut [0; 4_096]);
        let _ = std::io::Write::write_all(&mut peer, said);
        let _ = peer.shutdown(std::net::Shutdown::Write);
        let _ = peer.read_to_end(&mut Vec::new());
    });
    let to = format!("{}127.0.0.1:{}", verb[1], port.number);
    let told = proposed(place, &[&[verb[0], &to], &verb[2..]].concat(), b"x");
    // Where nobody was dialled, it waits still.
    drop(std::net::TcpStream::connect(("127.0.0.1", port.number)));
    peer.join().expect("the peer does not panic");
    told
}

#[test]
fn of_peers_that_say_something_else() {
    let place = Place::new();
    let papers = Path::new("page.html");
    std::fs::write(place.path("").join(papers), "precious").expect("a file");
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    for (verb, said, slug) in [
        (&["get", "http://"][..], &b"220 mail.test\r\n"[..], "bad-frame"),
        (&["get", "http://"], b"", "cut-short"),
        (&["get", "http://"], b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nh", "cut-short"),
        (&["get", "http://"], b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nh", "bad-frame"),
        (&["get", "http://", "-o", "page.html"], ok, "file-exists"),
        (
            &["get", "http://", "--follow"],
            b"HTTP/1.1 302 F\r\nLocation: ftp://x/\r\n\r\n",
            "bad-redirect",
        ),
        #[cfg(feature = "tls")]
        (&["talk", "tls://"], b"220 mail.test\r\n", "not-tls"),
        #[cfg(feature = "tls")]
        (&["talk", "tls://"], b"", "tls-failed"),
    ] {
        let (told, tries) = answered(&place, verb, said);
        assert_eq!(told, slug, "{verb:?}");
        follow_all(&place, verb, &tries);
    }
}

#[cfg(feature = "tls")]
#[test]
fn of_certificates_and_their_files() {
    let place = Place::new();
    let papers = crate::papers::Papers::new();
    let known = papers.authority("known");
    let other = papers.certificate("other", &["db.test"], 2099, Some(&known));
    let own = papers.certificate("own", &["127.0.0.1"], 2099, None);
    let old = papers.certificate("old", &["127.0.0.1"], 2021, Some(&known));
    for (certificate, slug) in
        [(other, "tls-name-mismatch"), (own, "tls-untrusted"), (old, "tls-expired")]
    {
        let served =
            crate::kit::serve(&["echo", &format!("tls://127.0.0.1:0,{certificate}"), "--json"]);
        let to = format!("tls://{},{}", served.address, papers.ca("known"));
        let (told, tries) = proposed(&place, &["talk", &to], b"x");
        drop(served);
        assert_eq!(told, slug);
        follow_all(&place, &["talk", &to], &tries);
    }
    for words in [
        ["talk", "tls://127.0.0.1:9,ca=/nowhere/x"],
        ["talk", "tls://127.0.0.1:9,ca=/dev/null"],
        ["talk", "tls://127.0.0.1:9,name=no name"],
        ["talk", "tls://127.0.0.1:9,cert=/dev/null"],
    ] {
        check(&place, &words, b"");
    }
}

#[test]
fn of_files_of_settings() {
    let place = Place::new();
    for text in [
        "[serve.a\nservice = \"echo\"\n",
        "",
        "[sreve.a]\nservice = \"echo\"\n",
        "service = \"echo\"\n",
        "[serve.a]\nservice = \"echo\"\nidel = \"5s\"\n",
        "[serve.a]\nservice = \"hello\"\ngreting = \"x\"\n",
        "[serve.a]\nservice = \"ehco\"\n",
        "[serve.a]\non = \":9000\"\n",
        "[serve.a]\nservice = \"echo\"\non = 9000\n",
        "[serve.a]\nservice = \"echo\"\nidle = 5\n",
        "[serve.a]\nservice = \"echo\"\non = [\":9000\", \"udp://:90000\"]\n",
        "[serve.a]\nservice = \"chat\"\nidle = \"1s\"\non = [\"lines+udp://:1\"]\n",
        "[echo.a]\non = \":9000\"\n[upper.b]\non = \"tls://127.0.0.1:9000\"\n",
        "[echo.a]\n[defaults]\ntimeout = \"5\"\n",
        "[hello.a]\ngreeting = \"@env:NOT_SET\"\n",
    ] {
        std::fs::write(place.path("hobnob.toml"), text).expect("a file");
        check(&place, &["up"], b"");
    }
    std::fs::write(
        place.path("hobnob.toml"),
        "[alias]\nprod = \":9\"\n[echo.abc]\non = \"127.0.0.1:0\"\n",
    )
    .expect("a file");
    check(&place, &["explain", "@pord"], b"");
    check(&place, &["up", "abd"], b"");
}

/// The knobs of a relay that runs.
#[test]
fn of_knobs() {
    let place = Place::new();
    let serve = |words: &[&str]| crate::kit::serve_with(place.hobnob(words));
    let behind = serve(&["serve", "echo", "127.0.0.1:0", "--name", "be hind"]);
    let relay = |name: &str| serve(&["relay", "127.0.0.1:0", &behind.address, "--name", name]);
    let _relays = [relay("re dis"), relay("two"), relay("two")];
    for words in [
        &["fault", "re diss"][..],
        &["fault", "be hind", "latency=1s"],
        &["fault", "two"],
        &["fault", "re dis", "loss=2%"],
        &["fault", "re dis", "latncy=2s"],
        &["fault", "re dis", "clear", "latency=1s"],
    ] {
        check(&place, words, b"");
    }
}
