//! `hobnob ping`: round trips over whatever an address gives, and the way to a host.

mod show;
mod teller;
mod way;

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use hobnob::endpoint::Endpoint;
use hobnob::engine::Dialer;
use hobnob::error::{Error, Kind, Result};
use hobnob::ping::{self, Ping, PingEvent, Pinging};

use crate::advice::Propose as _;
use crate::args::{self, COMMON, EXPLAINING, Flag, FlagGroup, OPENING, Usage, switch, value};
use crate::calling::Explainer;
use crate::job::{Job, Verb};
use crate::process::signals::{Quit, Signals};
use crate::process::{output_failed, runtime};
use teller::PingTeller;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "ping",
        words: "ADDR",
        endpoints: 0..1,
        flags: &[
            FlagGroup::Own(PINGING),
            FlagGroup::Own(EXPLAINING),
            FlagGroup::Own(OPENING),
            FlagGroup::Own(COMMON),
        ],
        heeds_settings: true,
        page: include_str!("../../help/ping.md"),
    },
    run,
};

/// Flags of rounds.
const PINGING: &[Flag] = &[
    Flag { short: Some('c'), ..value("count", "N", "so many rounds; without it until Ctrl-C") },
    Flag {
        short: Some('i'),
        ..value("interval", "DUR", "from one round to the next (1s); 0s: once the last is over")
    },
    value("size", "N", "bytes that a probe carries, 16 and more (56)"),
    value("ttl", "N", "routers on the way at most, 1 to 255"),
    value("over", "WORD", "what a round goes over: icmp, udp, tcp, tls, http, unix, ..."),
    value("timeout", "DUR", "when a round is lost (2s)"),
    switch("trace", None, "the way to the host, router by router"),
    switch("quiet", Some('q'), "the summary alone"),
];

fn run(job: &Job) -> Result<u8> {
    let over = job.text("over");
    if let Some(word) = job.words().first() {
        ping::spelt(word, over)?;
    }
    let spell = |word: &str| ping::spelt(word, over).ok().flatten();
    let mut endpoint =
        job.endpoint_spelt("ping whom? an address is missing", "127.0.0.1", spell)?;
    let flags = PingFlags::read(job)?;
    if let Some(ttl) = flags.ttl.filter(|_| !job.is_on("trace")) {
        endpoint.set(&format!("ttl={ttl}"))?;
    }
    let dialer = Dialer::default().family(job.family()?);
    let bus = dialer.bus().clone();
    let work = if job.is_on("trace") {
        PingWork::Trace(flags.trace(job, &endpoint, dialer)?)
    } else {
        PingWork::Rounds(flags.rounds(&endpoint, dialer)?)
    };
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let signals = Signals::catch()?;
        let mut calls = Explainer::of(job, &bus)?;
        let ended = match work {
            PingWork::Rounds(ping) => rounds(job, ping, &mut calls, signals).await,
            PingWork::Trace(trace) => way::run(job, &endpoint, trace, &mut calls, signals).await,
        };
        if let Some(mut calls) = calls {
            calls.finish().await;
        }
        ended
    });
    // The resolver, or a write to a full pipe, may still be blocked on its thread.
    runtime.shutdown_background();
    result
}

enum PingWork {
    Rounds(Ping),
    Trace(ping::Trace),
}

/// What the flags say.
struct PingFlags {
    count: Option<u64>,
    interval: Option<Duration>,
    patience: Option<Duration>,
    size: Option<usize>,
    ttl: Option<u8>,
}

impl PingFlags {
    fn read(job: &Job) -> Result<Self> {
        let number = |name: &'static str, least| {
            job.text(name).map(|text| args::read_number(&format!("--{name}"), text, least))
        };
        let size = number("size", Ping::LEAST_SIZE as u64).transpose()?;
        let ttl = job.text("ttl");
        let ttl = ttl.map(|text| args::read_number_within("--ttl", text, 1, u64::from(u8::MAX)));
        let ttl = ttl.transpose()?.and_then(|ttl| u8::try_from(ttl).ok());
        Ok(PingFlags {
            count: number("count", 1).transpose()?,
            interval: args::duration(&job.matches, "interval")?,
            patience: args::duration(&job.matches, "timeout")?.or(job.environment.timeout),
            size: size.map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
            ttl,
        })
    }

    fn rounds(&self, endpoint: &Endpoint, dialer: Dialer) -> Result<Ping> {
        let mut ping = Ping::to(endpoint, dialer)?;
        if let Some(count) = self.count {
            ping = ping.count(count);
        }
        if let Some(interval) = self.interval {
            ping = ping.interval(interval);
        }
        if let Some(patience) = self.patience {
            ping = ping.patience(patience);
        }
        if let Some(size) = self.size {
            ping = ping.size(size)?;
        }
        Ok(ping)
    }

    fn trace(&self, job: &Job, endpoint: &Endpoint, dialer: Dialer) -> Result<ping::Trace> {
        if let Some(flag) = ["count", "interval"].iter().find(|flag| job.text(flag).is_some()) {
            let text = format!("--trace and --{flag} exclude each other");
            return Err(Error::new(Kind::Usage, text).try_command("hobnob ping -h", ""));
        }
        let mut trace = ping::Trace::to(endpoint, dialer)?;
        if let Some(patience) = self.patience {
            trace = trace.patience(patience);
        }
        if let Some(size) = self.size {
            trace = trace.size(size);
        }
        if let Some(most) = self.ttl {
            trace = trace.most(most);
        }
        Ok(trace)
    }
}

/// What has happened.
enum Step {
    Asked(Quit),
    Written(io::Result<()>),
    Told(Result<Option<PingEvent>>),
}

async fn rounds(
    job: &Job,
    ping: Ping,
    calls: &mut Option<Explainer>,
    mut signals: Signals,
) -> Result<u8> {
    let mut teller = PingTeller::new(job, &ping)?;
    let mut pinging = match signals.unless_asked(ping.start()).await {
        Ok(started) => started?,
        Err(asked) => return Ok(asked.code()),
    };
    signals.are_for_a_measurement();
    teller.begin(&pinging);
    let ended = loop {
        pinging.hold(teller.is_full());
        let step = step(&mut pinging, &mut teller, &mut signals).await;
        teller.calls(calls, &pinging);
        match step {
            Step::Told(Ok(Some(event))) => teller.event(&event, &pinging),
            Step::Told(Ok(None)) => break Ok(None),
            Step::Told(Err(error)) => break Err(error),
            Step::Asked(by) => break Ok(Some(by)),
            Step::Written(Ok(())) => teller.pump(),
            Step::Written(Err(error)) => return output_failed(&error),
        }
    };
    let summary = pinging.summary();
    if summary.sent > 0 {
        teller.summary(&pinging);
    }
    let left = teller.finish(&mut signals).await?;
    let by = ended?;
    Ok(match (left, by) {
        (Some(code), _) => code,
        (None, Some(by @ (Quit::Told | Quit::HungUp))) => by.code(),
        // Cut short with results, it is done.
        (None, Some(by)) if summary.sent == 0 => by.code(),
        (None, _) if summary.back == 0 => way::NO_ANSWER,
        (None, _) => 0,
    })
}

async fn step(pinging: &mut Pinging, teller: &mut PingTeller<'_>, signals: &mut Signals) -> Step {
    poll_fn(|cx| {
        if let Poll::Ready(by) = signals.poll_next(cx) {
            return Poll::Ready(Step::Asked(by));
        }
        if let Poll::Ready(written) = teller.poll_written(cx) {
            return Poll::Ready(Step::Written(written));
        }
        pinging.poll_next(cx).map(Step::Told)
    })
    .await
}
