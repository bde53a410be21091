//! Answers, and what each of them forbids a browser.

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_DNS_PREFETCH_CONTROL,
};
use hyper::{Response, StatusCode};

use super::query::encode;
use crate::codec::mime::Attachment;

/// An answer, or why there is none.
pub(super) type WebAnswer = Result<Response<Bytes>, WebRefusal>;

/// What the page may do: run and show what comes with it, ask this door, and frame a letter.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";
/// What the HTML of a letter may do: be seen, in this page alone.
const LETTER: &str = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'self'";
/// What all else may do.
const NOTHING: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

pub(super) const PLAIN: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// Why somebody has no answer.
#[derive(Debug)]
pub(super) struct WebRefusal {
    status: StatusCode,
    why: String,
    asks_for_login: bool,
}

impl WebRefusal {
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        WebRefusal { status, why: why.into(), asks_for_login: false }
    }

    /// There is no such thing.
    pub(super) fn unknown() -> Self {
        WebRefusal::new(StatusCode::NOT_FOUND, "404: there is no such page or letter")
    }

    /// The request means nothing.
    pub(super) fn senseless(why: impl Into<String>) -> Self {
        WebRefusal::new(StatusCode::BAD_REQUEST, why)
    }

    /// There is no memory for the answer now.
    pub(super) fn busy() -> Self {
        let why = "others hold the memory for letters, and do not read theirs: try again";
        WebRefusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
    }

    /// Who asks is to log in.
    pub(super) fn login() -> Self {
        let refusal = WebRefusal::new(StatusCode::UNAUTHORIZED, "log in first");
        WebRefusal { asks_for_login: true, ..refusal }
    }

    pub(super) fn answer(self) -> Response<Bytes> {
        let mut answer = plain(format!("{}\n", self.why));
        *answer.status_mut() = self.status;
        if self.asks_for_login {
            let realm = HeaderValue::from_static("Basic realm=\"hobnob mail\", charset=\"UTF-8\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, realm);
        }
        answer
    }
}

/// A file of the page.
pub(super) fn page(kind: &'static str, text: &'static str) -> Response<Bytes> {
    answer(kind, PAGE, Bytes::from_static(text.as_bytes()))
}

/// The HTML of a letter.
pub(super) fn letter(html: String) -> Response<Bytes> {
    answer(HTML, LETTER, html.into())
}

pub(super) fn json(text: String) -> Response<Bytes> {
    answer(JSON, NOTHING, text.into())
}

pub(super) fn plain(text: impl Into<Bytes>) -> Response<Bytes> {
    answer(PLAIN, NOTHING, text.into())
}

/// What a letter carries: it is saved, and never shown as a page.
pub(super) fn part(part: Attachment) -> Response<Bytes> {
    let name = encode(part.name.as_deref().unwrap_or("part"));
    let mut answer = answer("application/octet-stream", NOTHING, part.bytes.into());
    if let Ok(kind) = HeaderValue::from_str(&part.kind) {
        answer.headers_mut().insert(CONTENT_TYPE, kind);
    }
    if let Ok(saved) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}")) {
        answer.headers_mut().insert(CONTENT_DISPOSITION, saved);
    }
    answer
}

fn answer(kind: &'static str, policy: &'static str, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    let fields: [(HeaderName, &'static str); 8] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_DNS_PREFETCH_CONTROL, "off"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fields {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
