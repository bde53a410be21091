//! The field's HTTP clients against `serve http`.

use std::process::Command;

use crate::peer::{Running, has, python as script, serve, succeeds};

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

/// A browser that asks for all that a page needs at once: sixteen requests in one write, eight times on one conn.
const BROWSER: &str = "
import http.client, socket, sys
FIELDS = (
    'Host: {}:{}\\r\\nConnection: keep-alive\\r\\n'
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\\r\\n'
    'Accept: text/html,application/xhtml+xml,image/avif,*/*;q=0.8\\r\\n'
    'Sec-Fetch-Site: none\\r\\nSec-Fetch-Mode: navigate\\r\\nAccept-Encoding: gzip, deflate, br\\r\\n'
    'Accept-Language: zh-CN,zh;q=0.9,en;q=0.8\\r\\nCookie: a=b; c=\"d e\"\\r\\n\\r\\n'
).format(sys.argv[1], sys.argv[2])
conn = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20)
class Kept:
    def __init__(self, file):
        self.file = file
    def makefile(self, mode):
        return self.file
class Unclosed:
    def __init__(self, file):
        self.file = file
    def __getattr__(self, name):
        return getattr(self.file, name)
    def close(self):
        pass
file = Unclosed(conn.makefile('rb'))
seen = []
for turn in range(8):
    conn.sendall(''.join('GET /%d/%d?q=%%E4 HTTP/1.1\\r\\n' % (turn, at) + FIELDS for at in range(16)).encode())
    for at in range(16):
        answer = http.client.HTTPResponse(Kept(file))
        answer.begin()
        seen.append((answer.status, answer.read().decode()))
print(len(seen), set(seen))
";

#[test]
fn a_browser_asks_for_sixteen_things_at_once() {
    if !has("http::a_browser_asks_for_sixteen_things_at_once", "python3") {
        return;
    }
    let (_server, address) = serve("http", "127.0.0.1:0", &["--body", "one"]);
    assert_eq!(python(BROWSER, &address), "128 {(200, 'one')}\n");
}

#[test]
fn wrk_finds_nothing_wrong() {
    if !has("http::wrk_finds_nothing_wrong", "wrk") {
        return;
    }
    let (_server, address) = serve("http", "127.0.0.1:0", &["-q"]);
    let url = format!("http://{}:{}/", address[0], address[1]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/http.lua");
    for depth in ["1", "16"] {
        let mut wrk = Command::new("wrk");
        let seen = succeeds(wrk.args(["-t1", "-c20", "-d1s", "-s", script, &url, "--", depth]));
        let requests = seen.lines().find_map(|line| line.trim().split_once(" requests in "));
        let requests = requests.and_then(|(number, _)| number.parse::<u64>().ok());
        assert!(requests.is_some_and(|requests| requests > 100), "{seen}");
        assert!(!seen.contains("Non-2xx") && !seen.contains("Socket errors"), "{seen}");
    }
}

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
fn the_tutorials_client_cuts_head_from_body() {
    if !has("http::the_tutorials_client_cuts_head_from_body", "python3") {
        return;
    }
    let (_server, address) = serve("http", "127.0.0.1:0", &["--body", "<h1>嗨</h1>"]);
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("page.html");
    let said = succeeds(script("http_client.py").args(&address).arg("--save").arg(&page));
    assert_eq!(said, "ok: HTTP/1.1 200 OK, 12 bytes of body\n");
    assert_eq!(std::fs::read_to_string(page).expect("a page"), "<h1>嗨</h1>");
}

#[test]
fn a_text_client_that_reads_once_has_its_answer() {
    if !has("http::a_text_client_that_reads_once_has_its_answer", "python3") {
        return;
    }
    let (_server, address) = serve("reply", "127.0.0.1:0", &["--reply", "OK..."]);
    for say in ["hello", "你好"] {
        let flags = ["--say", say, "--wanted", "OK..."];
        assert_eq!(succeeds(script("line_client.py").args(&address).args(flags)), "ok: OK...\n");
    }
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
