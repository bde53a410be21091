//! `hobnob get`: one HTTP request and its answer, head and body apart.

mod body;
mod teller;
mod url;

use std::time::Duration;

use hobnob::engine::Dialer;
use hobnob::error::{Error, Kind, Result};
use hobnob::exchange::{AnswerPart, Asked, Exchange, Head, Redirect, Request, Version};

use crate::advice::Propose as _;
use crate::args::{
    self, COMMON, EXPLAINING, Flag, FlagGroup, OPENING, SCRIPTING, SHOWING, Usage, switch, value,
};
use crate::asking;
use crate::calling::PythonScript;
use crate::job::{Job, Verb};
use crate::process::runtime;
use crate::process::signals::Signals;
use body::WrittenBody;
use teller::ExchangeTeller;

/// How long connecting may take, where nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a goodbye may take: the answer is there.
const GOODBYE: Duration = Duration::from_secs(1);
/// A status from which on `--check` says no.
const FIRST_BAD: u16 = 400;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "get",
        words: "URL",
        endpoints: 0..1,
        flags: &[
            FlagGroup::Own(GETTING),
            FlagGroup::Own(SHOWING),
            FlagGroup::Own(EXPLAINING),
            FlagGroup::Own(SCRIPTING),
            FlagGroup::Own(OPENING),
            FlagGroup::Own(COMMON),
        ],
        heeds_settings: true,
        page: include_str!("../../help/get.md"),
    },
    run,
};

/// Flags of a request.
const GETTING: &[Flag] = &[
    Flag {
        long: "output",
        short: Some('o'),
        value: "FILE",
        repeats: false,
        help: "where the body goes; FILE.part until it is whole",
    },
    switch("force", None, "overwrite the file of -o, and that of --as-python"),
    switch("head", Some('I'), "ask for the head alone"),
    switch("include", Some('i'), "the head goes where the body goes, before it"),
    Flag {
        long: "method",
        short: Some('X'),
        value: "METHOD",
        repeats: false,
        help: "the method; GET, or POST with -d",
    },
    Flag {
        long: "data",
        short: Some('d'),
        value: "DATA|@FILE",
        repeats: true,
        help: "a body: text, a file's bytes, or @- for standard input (repeat: joined by &)",
    },
    Flag {
        long: "header",
        short: Some('H'),
        value: "K:V",
        repeats: true,
        help: "a field of the request; without a value it is left out (repeat)",
    },
    value("http", "1.0|1.1", "the version that is spoken (1.1)"),
    Flag {
        long: "follow",
        short: Some('L'),
        value: "[=all]",
        repeats: false,
        help: "go where the answer leads, ten times at most; all: with the body, too",
    },
    switch("check", None, "exit 1 where the status is 400 or more"),
    switch("lenient", None, "read odd answers as they were most likely meant"),
    switch("silent", Some('s'), "the same as -q, as curl has it"),
    switch("show-error", Some('S'), "what happens anyway, as curl has it"),
    value("idle", "DUR", "give up after so much silence"),
    value("timeout", "DUR", "how long connecting may take (10s)"),
    switch("retry", None, "while nobody listens there yet, try again with growing pauses"),
];

fn run(job: &Job) -> Result<u8> {
    let endpoint = job.endpoint_spelt("get what? a URL is missing", ":8000", url::of)?;
    let mut wishes = GetFlags::read(job)?;
    let exchange = Exchange::new(&endpoint, request(job)?)?
        .lenient(job.is_on("lenient"))
        .carrying(wishes.carries);
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let script = match signals.unless_asked(PythonScript::open(job, &endpoint)).await {
            Ok(script) => script?,
            Err(asked) => return Ok(asked.code()),
        };
        if let Some(script) = &script {
            wishes.dialer = wishes.dialer.observer(script.observer());
        }
        let page = match signals.unless_asked(WrittenBody::open(job)).await {
            Ok(page) => page?,
            Err(asked) => return Ok(asked.code()),
        };
        let teller = ExchangeTeller::new(job, &wishes.dialer, page.is_file())?;
        let mut get = Get { wishes, page, teller, script };
        let ended = tokio::select! {
            ended = get.run(exchange) => ended,
            asked = signals.next() => Ok(Finish::Early(asked.code())),
        };
        tokio::select! {
            code = get.end(ended) => code,
            asked = signals.next() => Ok(asked.code()),
        }
    });
    // The resolver, or a write to a full pipe, may still be blocked on its thread.
    runtime.shutdown_background();
    result
}

/// The request, in the version and with the method that the flags say.
fn request(job: &Job) -> Result<Request> {
    let mut request = asking::read(job)?;
    let version = args::choice(&job.matches, "http", &["1.0", "1.1"])?;
    request.version = if version == Some("1.0") { Version::Http10 } else { Version::Http11 };
    if job.is_on("head") {
        if let Some(other) = ["method", "data"].iter().find(|flag| job.text(flag).is_some()) {
            let text = format!("--head and --{other} exclude each other");
            return Err(Error::new(Kind::Usage, text).try_command("hobnob get -h", ""));
        }
        "HEAD".clone_into(&mut request.method);
    }
    Ok(request)
}

/// What the flags say.
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
struct GetFlags {
    follow: bool,
    /// Whether a redirect may take the body to somebody else.
    carries: bool,
    include: bool,
    check: bool,
    idle: Option<Duration>,
    dialer: Dialer,
}

impl GetFlags {
    fn read(job: &Job) -> Result<Self> {
        let timeout = args::duration(&job.matches, "timeout")?.or(job.environment.timeout);
        let follow = job.text("follow");
        if let Some(other) = follow.filter(|word| !["", "all"].contains(word)) {
            let error = args::bad_value("--follow", other, "it takes all, or nothing");
            return Err(error.try_flag("--follow all", "with the body of the request, too"));
        }
        Ok(GetFlags {
            follow: follow.is_some(),
            carries: follow == Some("all"),
            include: job.is_on("include"),
            check: job.is_on("check"),
            idle: args::duration(&job.matches, "idle")?,
            dialer: Dialer::default()
                .family(job.family()?)
                .timeout(timeout.unwrap_or(TIMEOUT))
                .retry(job.is_on("retry")),
        })
    }
}

struct Get {
    wishes: GetFlags,
    page: WrittenBody,
    teller: ExchangeTeller,
    script: Option<PythonScript>,
}

/// How all of it came to its end, where nothing went wrong.
enum Finish {
    /// The answer is whole.
    Whole(Head),
    /// A signal, or the reader of stdout has left: the exit code.
    Early(u8),
}

/// What one exchange came to.
enum GetOutcome {
    Whole(Head),
    /// Another one is to be asked in its place.
    Elsewhere(Head, Box<Redirect>),
    Early(u8),
}

impl Get {
    /// From the first request to the last answer.
    async fn run(&mut self, mut exchange: Exchange) -> Result<Finish> {
        loop {
            let asked = exchange.ask(&self.wishes.dialer).await;
            self.teller.notes();
            let mut asked = asked?;
            asked.set_idle(self.wishes.idle);
            self.teller.opened(&exchange, &asked);
            let heard = self.hear(&exchange, &mut asked).await;
            match &heard {
                Ok(GetOutcome::Whole(head)) => {
                    self.teller.whole(&exchange, head, &asked, &self.page);
                }
                Ok(GetOutcome::Elsewhere(head, redirect)) => {
                    self.teller.elsewhere(&exchange, head, &asked, redirect);
                }
                Ok(GetOutcome::Early(_)) | Err(_) => {}
            }
            self.teller.closed(&asked, heard.as_ref().err());
            match heard? {
                GetOutcome::Early(code) => return Ok(Finish::Early(code)),
                GetOutcome::Whole(head) => {
                    let _ = tokio::time::timeout(GOODBYE, asked.close()).await;
                    return Ok(Finish::Whole(head));
                }
                GetOutcome::Elsewhere(_, redirect) => exchange = redirect.exchange,
            }
        }
    }

    async fn hear(&mut self, exchange: &Exchange, asked: &mut Asked) -> Result<GetOutcome> {
        let mut head = Head::default();
        loop {
            // A slow reader of ours is a slow reader of the peer's.
            if let Some(code) = self.page.room().await?.or(self.teller.room().await?) {
                return Ok(GetOutcome::Early(code));
            }
            let part = match asked.part() {
                Err(error) => return Err(self.refused(asked, error)),
                Ok(part) => part,
            };
            match part {
                Some(AnswerPart::Interim(interim)) => self.tell_head(&interim),
                Some(AnswerPart::Head(found)) => {
                    self.tell_head(&found);
                    if self.wishes.follow
                        && let Some(redirect) = exchange.redirected(&found)
                    {
                        return redirect
                            .map(|redirect| GetOutcome::Elsewhere(found, Box::new(redirect)));
                    }
                    if exchange.request().method == "HEAD" && !self.wishes.include {
                        self.page.head(&found);
                    }
                    head = found;
                }
                Some(AnswerPart::Body(bytes)) => self.page.write(bytes),
                Some(AnswerPart::Trailers(lines)) => self.teller.trailers(&lines),
                Some(AnswerPart::End) => {
                    let early = self.page.finish().await?;
                    return Ok(early.map_or(GetOutcome::Whole(head), GetOutcome::Early));
                }
                None => {
                    let received = asked.receive().await?;
                    self.teller.received(received);
                }
            }
        }
    }

    fn tell_head(&mut self, head: &Head) {
        self.teller.head(head);
        if self.wishes.include {
            self.page.head(head);
        }
    }

    /// An answer that is refused shows its head before it is.
    fn refused(&self, asked: &Asked, error: Error) -> Error {
        if let Some(head) = asked.refused() {
            self.teller.head(head);
        }
        error
    }

    /// What is left to be written and to be said.
    async fn end(&mut self, ended: Result<Finish>) -> Result<u8> {
        let kept = self.page.keep().await;
        let told = self.teller.finish().await;
        let written = match self.script.take() {
            Some(script) => script.finish().await,
            None => Ok(()),
        };
        match ended {
            Err(error) => Err(match kept {
                Some(kept) => error.why(kept),
                None => error,
            }),
            Ok(Finish::Early(code)) => {
                if let Some(kept) = kept {
                    self.teller.say(&kept);
                }
                Ok(code)
            }
            Ok(Finish::Whole(head)) => {
                let is_bad = self.wishes.check && head.status >= FIRST_BAD;
                if is_bad {
                    self.teller.refused(&head);
                }
                let code = told?.unwrap_or(u8::from(is_bad));
                written.map(|()| code)
            }
        }
    }
}
