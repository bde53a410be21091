//! A request to send: its fields in the order and the case in which they were given.

use std::fmt::Write as _;

use super::Version;
use super::field::is_token;

/// A request. What is not said is left to [`head`](Request::head).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// What is asked for: `/index.html?a=b`.
    pub target: String,
    /// What we speak.
    pub version: Version,
    /// Fields in their order. One of ours stands in for the default of the same name; an empty value leaves that out.
    pub fields: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// `GET` with no fields and no body.
    pub fn to(target: &str) -> Self {
        Request {
            method: "GET".to_owned(),
            target: target.to_owned(),
            version: Version::default(),
            fields: Vec::new(),
            body: None,
        }
    }

    /// Whether this field is given.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name))
    }

    /// The head as it goes out: Host, the fields given, the length of the body, and that the conn is closed after it.
    pub fn head(&self, host: &str) -> Vec<u8> {
        let mut head =
            format!("{} {} {}\r\n", self.method, escaped(&self.target), self.version.word());
        let mut add = |name: &str, value: &str| {
            if !value.is_empty() {
                head.push_str(name);
                head.push_str(": ");
                head.push_str(value);
                head.push_str("\r\n");
            }
        };
        if !self.has("host") {
            add("Host", host);
        }
        self.fields.iter().for_each(|(name, value)| add(name, value));
        // RFC 9110 section 8.6: no body is said too, where the method makes one likely.
        let is_likely = matches!(self.method.as_str(), "POST" | "PUT" | "PATCH");
        let length = self.body.as_ref().map(Vec::len).or(is_likely.then_some(0));
        let length = length.map(|length| length.to_string());
        let is_framed = self.has("content-length") || self.has("transfer-encoding");
        if let Some(length) = length.filter(|_| !is_framed) {
            add("Content-Length", &length);
        }
        if self.version == Version::Http11 && !self.has("connection") {
            add("Connection", "close");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// Whether this can be a method or the name of a field.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token)
}

/// Whether this can be the value of a field: nothing in it ends a line.
pub fn is_value(text: &str) -> bool {
    !text.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f)
}

/// A target in which what cannot stand in a request line is escaped, and all else is as it was.
fn escaped(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    for byte in target.bytes() {
        match byte {
            0x21..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &Request) -> String {
        String::from_utf8(request.head("h:8000")).expect("ASCII")
    }

    #[test]
    fn the_defaults_are_few() {
        assert_eq!(
            text(&Request::to("/")),
            "GET / HTTP/1.1\r\nHost: h:8000\r\nConnection: close\r\n\r\n"
        );
        let old = Request { version: Version::Http10, ..Request::to("/") };
        assert_eq!(text(&old), "GET / HTTP/1.0\r\nHost: h:8000\r\n\r\n");
    }

    #[test]
    fn order_and_case_are_kept_and_defaults_give_way() {
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut request = Request::to("/a?b");
        request.method = "POST".to_owned();
        request.body = Some(b"hello".to_vec());
        request.fields = vec![
            own("x-Odd-CASE", "1"),
            own("HOST", "other"),
            own("A", "2"),
            own("connection", ""),
        ];
        assert_eq!(
            text(&request),
            "POST /a?b HTTP/1.1\r\nx-Odd-CASE: 1\r\nHOST: other\r\nA: 2\r\nContent-Length: 5\r\n\r\n"
        );
        request.fields = vec![own("Transfer-Encoding", "chunked")];
        assert!(!text(&request).contains("Content-Length"));
        for (method, is_said) in [("POST", true), ("PUT", true), ("PATCH", true), ("DELETE", false)]
        {
            let request = Request { method: method.to_owned(), ..Request::to("/") };
            assert_eq!(text(&request).contains("Content-Length: 0\r\n"), is_said, "{method}");
        }
    }

    #[test]
    fn nothing_in_a_target_or_a_field_makes_a_second_line() {
        let request = Request::to("/中 文\r\nX: y");
        assert!(text(&request).starts_with("GET /%E4%B8%AD%20%E6%96%87%0D%0AX:%20y HTTP/1.1\r\n"));
        assert!(is_value("a\tb 你好") && !is_value("a\r\nB: c") && !is_value("a\0"));
        assert!(is_name("X-a_1") && !is_name("") && !is_name("a b") && !is_name("a:"));
    }
}
