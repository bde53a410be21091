//! `hobnob get`: one HTTP request and its answer, head and body apart.

mod asking;
mod body;
mod file;
mod teller;

use std::time::Duration;

use hobnob::engine::Dialer;
use hobnob::error::Result;
use hobnob::exchange::{AnswerPart, Asked, Exchange, Head, Redirect};

use crate::args::{self, COMMON, Flag, FlagGroup, OPENING, SHOWING, Usage, switch, value};
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
    switch("force", None, "overwrite the file of -o"),
    switch("head", None, "ask for the head alone"),
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
        repeats: false,
        help: "a body: this text, the bytes of a file, or @- for standard input",
    },
    Flag {
        long: "header",
        short: Some('H'),
        value: "K:V",
        repeats: true,
        help: "a field of the request; without a value it is left out (repeat)",
    },
    value("http", "1.0|1.1", "the version that is spoken (1.1)"),
    switch("follow", None, "go where the answer leads, ten times at most"),
    switch("check", None, "exit 1 where the status is 400 or more"),
    value("idle", "DUR", "give up after so much silence"),
    value("timeout", "DUR", "how long connecting may take (10s)"),
    switch("retry", None, "while nobody listens there yet, try again with growing pauses"),
];

fn run(job: &Job) -> Result<u8> {
    let endpoint = job.endpoint("get what? a URL is missing")?;
    let exchange = Exchange::new(&endpoint, asking::read(job)?)?;
    let wishes = GetFlags::read(job)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let page = match signals.unless_asked(WrittenBody::open(job)).await {
            Ok(page) => page?,
            Err(asked) => return Ok(asked.code()),
        };
        let teller = ExchangeTeller::new(job, &wishes.dialer, page.is_file())?;
        let mut get = Get { wishes, page, teller };
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

/// What the flags say.
struct GetFlags {
    follow: bool,
    check: bool,
    idle: Option<Duration>,
    dialer: Dialer,
}

impl GetFlags {
    fn read(job: &Job) -> Result<Self> {
        let timeout = args::duration(&job.matches, "timeout")?.or(job.environment.timeout);
        Ok(GetFlags {
            follow: job.is_on("follow"),
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
            match asked.part()? {
                Some(AnswerPart::Interim(interim)) => self.teller.head(&interim),
                Some(AnswerPart::Head(found)) => {
                    self.teller.head(&found);
                    if self.wishes.follow
                        && let Some(redirect) = exchange.redirected(&found)
                    {
                        return redirect
                            .map(|redirect| GetOutcome::Elsewhere(found, Box::new(redirect)));
                    }
                    if exchange.request().method == "HEAD" {
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

    /// What is left to be written and to be said.
    async fn end(&mut self, ended: Result<Finish>) -> Result<u8> {
        let kept = self.page.keep().await;
        let told = self.teller.finish().await;
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
                Ok(told?.unwrap_or(u8::from(is_bad)))
            }
        }
    }
}
