//! The field's HTTP clients against `serve http`.

use std::process::Command;

use crate::peer::{Running, has, serve, succeeds};

#[test]
fn curl_gets_posts_and_keeps_its_connection() {
    if !has("http::curl_gets_posts_and_keeps_its_connection", "curl") {
        return;
    }
    let (_server, address) = serve("http", "127.0.0.1:0", &[]);
    let url = format!("http://{}:{}/a?b=c", address[0], address[1]);
    let curl =
        |flags: &[&str]| succeeds(Command::new("curl").args(["-sS", "-m", "20"]).args(flags));
    assert_eq!(curl(&[&url]), "Hello, world!\n");
    let seen = curl(&["-w", "%{http_code} %{num_connects}\n", &url, &url]);
    assert_eq!(seen, "Hello, world!\n200 1\nHello, world!\n200 0\n");
    assert_eq!(curl(&["-d", "a=b", &url]), "Hello, world!\n");
    let chunked = ["-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-d", "a=b"];
    assert_eq!(curl(&[&chunked[..], &[&url]].concat()), "Hello, world!\n");
    assert_eq!(curl(&["--http1.0", &url]), "Hello, world!\n");
    let head = curl(&["-I", &url]).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 ok") && head.contains("content-length: 14"), "{head}");
    assert_eq!(curl(&["-o", "/dev/null", "-w", "%{http_code}", "-H", "Host: a b", &url]), "400");
}

#[test]
fn curl_finds_it_on_a_unix_socket() {
    if !has("http::curl_finds_it_on_a_unix_socket", "curl") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("http.sock").display().to_string();
    let (_server, _) = serve("http", &path, &["--body", "<p>李雷", "--type", "text/html"]);
    let flags = ["-sS", "-m", "20", "-w", " %{content_type}", "--unix-socket", &path];
    let seen = succeeds(Command::new("curl").args(flags).arg("http://localhost/"));
    assert_eq!(seen, "<p>李雷 text/html");
}

/// Two requests on one connection, by the standard library's client.
const CLIENT: &str = "
import http.client, sys
conn = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20)
for method, body in [('GET', None), ('POST', b'x' * 100000), ('POST', iter([b'a', b'b']))]:
    conn.request(method, '/', body=body, encode_chunked=False)
    answer = conn.getresponse()
    print(answer.status, answer.read().decode())
";

/// The tutorials' client: asks, reads to the end, and cuts head from body.
const BY_HAND: &str = "
import socket, sys
conn = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
conn.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n')
parts = []
while True:
    part = conn.recv(1024)
    if not part:
        break
    parts.append(part)
head, body = b''.join(parts).split(b'\\r\\n\\r\\n', 1)
print(head.decode().split('\\r\\n')[0])
print(body.decode())
";

fn python(source: &str, address: &[String]) -> String {
    succeeds(Command::new("python3").args(["-c", source]).args(address))
}

#[test]
fn python_keeps_its_connection() {
    if !has("http::python_keeps_its_connection", "python3") {
        return;
    }
    let (_server, address) = serve("http", "127.0.0.1:0", &["--status", "201", "--body", "made"]);
    assert_eq!(python(CLIENT, &address), "201 made\n".repeat(3));
}

#[test]
fn python_by_hand_cuts_head_from_body() {
    if !has("http::python_by_hand_cuts_head_from_body", "python3") {
        return;
    }
    let (_server, address) = serve("http", "127.0.0.1:0", &["--body", "<h1>hi</h1>"]);
    assert_eq!(python(BY_HAND, &address), "HTTP/1.1 200 OK\n<h1>hi</h1>\n");
}

#[test]
fn an_exchange_is_a_line_for_programs() {
    if !has("http::an_exchange_is_a_line_for_programs", "curl") {
        return;
    }
    let (mut server, address) = serve("http", "127.0.0.1:0", &[]);
    let url = format!("http://{}:{}/page", address[0], address[1]);
    succeeds(Command::new("curl").args(["-sS", "-m", "20", &url]));
    let told = exchange(&mut server);
    for part in ["\"method\":\"GET\"", "\"target\":\"/page\"", "\"status\":200", "\"bytes\":14"] {
        assert!(told.contains(part), "{told}");
    }
}

fn exchange(server: &mut Running) -> String {
    loop {
        let line = server.line();
        if line.contains("\"type\":\"exchange\"") {
            return line;
        }
    }
}
