//! One page over HTTP/1.1: hyper does the talking, a guard in front of it lets no doubtful request through.

mod guard;
mod page;
mod queue;

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

pub use self::guard::Patience;
use self::guard::{Guard, Outcome, Refusal};
use self::page::{Page, Told};
use super::{Door, Made, Service, ServiceRow, Site};
use crate::bus::Seldom;
use crate::codec::http::{MAX_FIELDS, MAX_HEAD};
use crate::conn::{Boxed, Conn, scratch};
use crate::error::{Error, Kind, Result};
use crate::event::{Exchanged, Fact};
use crate::files;
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
/// How long a peer that was too slow may take to receive the answer that says so.
const FAREWELL: Duration = Duration::from_secs(1);

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

const PLAIN: &str = "text/plain; charset=utf-8";

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
        Box::pin(self.hold(session, conn))
    }
}

impl Http {
    /// The page; empty before it was read.
    fn body(&self) -> Bytes {
        self.body.get().cloned().unwrap_or_default()
    }

    async fn hold(&self, session: &Arc<Session>, conn: &mut Conn) -> Result<()> {
        let verdict = Outcome::default();
        let guard = Guard::new(conn, session, &verdict, self.patience);
        let answer = service_fn(|request| self.answer(session, &verdict, request));
        let mut http = Builder::new()
            .half_close(true)
            .keep_alive(true)
            .max_headers(MAX_FIELDS)
            .max_buf_size(2 * MAX_HEAD)
            .serve_connection(guard, answer);
        let mut is_asked = false;
        let held = poll_fn(|cx| {
            if session.is_draining() && !std::mem::replace(&mut is_asked, true) {
                Pin::new(&mut http).graceful_shutdown();
            }
            Pin::new(&mut http).poll(cx)
        })
        .await;
        let (conn, mut answers, broken) = http.into_parts().io.part();
        if let Some(error) = broken {
            return Err(error);
        }
        // Where hyper gives up in the middle it leaves what was answered before.
        poll_fn(|cx| answers.poll_flush(cx, conn)).await?;
        match verdict.refusal() {
            Some(refusal) => self.refuse(session, conn, refusal, verdict.tell()).await,
            None => held.or_else(|error| self.fail(session, &error)),
        }
    }

    /// Hears a request to its end, and answers it.
    async fn answer(
        &self,
        session: &Arc<Session>,
        verdict: &Outcome,
        request: Request<Incoming>,
    ) -> Result<Response<Page>, Infallible> {
        let began = session.clock().now();
        let (head, mut body) = request.into_parts();
        let mut is_whole = true;
        while let Some(frame) = body.frame().await {
            is_whole = frame.is_ok();
            if !is_whole {
                break;
            }
        }
        let tell = |status: StatusCode, page: Bytes| {
            let told = session.bus().is_watched().then(|| Told {
                session: session.clone(),
                began,
                exchange: Box::new(Exchanged {
                    method: head.method.as_str().to_owned(),
                    target: head.uri.to_string(),
                    status: status.as_u16(),
                    bytes: page.len() as u64,
                    took: Duration::ZERO,
                }),
            });
            let mut answer = Response::new(Page::new(page, told));
            *answer.status_mut() = status;
            answer
        };
        verdict.note_answer();
        if !is_whole {
            verdict.tell();
            let status = verdict.refusal().map_or(400, |refusal| refusal.status);
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut answer = tell(status, Bytes::from(page_of(verdict.refusal())));
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN));
            return Ok(answer);
        }
        // RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
        let has_body = !matches!(self.status.as_u16(), 204 | 205 | 304);
        let is_sent = has_body && head.method != Method::HEAD;
        let body = self.body();
        let length = body.len();
        let mut answer = tell(self.status, if is_sent { body } else { Bytes::new() });
        if has_body {
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
            answer.headers_mut().insert(CONTENT_TYPE, self.kind.clone());
        }
        Ok(answer)
    }

    /// Says why no more is read, where no answer has said that, and comes to the end.
    async fn refuse(
        &self,
        session: &Session,
        conn: &mut Conn,
        refusal: &Refusal,
        is_told: bool,
    ) -> Result<()> {
        if !is_told {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            let page = page_of(Some(refusal));
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {PLAIN}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len(),
            );
            conn.send(answer.as_bytes()).await?;
        }
        if refusal.error.limit_name().is_none() {
            self.tell_fault(session, refusal.error.clone());
            return Ok(());
        }
        // An error tears the conn down, so the end and the peer's own come first.
        conn.end().await?;
        let heard = async {
            let mut hear =
                |cx: &mut Context<'_>| scratch::with(|buffer| conn.channel().poll_recv(cx, buffer));
            while let Ok(Some(_)) = poll_fn(&mut hear).await {
                // The other tasks have their turn, as the peer may be pouring.
                tokio::task::yield_now().await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, heard).await;
        Err(refusal.error.clone())
    }

    /// What hyper itself minded, which it has answered where it could.
    fn fail(&self, session: &Session, error: &hyper::Error) -> Result<()> {
        if error.is_parse() {
            let text = format!("the request was refused: {error}");
            self.tell_fault(session, Error::new(Kind::BadFrame, text));
            return Ok(());
        }
        if error.is_incomplete_message() || error.is_closed() {
            return Ok(());
        }
        Err(Error::new(Kind::ConnectionBroken, error.to_string()))
    }

    /// A peer's fault: the end of its session says what it was, and as an error it is told once a second.
    fn tell_fault(&self, session: &Session, error: Error) {
        session.conclude(None, error.message());
        if let Some(error) = self.faults.due_failure(session.bus(), &session.facts.local, error) {
            session.emit(Fact::Failed(error));
        }
    }
}

fn page_of(refusal: Option<&Refusal>) -> String {
    refusal.map_or_else(String::new, |refusal| format!("{}\n", refusal.error.message()))
}

#[cfg(test)]
mod tests;
