//! The link of a room over NATS: the one file that knows that client.
//!
//! `JetStream` is spoken by its own requests (`$JS.API`), which need no more of the client than requests and headers. That
//! way every answer is seen as it is: "no leader" and "not found" are different things to a room.

mod exam;
mod files;
mod room;
mod streams;
mod terms;
mod trust;

pub use exam::{ClockGap, ExamStep, NatsExam, OLDEST, RoomExam, examine, is_old};
pub use files::NatsFiles;
pub use room::NatsServers;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, Request, RequestErrorKind,
    ServerAddr, ServerInfo, Subscriber, connection::State,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::batch::{BatchMark, RoomBatch};
use super::beat::NodeBeat;
use super::link::{LinkFacts, LinkFault, LinkNews, NameRead, PlacesRead};
use super::name::{ClusterRoom, NodeId};
use super::names::{NameRecord, WriteFault, name_token};
use super::node::StreamLook;
use crate::codec::json::{JsonValue, JsonWriter};
use crate::error::{Advice, Error, Kind, Result};
use streams::RoomStream;
pub use terms::{NatsSecret, NatsTerms};

/// How long a connect may take, and a ping its answer.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an answer is waited for.
const ANSWER: Duration = Duration::from_millis(1_500);

/// How often it is asked whether a leader was chosen.
const CHOSEN: Duration = Duration::from_millis(100);

/// Copies of a stream, where there are servers for them.
const COPIES: u64 = 3;

/// Messages that wait for us in the client.
const WAITING: usize = 256;

/// Facts about the link that wait for us; a link does not come and go that fast.
const NEWS: usize = 256;

/// What a batch is numbered by for the server, and for us.
const ID: &str = "Nats-Msg-Id";
const HEADER: &str = "Hobnob";

/// The revision on which a write builds.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// A link to the servers. Cheap to clone: each request goes its own way.
#[derive(Clone)]
pub struct NatsLink {
    client: Client,
    room: ClusterRoom,
}

/// What a link tells, in the order in which it came.
pub struct NatsNews {
    events: mpsc::Receiver<LinkNews>,
    batches: Subscriber,
    beats: Subscriber,
    names: Subscriber,
    /// Whose turn it is of the four.
    turn: usize,
}

impl NatsLink {
    /// Connects, and hears the room from now on. The stream is not looked at: [`NatsLink::prepare`].
    ///
    /// # Errors
    ///
    /// What trying again does not heal, but for [`Kind::ClusterUnreachable`].
    pub async fn connect(terms: &NatsTerms) -> Result<(Self, NatsNews)> {
        let (sender, events) = mpsc::channel(NEWS);
        let servers: Vec<ServerAddr> = terms
            .servers
            .split(',')
            .map(|server| server.trim().parse::<ServerAddr>())
            .collect::<std::io::Result<_>>()
            .map_err(|error| {
                Error::new(Kind::ClusterUrl, format!("no address of a server: {error}"))
                    .hint(Advice::Topic("chat"), "for how a server is named")
            })?;
        let tell = move |event| {
            let sender = sender.clone();
            async move { told(&sender, &event) }
        };
        let mut options = ConnectOptions::new()
            .name("hobnob")
            .ping_interval(CONNECT)
            .connection_timeout(CONNECT)
            .request_timeout(Some(ANSWER))
            .subscription_capacity(WAITING)
            .ignore_discovered_servers()
            .custom_inbox_prefix(format!("_INBOX.hobnob.{}", terms.me))
            .reconnect_delay_callback(delay)
            .event_callback(tell);
        // A plain server that asks for TLS gets it, by the same trust; where this machine trusts nobody, it may still be plain.
        options = match trust::config(terms.authorities.as_deref()) {
            Ok(config) => options.tls_client_config(config),
            Err(error) if terms.wants_tls() => return Err(error),
            Err(_) => options,
        };
        options = options.require_tls(terms.authorities.is_some());
        options = match terms.secret.clone() {
            Some(NatsSecret::User(user, password)) => options.user_and_password(user, password),
            Some(NatsSecret::Token(token)) => options.token(token),
            None => options,
        };
        let client = options.connect(servers).await.map_err(|error| unconnected(terms, &error))?;
        let subscribe = async |kind: &str| {
            let subject = terms.room.subject(kind);
            client.subscribe(subject).await.map_err(|error| lost(&error))
        };
        let (batches, beats) = (subscribe("out.*").await?, subscribe("beat").await?);
        let names = subscribe("named.*").await?;
        // Servers that went meanwhile would be waited for.
        let heard = tokio::time::timeout(ANSWER, client.flush()).await;
        heard.map_err(|late| lost(&late))?.map_err(|error| lost(&error))?;
        let news = NatsNews { events, batches, beats, names, turn: 0 };
        Ok((NatsLink { client, room: terms.room.clone() }, news))
    }

    /// Finds the streams of the room, or makes them: three copies, or one where the servers are fewer. One that was made
    /// while they were fewer has three from now on, where nobody has changed its settings.
    pub async fn prepare(&self) -> Result<LinkFacts> {
        let replicas = self.prepare_one(&RoomStream::of_talk(&self.room)).await?;
        self.prepare_one(&RoomStream::of_names(&self.room)).await?;
        let ServerInfo { version, max_payload, .. } = self.client.server_info();
        Ok(LinkFacts { version, replicas, max_payload })
    }

    /// How many copies are kept of it.
    async fn prepare_one(&self, stream: &RoomStream) -> Result<u64> {
        let mut found = self.info_in_time(&stream.name).await;
        if found.as_ref().is_err_and(LinkFault::is_without_stream) {
            found = self.make(stream, COPIES).await;
            if matches!(found, Err(LinkFault::Refused(10_074 | 10_005, _))) {
                found = self.make(stream, 1).await;
            }
            if matches!(found, Err(LinkFault::Refused(10_058, _))) {
                found = self.info_in_time(&stream.name).await; // another node has made it just now
            }
        }
        let info = found.map_err(unprepared)?;
        let config = info.member("config").unwrap_or(&JsonValue::Null);
        if let Some(difference) = stream.difference(config) {
            let what = format!("the stream {} has other settings: {difference}", stream.name);
            let why = "it was made by something else than hobnob, or by another version of it";
            let error = Error::new(Kind::ClusterStream, what).why(why);
            return Err(error.hint_option("room", "other", "another room has streams of its own"));
        }
        let copies = number(config, "num_replicas");
        let is_to_grow = copies < COPIES
            && stream.is_as_made(config, copies)
            && !is_old(&self.client.server_info().version);
        if is_to_grow {
            let grown = format!("STREAM.UPDATE.{}", stream.name);
            let grown = self.ask(&grown, stream.settings(COPIES)).await;
            // A lone server refuses that.
            return Ok(grown.map_or(copies, |_| COPIES));
        }
        Ok(copies)
    }

    /// What the leader says of a stream. A server that is parted from the others answers, too, and says what it last knew:
    /// of no leader.
    async fn info(&self, stream: &str) -> Result<JsonValue, LinkFault> {
        let info = self.ask(&format!("STREAM.INFO.{stream}"), String::new()).await?;
        if is_led(&info) { Ok(info) } else { Err(LinkFault::NobodyThere) }
    }

    /// The same. Where a leader is being chosen, it is waited for as long as for an answer.
    async fn info_in_time(&self, stream: &str) -> Result<JsonValue, LinkFault> {
        let asking = async {
            loop {
                match self.info(stream).await {
                    Err(LinkFault::NobodyThere) => tokio::time::sleep(CHOSEN).await,
                    info => return info,
                }
            }
        };
        tokio::time::timeout(ANSWER, asking).await.unwrap_or(Err(LinkFault::NobodyThere))
    }

    async fn make(&self, stream: &RoomStream, replicas: u64) -> Result<JsonValue, LinkFault> {
        self.ask(&format!("STREAM.CREATE.{}", stream.name), stream.settings(replicas)).await
    }

    /// Whether the servers are reached, as far as the client knows.
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Bytes that a message may have, for the server that has us now.
    pub fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// Asks `JetStream`.
    async fn ask(&self, what: &str, body: String) -> Result<JsonValue, LinkFault> {
        let subject = format!("$JS.API.{what}");
        let answer = self.request(subject, Request::new().payload(body.into())).await?;
        let text = String::from_utf8_lossy(&answer.payload);
        let value = JsonValue::read(&text).unwrap_or(JsonValue::Null);
        refusal(&value).map_or(Ok(value), Err)
    }

    async fn request(&self, subject: String, request: Request) -> Result<Message, LinkFault> {
        self.client.send_request(subject, request).await.map_err(|error| match error.kind() {
            RequestErrorKind::MaxPayloadExceeded => {
                LinkFault::Refused(LinkFault::TOO_LARGE, error.to_string())
            }
            RequestErrorKind::NoResponders => LinkFault::NobodyThere,
            _ => LinkFault::NoAnswer,
        })
    }

    /// Appends a batch to the stream: where it stands.
    pub async fn publish(&self, batch: &RoomBatch) -> Result<u64, LinkFault> {
        let mut headers = HeaderMap::new();
        headers.insert(ID, batch.id());
        headers.insert(HEADER, batch.header());
        let request =
            Request::new().headers(headers).payload(batch.body.as_bytes().to_vec().into());
        let subject = self.room.subject(format_args!("in.{}", batch.origin));
        self.append(subject, request).await
    }

    async fn append(&self, subject: String, request: Request) -> Result<u64, LinkFault> {
        let answer = self.request(subject, request).await?;
        let value = JsonValue::read(&String::from_utf8_lossy(&answer.payload));
        let value = value.ok_or(LinkFault::NoAnswer)?;
        match (refusal(&value), number(&value, "seq")) {
            (Some(refusal), _) => Err(refusal),
            (None, 0) => Err(LinkFault::NoAnswer),
            (None, at) => Ok(at),
        }
    }

    /// Writes what is to stand for a name, where this revision does now: the new one.
    pub async fn write_name(
        &self,
        key: &str,
        record: &NameRecord,
        expected: Option<u64>,
    ) -> Result<u64, WriteFault> {
        let mut headers = HeaderMap::new();
        if let Some(expected) = expected {
            headers.insert(EXPECTED, expected.to_string());
        }
        let request = Request::new().headers(headers).payload(record.text().into());
        let subject = self.room.subject(format_args!("name.{}", name_token(key)));
        self.append(subject, request).await.map_err(|fault| match fault {
            LinkFault::Refused(10_071, _) => WriteFault::Conflict,
            LinkFault::NobodyThere => WriteFault::Untaken,
            // 10164, a write of another one is in flight, means "ask again" as no answer does.
            _ => WriteFault::Doubt,
        })
    }

    /// What the leader has for a name, and its revision; 0 and none: nothing.
    pub async fn read_name(&self, key: &str) -> Result<NameRead, LinkFault> {
        let mut json = JsonWriter::default();
        let subject = self.room.subject(format_args!("name.{}", name_token(key)));
        json.begin('{').name("last_by_subj").text(&subject).end('}');
        let what = format!("STREAM.MSG.GET.{}", self.room.name_stream());
        let found = match self.ask(&what, json.finish()).await {
            Err(LinkFault::Refused(10_037, _)) => return Ok((0, None)),
            found => found?,
        };
        let Some(message) = found.member("message") else { return Err(LinkFault::NoAnswer) };
        let body = BASE64_STANDARD.decode(message.text("data")).unwrap_or_default();
        match number(message, "seq") {
            0 => Err(LinkFault::NoAnswer),
            revision => Ok((revision, Some(NameRecord::read(&body)))),
        }
    }

    /// Asks the leader how far the stream goes, then for each of these places.
    pub async fn look(&self, places: &[u64]) -> Result<StreamLook, LinkFault> {
        let info = self.info(&self.room.stream()).await?;
        let state = info.member("state").unwrap_or(&JsonValue::Null);
        let (first, end) = (number(state, "first_seq").max(1), number(state, "last_seq"));
        // All at once: where the leader is far away, one after the other would take longer than the answer is waited for.
        let mut asked = JoinSet::new();
        for place in places.iter().copied().collect::<BTreeSet<_>>() {
            let link = self.clone();
            asked.spawn(async move {
                let found = link.of_leader(place).await;
                found.map(|batch| (place, batch.map(|batch| batch.mark())))
            });
        }
        let mut marks: Vec<(u64, Option<BatchMark>)> = Vec::new();
        while let Some(mark) = asked.join_next().await {
            marks.push(mark.map_err(|_| LinkFault::NoAnswer)??);
        }
        Ok(StreamLook { first, end, marks })
    }

    /// What the leader has at a place.
    async fn of_leader(&self, place: u64) -> Result<Option<RoomBatch>, LinkFault> {
        let what = format!("STREAM.MSG.GET.{}", self.room.stream());
        let found = match self.ask(&what, format!("{{\"seq\":{place}}}")).await {
            Err(LinkFault::Refused(10_037, _)) => return Ok(None),
            found => found?,
        };
        let Some(message) = found.member("message") else { return Err(LinkFault::NoAnswer) };
        let decoded = |name| BASE64_STANDARD.decode(message.text(name)).unwrap_or_default();
        let header = header(&String::from_utf8_lossy(&decoded("hdrs")));
        Ok(Some(batch(message.text("subject"), &header, &decoded("data"))))
    }

    /// Reads these places: of the leader, or of whoever is near. What is not found there may be elsewhere.
    pub async fn read(&self, from: u64, to: u64, is_leader: bool) -> Result<PlacesRead, LinkFault> {
        let mut reads = JoinSet::new();
        for place in from..=to {
            let link = self.clone();
            reads.spawn(async move {
                let found =
                    if is_leader { link.of_leader(place).await } else { link.near(place).await };
                found.map(|found| (place, found))
            });
        }
        let mut found = Vec::new();
        while let Some(read) = reads.join_next().await {
            found.push(read.map_err(|_| LinkFault::NoAnswer)??);
        }
        Ok(found)
    }

    /// What whoever is near has at a place.
    async fn near(&self, place: u64) -> Result<Option<RoomBatch>, LinkFault> {
        let subject = format!("$JS.API.DIRECT.GET.{}", self.room.stream());
        let body = format!("{{\"seq\":{place}}}");
        let found = self.request(subject, Request::new().payload(body.into())).await?;
        if found.status.is_some_and(|status| status.as_u16() >= 400) {
            return Ok(None);
        }
        let subject = value(&found, "Nats-Subject").unwrap_or_default();
        Ok(Some(batch(&subject, &value(&found, HEADER).unwrap_or_default(), &found.payload)))
    }

    /// Tells the other nodes that we are here. Nobody answers.
    pub async fn beat(&self, beat: &NodeBeat) {
        // A beat that is lost is said again in a second.
        drop(self.client.publish(self.room.subject("beat"), beat.text().into()).await);
    }

    /// Waits until what was sent so far is with the servers, or lost.
    pub async fn flush(&self) {
        // Without a link there is nobody to tell.
        drop(self.client.flush().await);
    }
}

impl NatsNews {
    /// What the link tells next. None: it is over.
    pub async fn next(&mut self) -> Option<LinkNews> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<LinkNews>> {
        // In turn, so that a flood of the one does not silence the others.
        let mut silent = 0;
        while silent < 4 {
            self.turn = (self.turn + 1) % 4;
            let (from, read): (_, fn(&Message) -> Option<LinkNews>) = match self.turn {
                0 => (&mut self.batches, heard),
                1 => (&mut self.beats, beaten),
                2 => (&mut self.names, named),
                _ => match self.events.poll_recv(cx) {
                    Poll::Ready(news) => return Poll::Ready(news),
                    Poll::Pending => {
                        silent += 1;
                        continue;
                    }
                },
            };
            match Pin::new(from).poll_next(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(message)) => {
                    silent = 0;
                    if let Some(news) = read(&message) {
                        return Poll::Ready(Some(news));
                    }
                }
                Poll::Pending => silent += 1,
            }
        }
        Poll::Pending
    }
}

fn beaten(message: &Message) -> Option<LinkNews> {
    NodeBeat::read(&message.payload).map(LinkNews::Beaten)
}

/// A batch that was republished, and where it stands.
fn heard(message: &Message) -> Option<LinkNews> {
    let place = value(message, "Nats-Sequence")?.parse().ok()?;
    let header = value(message, HEADER).unwrap_or_default();
    Some(LinkNews::Heard(place, batch(&message.subject, &header, &message.payload)))
}

/// What was republished of a name, and its revision.
fn named(message: &Message) -> Option<LinkNews> {
    let revision = value(message, "Nats-Sequence")?.parse().ok()?;
    Some(LinkNews::Named(revision, NameRecord::read(&message.payload)))
}

/// The batch that came on this subject, whose last word is its node.
fn batch(subject: &str, header: &str, body: &[u8]) -> RoomBatch {
    let node = subject.rsplit('.').next().and_then(NodeId::read);
    node.map_or_else(RoomBatch::foreign, |node| RoomBatch::read(node, header, body))
}

/// Our header among these, as the client reads it in what is heard: the last of several, and with the lines in which it
/// goes on.
fn header(head: &str) -> String {
    let mut found = String::new();
    let mut lines = head.split("\r\n").peekable();
    while let Some(line) = lines.next() {
        let value = line.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix(':'));
        let mut value = value.map(str::to_owned);
        while let Some(more) = lines.next_if(|line| line.starts_with(char::is_whitespace)) {
            value = value.map(|value| value + more);
        }
        found = value.unwrap_or(found);
    }
    found.trim().to_owned()
}

/// Whether what is said of a stream is said of one that has a leader.
fn is_led(info: &JsonValue) -> bool {
    info.member("cluster").is_none_or(|cluster| !cluster.text("leader").is_empty())
}

fn value(message: &Message, name: &str) -> Option<String> {
    // What the servers add stands behind what a sender may have forged.
    message.headers.as_ref()?.get_last(name).map(|value| value.as_str().to_owned())
}

fn number(value: &JsonValue, name: &str) -> u64 {
    value.count(name).unwrap_or(0)
}

fn refusal(value: &JsonValue) -> Option<LinkFault> {
    let error = value.member("error")?;
    Some(LinkFault::Refused(number(error, "err_code"), error.text("description").to_owned()))
}

fn told(sender: &mpsc::Sender<LinkNews>, event: &Event) {
    let news = match event {
        Event::Connected => LinkNews::Up,
        Event::Disconnected | Event::Closed => LinkNews::Down,
        Event::SlowConsumer(_) => LinkNews::Lost,
        _ => return,
    };
    // Where much waits already, lost messages are among it. What is left is for links that come and go.
    if !matches!(news, LinkNews::Lost) || sender.capacity() > NEWS / 2 {
        drop(sender.try_send(news));
    }
}

/// When to try again: by chance, and at most so late that a room notices that its servers are back.
fn delay(tries: usize) -> Duration {
    let most = 100_u64 << tries.min(5);
    crate::clock::draw_between(Duration::from_millis(20), Duration::from_millis(most))
}

/// Whether it is an error of TLS: the client passes those on as bytes that nobody can read.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData)
        || error.source().is_some_and(is_of_tls)
}

fn unconnected(terms: &NatsTerms, error: &async_nats::ConnectError) -> Error {
    let kind = match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            Kind::ClusterRefused
        }
        ConnectErrorKind::Tls => Kind::ClusterTls,
        ConnectErrorKind::Io if is_of_tls(error) => Kind::ClusterTls,
        ConnectErrorKind::ServerParse => Kind::ClusterUrl,
        // A name that nobody knows now may be known in a moment: `Dns` is as passing as silence.
        _ => Kind::ClusterUnreachable,
    };
    Error::new(kind, format!("no link to {}", terms.servers))
        .why(error.to_string())
        .hint(Advice::Topic("chat"), "for how a server is named")
}

fn lost(error: &dyn std::error::Error) -> Error {
    Error::new(Kind::ClusterUnreachable, "the link was lost at once")
        .why(error.to_string())
        .hint(Advice::Topic("chat"), "for how a server is named")
}

/// How a server is started that keeps streams.
fn with_streams() -> Advice {
    Advice::Shell("nats-server -js -a 127.0.0.1 -sd nats".to_owned())
}

fn unprepared(fault: LinkFault) -> Error {
    match fault {
        LinkFault::NoAnswer | LinkFault::NobodyThere => {
            let what = "the servers do not answer for streams";
            let why = "JetStream is off there, has no leader now, or our user may not use it";
            Error::new(Kind::ClusterNoJetstream, what)
                .why(why)
                .hint(with_streams(), "where it is yours")
        }
        LinkFault::Refused(10_039 | 10_076 | 10_008, why) => {
            let what = "JetStream is not to be had there";
            Error::new(Kind::ClusterNoJetstream, what)
                .why(why)
                .hint(with_streams(), "where it is yours")
        }
        LinkFault::Refused(number, why) => {
            let what = "the servers refuse the room's stream";
            let error = Error::new(Kind::ClusterStream, what).why(format!("{why} ({number})"));
            error.hint(Advice::Topic("doctor"), "tries what a room needs there")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_parted_server_says_of_a_stream_is_not_what_its_leader_says() {
        for (info, is_one) in [
            (r#"{"config":{},"cluster":{"name":"rooms","leader":"s1","replicas":[]}}"#, true),
            (r#"{"config":{},"cluster":{"leader":"NCLONE"}}"#, true),
            (r#"{"config":{}}"#, true),
            (r#"{"config":{},"cluster":{"name":"rooms","replicas":[{"name":"s0"}]}}"#, false),
            (r#"{"config":{},"cluster":{"name":"rooms","leader":""}}"#, false),
        ] {
            assert_eq!(is_led(&JsonValue::read(info).expect("JSON")), is_one, "{info}");
        }
    }

    #[test]
    fn a_header_of_the_leaders_is_read_as_one_that_is_heard() {
        for (head, wanted) in [
            ("NATS/1.0\r\nNats-Msg-Id: x\r\nHobnob: 1 a 1 1 0 0\r\n\r\n", "1 a 1 1 0 0"),
            ("NATS/1.0\r\nHobnob: rubbish\r\nHobnob:1 b\r\n 2 1 0 1 \r\n\r\n", "1 b 2 1 0 1"),
            ("NATS/1.0\r\nHobnob: 1 a\r\nX: y\r\n Hobnob: 9\r\nHobnobs: 8\r\n\r\n", "1 a"),
            ("NATS/1.0\r\n\r\n", ""),
        ] {
            assert_eq!(header(head), wanted, "{head:?}");
        }
    }

    #[test]
    fn the_end_of_a_link_is_told_however_much_it_has_lost() {
        let (sender, mut news) = mpsc::channel(NEWS);
        for _ in 0..2 * NEWS {
            told(&sender, &Event::SlowConsumer(1));
        }
        told(&sender, &Event::Disconnected);
        drop(sender);
        let heard: Vec<_> = std::iter::from_fn(|| news.try_recv().ok()).collect();
        assert!(heard.len() > 1 && matches!(heard[heard.len() - 1], LinkNews::Down), "{heard:?}");
    }

    #[test]
    fn who_tries_again_does_it_at_a_time_of_its_own_and_within_seconds() {
        for tries in 0..100 {
            let drawn: BTreeSet<_> = (0..50).map(|_| delay(tries)).collect();
            let most = Duration::from_millis(100 << tries.min(5));
            assert!(drawn.iter().all(|one| (Duration::from_millis(20)..=most).contains(one)));
            assert!(drawn.len() > 40, "no two at once, but by chance: {tries}");
        }
    }
}
