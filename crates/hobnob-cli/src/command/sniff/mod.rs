//! `hobnob sniff`: packets of an interface or a file, or what was said in their streams.

mod keep;
mod live;
mod replayed;
mod shelf;
mod show;
mod wishes;

use hobnob::capture::give_up_rights;
use hobnob::error::Result;

use crate::args::{COMMON, Flag, FlagGroup, SHOWING, Usage, switch, value};
use crate::job::{Job, Verb};
use crate::process::runtime;
use crate::process::signals::Signals;
use keep::KeptFile;
use show::PacketTeller;
use wishes::{PacketSource, SniffFlags};

/// The user and the group `nobody`, which have no rights on any system.
const NOBODY: u32 = 65_534;

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "sniff",
        words: "[IFACE] [FILTER...]",
        endpoints: 0..0,
        flags: &[FlagGroup::Own(SNIFFING), FlagGroup::Own(SHOWING), FlagGroup::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../../help/sniff.md"),
    },
    run,
};

/// Its own flags.
const SNIFFING: &[Flag] = &[
    Flag {
        long: "interface",
        short: Some('i'),
        value: "IFACE",
        repeats: false,
        help: "the interface; any, or none at all: every one",
    },
    switch("follow", None, "TCP streams in order: handshake, what was said, how it ended"),
    Flag {
        long: "write",
        short: Some('w'),
        value: "FILE",
        repeats: false,
        help: "write the packets as pcapng, and show none; -: to standard output",
    },
    switch("force", None, "overwrite the file of -w"),
    Flag {
        long: "read",
        short: Some('r'),
        value: "FILE",
        repeats: false,
        help: "packets of a file, pcap or pcapng; -: of standard input",
    },
    Flag {
        long: "count",
        short: Some('c'),
        value: "N",
        repeats: false,
        help: "stop after so many packets",
    },
    value("for", "DUR", "stop after a time"),
];

fn run(job: &Job) -> Result<u8> {
    let wishes = SniffFlags::read(job)?;
    let source = wishes.open()?;
    let sudo = job.environment.sudo.filter(|(user, _)| *user != 0);
    let open = |name| KeptFile::open(name, wishes.may_replace, sudo);
    let kept = wishes.write.as_deref().map(open).transpose()?;
    // Everything that needs a right is open, and no other thread has begun. What comes now was made by others.
    let (user, group) = sudo.unwrap_or((NOBODY, NOBODY));
    give_up_rights(user, group)?;
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let signals = Signals::catch()?;
        let teller = PacketTeller::new(job, &wishes, kept)?;
        match source {
            PacketSource::Live(capture) => live::run(job, &wishes, *capture, teller, signals).await,
            PacketSource::File(from) => replayed::run(&wishes, from, teller, signals).await,
        }
    });
    runtime.shutdown_background();
    result
}
