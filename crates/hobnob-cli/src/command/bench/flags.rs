//! What the flags of `bench` say, and the loads that they make.

use std::time::Duration;

use hobnob::endpoint::Endpoint;
use hobnob::engine::{self, Dialer};
use hobnob::error::{Error, Kind, Result};
use hobnob::exchange::Request;
use hobnob::load::{
    Connects, Expected, Load, Payload, PingPong, Requests, Schedule, TransferWay, Transfers, Until,
};
use hobnob::spec::Shape;

use crate::advice::Propose as _;
use crate::args;
use crate::asking;
use crate::job::Job;
use crate::report::benched::{BenchMode, BenchTerms};
use crate::report::brief::brief;

/// Addresses of one comparison.
pub(super) const MOST_ENDPOINTS: usize = 8;
/// What a load has where nobody says otherwise.
const CONNECTIONS: u64 = 50;
const DURATION: Duration = Duration::from_secs(10);
const SIZE: usize = 64;
const PIECE: usize = 128 << 10;
const TIMEOUT: Duration = Duration::from_secs(1);
const ROUNDS: u64 = 10;
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Caps: a bench is no weapon, and a slip of a finger no siege.
const MOST_CONNECTIONS: u64 = 100_000;
const MOST_SIZE: usize = 64 << 20;
const MOST_DEPTH: u64 = 10_000;
const LONGEST: Duration = Duration::from_hours(24);
/// A turn of a comparison is at least so long.
const LEAST_TURN: Duration = Duration::from_millis(200);
/// Bytes that a datagram of IPv4 holds at most.
const DATAGRAM: usize = 65_507;

/// What the flags say.
pub(super) struct BenchFlags {
    pub(super) connections: usize,
    pub(super) rounds: u64,
    until: Until,
    warm_up: Duration,
    schedule: Schedule,
    depth: usize,
    size: Option<usize>,
    /// What is asked in mode `http`; its body is what is sent in other modes.
    request: Request,
    expected: Option<Expected>,
    patience: Duration,
    way: TransferWay,
    dialer: Dialer,
    mode: Option<BenchMode>,
}

/// A load that can be made as often as it is wanted.
pub(super) struct BenchPlan {
    pub(super) endpoint: Endpoint,
    pub(super) terms: BenchTerms,
}

impl BenchFlags {
    pub(super) fn read(job: &Job, endpoints: &[Endpoint]) -> Result<Self> {
        let time = |name| args::duration(&job.matches, name);
        let number = |name: &'static str, most: u64| -> Result<Option<u64>> {
            let Some(text) = job.text(name) else { return Ok(None) };
            let number = args::read_number(&format!("--{name}"), text, 1)?;
            if number > most {
                let expected = format!("it takes at most {most}");
                return Err(args::bad_value(&format!("--{name}"), text, &expected));
            }
            Ok(Some(number))
        };
        let connections = number("connections", MOST_CONNECTIONS)?.unwrap_or(CONNECTIONS);
        let count = number("count", u64::MAX)?;
        let duration = time("duration")?;
        if let Some(duration) = duration.filter(|time| time.is_zero() || *time > LONGEST) {
            let text = hobnob::spec::show_duration(duration);
            let expected = "it takes more than no time, and at most 24h";
            return Err(args::bad_value("--duration", &text, expected)
                .try_flag("--duration 10s", "the default"));
        }
        let is_alone = endpoints.len() == 1;
        if !is_alone && count.is_some() {
            let text = "--count is for one address: several take turns by time";
            return Err(Error::new(Kind::Usage, text).try_flag("--duration 10s", "for each"));
        }
        let mode = job.text("mode").map(read_mode).transpose()?;
        Ok(BenchFlags {
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            rounds: number("rounds", 1_000)?.unwrap_or(ROUNDS),
            until: Until { time: duration.or(count.is_none().then_some(DURATION)), rounds: count },
            warm_up: time("warmup")?.unwrap_or_default(),
            schedule: job.text("rate").map_or(Ok(Schedule::Closed), read_rate)?,
            depth: usize::try_from(number("pipeline", MOST_DEPTH)?.unwrap_or(1)).unwrap_or(1),
            size: job.text("size").map(read_size).transpose()?,
            request: asking::read(job)?,
            expected: job.text("expect").map(Expected::matching).transpose()?,
            patience: time("timeout")?.unwrap_or(TIMEOUT),
            way: match args::choice(&job.matches, "way", &["up", "down", "both"])? {
                Some("up") => TransferWay::Up,
                Some("down") => TransferWay::Down,
                _ => TransferWay::Both,
            },
            dialer: Dialer::default()
                .family(job.family()?)
                .timeout(job.environment.timeout.unwrap_or(CONNECT)),
            mode,
        })
    }

    /// What is to be measured of each address, or what does not go together.
    pub(super) fn plans(&self, job: &Job, endpoints: &[Endpoint]) -> Result<Vec<BenchPlan>> {
        endpoints.iter().map(|endpoint| self.plan(job, endpoint)).collect()
    }

    fn plan(&self, job: &Job, endpoint: &Endpoint) -> Result<BenchPlan> {
        let usual =
            if endpoint.protocol().is_some() { BenchMode::Requests } else { BenchMode::PingPong };
        let mode = self.mode.unwrap_or(usual);
        self.check(job, endpoint, mode)?;
        let size = match (mode, self.data()) {
            (BenchMode::Stream(_), _) => self.size.unwrap_or(PIECE),
            (_, Some(data)) => data.len(),
            (_, None) => self.size.unwrap_or(SIZE),
        };
        let terms = BenchTerms {
            name: brief(endpoint),
            address: endpoint.to_string(),
            mode: if let BenchMode::Stream(_) = mode { BenchMode::Stream(self.way) } else { mode },
            connections: self.connections,
            size,
            depth: self.depth,
            rate: match self.schedule {
                Schedule::Rate(rate) => Some(rate),
                Schedule::Closed => None,
            },
            time: self.until.time,
            count: self.until.rounds,
            warm_up: self.warm_up,
            is_checked: self.expected.is_none(),
        };
        let plan = BenchPlan { endpoint: endpoint.clone(), terms };
        // What is wrong with it is said before anything is open.
        self.load(&plan)?;
        Ok(plan)
    }

    fn data(&self) -> Option<&[u8]> {
        self.request.body.as_deref()
    }

    /// What cannot be put together.
    fn check(&self, job: &Job, endpoint: &Endpoint, mode: BenchMode) -> Result<()> {
        let refuse = |flag: &str, why: &str| {
            let text = format!("--{flag} does not go with mode {}: {why}", mode.word());
            Error::new(Kind::Usage, text).try_command("hobnob bench -h", "")
        };
        let is_given = |flag: &str| job.text(flag).is_some();
        let is_stream = matches!(mode, BenchMode::Stream(_));
        if is_given("way") && !is_stream {
            return Err(refuse("way", "only a stream has one").try_flag("--mode stream", ""));
        }
        if is_given("size") && (is_given("data") || mode == BenchMode::Requests) {
            return Err(refuse("size", "what is sent has a size already"));
        }
        if is_stream {
            for flag in ["data", "expect", "pipeline"] {
                if is_given(flag) {
                    return Err(refuse(flag, "a stream is a pattern without end"));
                }
            }
        }
        if mode == BenchMode::Requests && is_given("expect") {
            return Err(refuse("expect", "an answer is judged by its status and its length"));
        }
        if mode != BenchMode::Requests {
            if let Some(flag) = ["method", "header"].into_iter().find(|flag| is_given(flag)) {
                return Err(refuse(flag, "it belongs to a request").try_flag("--mode http", ""));
            }
            self.data().map_or(Ok(()), check_message)?;
        }
        if mode == BenchMode::Connect && is_given("pipeline") {
            return Err(refuse("pipeline", "each connection has one message"));
        }
        let resolved = engine::resolve(endpoint)?;
        let size = self.data().map_or(self.size.unwrap_or(SIZE), <[u8]>::len);
        if resolved.shape == Shape::Packets
            && !is_stream
            && size > DATAGRAM
            && endpoint.layers().is_empty()
        {
            let text =
                format!("a message of {size} bytes is over what a datagram holds ({DATAGRAM})");
            return Err(Error::new(Kind::MessageTooLong, text)
                .try_flag("--size 1400", "what fits into one packet of most networks"));
        }
        Ok(())
    }

    /// The load of a plan, for so long in place of all of its time.
    pub(super) fn load(&self, plan: &BenchPlan) -> Result<Load> {
        let endpoint = &plan.endpoint;
        let payload = match self.data() {
            Some(data) => Payload::given(data),
            None => Payload::pattern(plan.terms.size),
        };
        let expected = self.expected.clone().unwrap_or_default();
        let (dialer, patience) = (&self.dialer, self.patience);
        let load = match plan.terms.mode {
            BenchMode::PingPong => Load::of(
                PingPong::to(endpoint, dialer)?
                    .payload(payload)
                    .expect(expected)
                    .depth(self.depth)
                    .patience(patience),
            ),
            BenchMode::Connect => Load::of(
                Connects::to(endpoint, dialer)?
                    .payload(payload)
                    .expect(expected)
                    .patience(patience),
            ),
            BenchMode::Stream(way) => {
                Load::of(Transfers::to(endpoint, way, dialer)?.size(plan.terms.size))
            }
            BenchMode::Requests => {
                let request = self.request.clone();
                Load::of(Requests::of(endpoint, request, dialer)?.depth(self.depth))
            }
        };
        Ok(load
            .talkers(self.connections)
            .schedule(self.schedule)
            .until(self.until)
            .warm_up(self.warm_up)
            .patience(patience))
    }

    /// The same for one turn of several.
    pub(super) fn turn(&self, plan: &BenchPlan) -> Result<Load> {
        let time = self.until.time.unwrap_or(DURATION);
        let turns = u32::try_from(self.rounds).unwrap_or(u32::MAX);
        let time = (time / turns).max(LEAST_TURN);
        Ok(self.load(plan)?.until(Until::time(time)))
    }

    /// How long all of it takes, as far as time says.
    pub(super) fn lasts(&self) -> Option<Duration> {
        self.until.time.map(|time| time + self.warm_up)
    }
}

fn read_mode(word: &str) -> Result<BenchMode> {
    let words = BenchMode::ALL.map(BenchMode::word);
    args::read_choice("--mode", word, &words)?;
    let mode = BenchMode::ALL.into_iter().find(|mode| mode.word() == word);
    mode.ok_or_else(|| Error::new(Kind::Bug, "a mode without its word"))
}

/// `1000`, `1000/s`, `300k`, `2.5M/s`.
fn read_rate(text: &str) -> Result<Schedule> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let (number, times) = match number.strip_suffix(['k', 'K', 'm', 'M']) {
        Some(bare) if number.ends_with(['k', 'K']) => (bare, 1e3),
        Some(bare) => (bare, 1e6),
        None => (number, 1.0),
    };
    let rate = number.parse::<f64>().ok().map(|number| number * times);
    let rate = rate.and_then(|rate| Schedule::rate(rate).ok());
    rate.ok_or_else(|| {
        let expected = "it takes messages a second, more than none and at most 10M, as 5000/s";
        args::bad_value("--rate", text, expected).try_flag("--rate 1000/s", "")
    })
}

/// `64`, `16k`, `1M`.
fn read_size(text: &str) -> Result<usize> {
    let (number, shift) = match text.strip_suffix(['k', 'K', 'm', 'M']) {
        Some(bare) if text.ends_with(['k', 'K']) => (bare, 10),
        Some(bare) => (bare, 20),
        None => (text, 0),
    };
    let size = number.parse::<usize>().ok().and_then(|number| number.checked_shl(shift));
    size.filter(|size| (1..=MOST_SIZE).contains(size)).ok_or_else(|| {
        let expected = "it takes bytes, from 1 to 64M, as 64 or 16k";
        args::bad_value("--size", text, expected).try_flag("--size 64", "the default")
    })
}

/// A message that is sent over and over: some bytes, and not too many.
fn check_message(data: &[u8]) -> Result<()> {
    if data.is_empty() {
        let expected = "a message has at least one byte";
        return Err(args::bad_value("--data", "", expected)
            .try_flag("--data ping", "it comes back from an echo"));
    }
    if data.len() > MOST_SIZE {
        let text = format!("a message of {} bytes is over 64 MiB", data.len());
        return Err(Error::new(Kind::MessageTooLong, text).try_flag("--mode stream", "for bulk"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_sizes_are_read_as_people_write_them() {
        for (text, rate) in [("1000", 1e3), ("250/s", 250.0), ("300k/s", 3e5), ("2.5M", 2.5e6)] {
            assert_eq!(read_rate(text).expect(text), Schedule::Rate(rate));
        }
        for (text, size) in [("64", 64), ("16k", 16_384), ("1M", 1 << 20)] {
            assert_eq!(read_size(text).expect(text), size);
        }
        for text in ["0", "", "-1", "x", "1/s/s", "11M/s", "nan"] {
            let error = read_rate(text).expect_err(text);
            assert!(!error.hints().is_empty());
        }
        assert!(read_size("0").is_err() && read_size("65M").is_err() && read_size("k").is_err());
        assert!(check_message(b"").is_err() && check_message(b"x").is_ok());
    }
}
