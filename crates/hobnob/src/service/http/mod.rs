//! One page over HTTP/1.1.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::{Door, Made, Service, ServiceRow, Site};
use crate::bus::Seldom;
use crate::conn::{Boxed, Conn};
use crate::error::{Error, Kind, Result};
use crate::files;
pub use crate::httpd::Patience;
use crate::httpd::{HttpAnswerer, HttpAsked, PLAIN, talk};
use crate::session::Session;
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};
use crate::streams;

/// The row of the table.
pub static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "http",
        summary: "one page: Hello, world! (--body, --status)",
        options: &[
            OptionSpec {
                name: "body",
                kind: ValueKind::Text,
                default: "",
                help: "the page: a text, @FILE, or - for standard input; Hello, world! where it is not given",
            },
            OptionSpec {
                name: "status",
                kind: ValueKind::Within(200, 599),
                default: "200",
                help: "the status of every answer, 200 to 599",
            },
            OptionSpec {
                name: "type",
                kind: ValueKind::Text,
                default: "",
                help: "the content type; by the ending of @FILE where it is not given, else plain text",
            },
        ],
        examples: &["hobnob serve http", "hobnob serve http --status 404 --body 'Not here' :8080"],
        is_built_in: true,
    },
    doors: &[Door::only(8000, &[Shape::Bytes]).speaking("http")],
    is_loud: false,
    make: Some(|options| serve(options, Patience::default())),
};

/// Bytes that a page may have: it is held in memory.
const LARGEST_PAGE: u64 = 256 << 20;

/// The service with these options, as patient as this.
pub fn serve(options: &Options, patience: Patience) -> Result<Made> {
    let status = options.count("status").unwrap_or(200);
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.expect("the row of the option takes nothing else");
    let origin = PageSource::of(options.bytes("body").filter(|_| options.is_given("body")));
    let kind = options.bytes("type").filter(|kind| !kind.is_empty());
    let kind = kind.unwrap_or(origin.kind().as_bytes());
    let kind = HeaderValue::from_bytes(kind).map_err(|_| {
        Error::new(Kind::BadOption, "type is no content type: it holds control characters")
            .hint_option("type", "text/html", "for one")
    })?;
    Ok(Made::Service(Box::new(Http {
        origin,
        body: OnceLock::new(),
        kind,
        status,
        patience,
        faults: Seldom::default(),
    })))
}

/// The source of the page.
#[derive(Clone)]
enum PageSource {
    Text(Bytes),
    File(String),
    StandardInput,
}

impl PageSource {
    fn of(given: Option<&[u8]>) -> Self {
        match given {
            None => PageSource::Text(Bytes::from_static(b"Hello, world!\n")),
            Some(b"-") => PageSource::StandardInput,
            Some([b'@', path @ ..]) => PageSource::File(String::from_utf8_lossy(path).into_owned()),
            Some(text) => PageSource::Text(Bytes::copy_from_slice(text)),
        }
    }

    /// The content type that the page is likely to have.
    fn kind(&self) -> &'static str {
        match self {
            PageSource::File(path) => kind_of(path),
            _ => PLAIN,
        }
    }

    /// Reads the source to its end.
    fn read(self) -> Result<Bytes> {
        match self {
            PageSource::Text(text) => Ok(text),
            PageSource::StandardInput => {
                files::read_from(streams::stdin(), "standard input", LARGEST_PAGE).map(Bytes::from)
            }
            PageSource::File(path) => {
                let read = files::read(Path::new(&path), LARGEST_PAGE).map(Bytes::from);
                read.map_err(|error| {
                    let text = format!("the page {}", error.message());
                    let error = error.with_message(text);
                    error.hint_option("body", "TEXT", "a page without a file")
                })
            }
        }
    }
}

fn kind_of(path: &str) -> &'static str {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" => PLAIN,
        "json" => "application/json",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        _ => "application/octet-stream",
    }
}

struct Http {
    origin: PageSource,
    /// The page, once it was read.
    body: OnceLock<Bytes>,
    kind: HeaderValue,
    status: StatusCode,
    patience: Patience,
    /// What peers did wrong.
    faults: Seldom,
}

impl Service for Http {
    fn open<'a>(&'a self, site: &'a mut Site) -> Boxed<'a, ()> {
        Box::pin(async move {
            let origin = self.origin.clone();
            let body = match origin {
                PageSource::Text(text) => text,
                origin => site.keeper().work(move || origin.read()).await??,
            };
            self.body.get_or_init(|| body);
            Ok(())
        })
    }

    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(talk(self, session, conn, self.patience, &self.faults))
    }
}

impl Http {
    /// The page; empty before it was read.
    fn body(&self) -> Bytes {
        self.body.get().cloned().unwrap_or_default()
    }
}

impl HttpAnswerer for Http {
    const BODY: usize = 0;

    async fn answer(&self, asked: HttpAsked) -> Response<Bytes> {
        // RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
        let has_body = !matches!(self.status.as_u16(), 204 | 205 | 304);
        let is_sent = has_body && asked.head.method != Method::HEAD;
        let body = self.body();
        let length = body.len();
        let mut answer = Response::new(if is_sent { body } else { Bytes::new() });
        *answer.status_mut() = self.status;
        if has_body {
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
            answer.headers_mut().insert(CONTENT_TYPE, self.kind.clone());
        }
        answer
    }
}

#[cfg(test)]
mod tests;
