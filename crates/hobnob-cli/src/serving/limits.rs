//! The limits of a server, by the names that a flag and a line of `hobnob.toml` have in common.

use hobnob::codec::text::Rule;
use hobnob::engine::{Model, Network, Server};
use hobnob::error::{Error, Kind, Result};

use crate::advice::Propose as _;
use crate::args;

/// What can be set. The first may be given several times.
pub(crate) const NAMES: &[&str] =
    &["allow", "max-conns", "idle", "max", "for", "framing", "recv", "seed", "model"];

/// Bytes of a chunk, where nobody says otherwise.
const RECV: usize = 65_536;

/// What only makes sense together.
#[derive(Default)]
pub(crate) struct LimitReader {
    framing: Option<FramingWord>,
    recv: Option<usize>,
}

#[derive(Clone, Copy)]
enum FramingWord {
    Auto,
    Lines,
    Chunks,
}

impl LimitReader {
    /// Sets one of the names to a value as a person writes it. Errors call it what was `said`.
    pub(crate) fn set(
        &mut self,
        server: &mut Server,
        name: &str,
        text: &str,
        said: &str,
    ) -> Result<()> {
        let count = || args::read_number(said, text, 1);
        match name {
            "allow" => server.limits.allow.push(network(text)?),
            "max-conns" => server.limits.max_conns = Some(whole(count()?)),
            "idle" => server.limits.idle = Some(args::read_duration(said, text)?),
            "max" => server.stop.sessions = Some(count()?),
            "for" => server.stop.after = Some(args::read_duration(said, text)?),
            "seed" => server.seed = Some(seed(said, text)?),
            "model" => server.model = model(said, text)?,
            "recv" => self.recv = Some(whole(count()?)),
            _ => self.framing = Some(framing(said, text)?),
        }
        Ok(())
    }

    /// What was left until all of it is known.
    pub(crate) fn finish(self, server: &mut Server) -> Result<()> {
        server.cutting.rule = match (self.framing, self.recv) {
            (Some(FramingWord::Chunks), recv) => Rule::Chunks { recv: recv.unwrap_or(RECV) },
            (_, Some(_)) => {
                let text = "recv is the size of a chunk, and messages are not chunks here";
                return Err(Error::new(Kind::Usage, text).try_flag("--framing chunks", ""));
            }
            (Some(FramingWord::Lines), None) => Rule::Lines,
            (Some(FramingWord::Auto) | None, None) => Rule::Auto,
        };
        Ok(())
    }
}

fn network(text: &str) -> Result<Network> {
    Network::parse(text).map_err(|error| error.try_command("hobnob help serve", "its flags"))
}

/// A seed is told in JSON, whose readers keep 53 bits of a number (RFC 8259 section 6): the run is to be repeated from
/// what was told.
fn seed(said: &str, text: &str) -> Result<u64> {
    let seed = args::read_number(said, text, 0)?;
    if seed < 1 << 53 {
        return Ok(seed);
    }
    Err(args::bad_value(said, text, "a seed is below 9007199254740992, which is 2^53"))
}

fn framing(said: &str, text: &str) -> Result<FramingWord> {
    match args::read_choice(said, text, &["auto", "lines", "chunks"])? {
        "lines" => Ok(FramingWord::Lines),
        "chunks" => Ok(FramingWord::Chunks),
        _ => Ok(FramingWord::Auto),
    }
}

fn model(said: &str, text: &str) -> Result<Model> {
    let chosen = args::read_choice(said, text, &Model::ALL.map(Model::name))?;
    Ok(Model::ALL.into_iter().find(|model| model.name() == chosen).unwrap_or_default())
}

fn whole(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
