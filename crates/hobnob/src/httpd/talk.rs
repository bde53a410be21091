//! Requests and answers on one conn, up to its end.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

use super::guard::{Guard, Outcome, Patience, Refusal};
use super::page::{Page, Told};
use crate::bus::Seldom;
use crate::codec::http::{MAX_FIELDS, MAX_HEAD};
use crate::conn::{Conn, scratch};
use crate::error::{Error, Kind, Result};
use crate::event::{Exchanged, Fact};
use crate::session::Session;

/// How long a peer that was too slow may take to receive the answer that says so.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) const PLAIN: &str = "text/plain; charset=utf-8";

/// Answers requests.
pub(crate) trait HttpAnswerer: Sync {
    /// Bytes of the body of a request that it wants to have. What is beyond is read, and dropped.
    const BODY: usize;

    /// Answers a request that is whole.
    fn answer(&self, asked: HttpAsked) -> impl Future<Output = Response<Bytes>> + Send;
}

/// A request that is whole.
pub(crate) struct HttpAsked {
    pub(crate) head: Parts,
    pub(crate) body: Vec<u8>,
    /// Whether the body was longer than is kept of it.
    pub(crate) is_cut: bool,
}

/// Answers requests until the conn is over.
pub(crate) async fn talk<A: HttpAnswerer>(
    answerer: &A,
    session: &Arc<Session>,
    conn: &mut Conn,
    patience: Patience,
    faults: &Seldom,
) -> Result<()> {
    let verdict = Outcome::default();
    let talk = HttpTalk { answerer, session, verdict: &verdict, faults };
    let guard = Guard::new(conn, session, &verdict, patience);
    let answer = service_fn(|request| talk.answer(request));
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
        Some(refusal) => talk.refuse(conn, refusal, verdict.tell()).await,
        None => held.or_else(|error| talk.fail(&error)),
    }
}

struct HttpTalk<'a, A> {
    answerer: &'a A,
    session: &'a Arc<Session>,
    verdict: &'a Outcome,
    /// What peers did wrong.
    faults: &'a Seldom,
}

impl<A: HttpAnswerer> HttpTalk<'_, A> {
    /// Hears a request to its end, and answers it.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Page>, Infallible> {
        let began = self.session.clock().now();
        let (head, mut incoming) = request.into_parts();
        let (mut body, mut is_whole, mut is_cut) = (Vec::new(), true, false);
        while let Some(frame) = incoming.frame().await {
            let Ok(frame) = frame else {
                is_whole = false;
                break;
            };
            let data = frame.data_ref().map_or(&[][..], |data| data);
            let room = data.len().min(A::BODY - body.len());
            body.extend_from_slice(&data[..room]);
            is_cut |= room < data.len();
        }
        let exchange = self.session.bus().is_watched().then(|| {
            Box::new(Exchanged {
                method: head.method.as_str().to_owned(),
                target: head.uri.to_string(),
                status: 0,
                bytes: 0,
                took: Duration::ZERO,
            })
        });
        let is_head = head.method == Method::HEAD;
        let mut answer = if is_whole {
            self.answerer.answer(HttpAsked { head, body, is_cut }).await
        } else {
            self.verdict.tell();
            broken(self.verdict.refusal())
        };
        if is_head && !answer.body().is_empty() {
            let length = answer.body().len();
            answer.headers_mut().insert(CONTENT_LENGTH, length.into());
            *answer.body_mut() = Bytes::new();
        }
        self.verdict.note_answer();
        let told = exchange.map(|mut exchange| {
            (exchange.status, exchange.bytes) =
                (answer.status().as_u16(), answer.body().len() as u64);
            Told { session: self.session.clone(), began, exchange }
        });
        Ok(answer.map(|page| Page::new(page, told)))
    }

    /// Says why no more is read, where no answer has said that, and comes to the end.
    async fn refuse(&self, conn: &mut Conn, refusal: &Refusal, is_told: bool) -> Result<()> {
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
            self.tell_fault(refusal.error.clone());
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
    fn fail(&self, error: &hyper::Error) -> Result<()> {
        if error.is_parse() {
            let text = format!("the request was refused: {error}");
            self.tell_fault(Error::new(Kind::BadFrame, text));
            return Ok(());
        }
        if error.is_incomplete_message() || error.is_closed() {
            return Ok(());
        }
        Err(Error::new(Kind::ConnectionBroken, error.to_string()))
    }

    /// A peer's fault: the end of its session says what it was, and as an error it is told once a second.
    fn tell_fault(&self, error: Error) {
        let session = self.session;
        session.conclude(None, error.message());
        if let Some(error) = self.faults.due_failure(session.bus(), &session.facts.local, error) {
            session.emit(Fact::Failed(error));
        }
    }
}

/// The answer to a request that did not come whole.
fn broken(refusal: Option<&Refusal>) -> Response<Bytes> {
    let status = refusal.map_or(400, |refusal| refusal.status);
    let mut answer = Response::new(Bytes::from(page_of(refusal)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN));
    answer
}

fn page_of(refusal: Option<&Refusal>) -> String {
    refusal.map_or_else(String::new, |refusal| format!("{}\n", refusal.error.message()))
}
