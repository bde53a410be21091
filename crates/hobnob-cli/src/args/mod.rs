//! The command line: what each verb says of itself, from which the parser, the help pages, the man pages and the
//! completions are made.

mod habit;
mod netcat;
mod parse;
mod value;

use std::ops::Range;

use hobnob::engine;
use hobnob::service::ServiceRow;
use hobnob::spec::{OptionSpec, ValueKind};

pub(crate) use parse::{argument, bare, check_count, lent_arguments, parse};
pub(crate) use value::{
    bad_value, choice, duration, read_choice, read_duration, read_number, read_number_within,
};

/// A flag as the parser and the help pages know it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag {
    /// `--LONG`.
    pub(crate) long: &'static str,
    /// `-S`.
    pub(crate) short: Option<char>,
    /// The placeholder of its value; empty for a switch, `[=WORD]` for a value that may be left out.
    pub(crate) value: &'static str,
    /// Whether it may be given several times.
    pub(crate) repeats: bool,
    /// One line.
    pub(crate) help: &'static str,
}

impl Flag {
    /// Whether it may stand without its value, which is joined to it.
    pub(crate) fn may_stand_alone(&self) -> bool {
        self.value.starts_with('[')
    }
}

/// Flags that stand together.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FlagGroup {
    /// The program's own.
    Own(&'static [Flag]),
    /// Every option of every service.
    OfEveryService,
    /// The options of the service that is called as the verb, less the endpoints: those are words of the verb.
    OfNamesake,
}

/// How a verb is typed.
#[derive(Debug)]
pub(crate) struct Usage {
    /// The verb itself.
    pub(crate) name: &'static str,
    /// The words behind it that are no flags, as one list.
    pub(crate) words: &'static str,
    /// Which of these words are endpoints: from the first to before the last.
    pub(crate) endpoints: Range<usize>,
    /// Its flags, in the order of the help pages.
    pub(crate) flags: &'static [FlagGroup],
    /// Whether defaults and aliases of `hobnob.toml` hold for it.
    pub(crate) heeds_settings: bool,
    /// Its page, as Markdown: the title, then one screen, then a rule, then the rest.
    pub(crate) page: &'static str,
}

impl Usage {
    /// The flags that are the program's own.
    pub(crate) fn own_flags(&self) -> impl Iterator<Item = &'static Flag> {
        let own = |group: &FlagGroup| match group {
            FlagGroup::Own(flags) => *flags,
            FlagGroup::OfEveryService | FlagGroup::OfNamesake => &[],
        };
        self.flags.iter().flat_map(own)
    }

    /// The options of services that are flags of this verb, each name once.
    pub(crate) fn lent_options(&self) -> Vec<&'static OptionSpec> {
        self.flags.iter().flat_map(|group| self.lent_by(*group)).collect()
    }

    /// The same, of one group. An option that is called as an own flag of the verb is not lent.
    pub(crate) fn lent_by(&self, group: FlagGroup) -> Vec<&'static OptionSpec> {
        let lends = |row: &&&ServiceRow| match group {
            FlagGroup::Own(_) => false,
            FlagGroup::OfEveryService => true,
            FlagGroup::OfNamesake => row.spec.name == self.name,
        };
        let is_word = |option: &OptionSpec| {
            matches!(group, FlagGroup::OfNamesake) && option.kind == ValueKind::Endpoint
        };
        let mut found: Vec<&'static OptionSpec> = Vec::new();
        for option in engine::services().iter().filter(lends).flat_map(|row| row.spec.options) {
            let is_own = self.own_flags().any(|flag| flag.long == option.name);
            if !is_own && !is_word(option) && !found.iter().any(|known| known.name == option.name) {
                found.push(option);
            }
        }
        found
    }

    /// What services mean by a lent option where they mean different things: each meaning, with the first service that has
    /// it.
    pub(crate) fn meanings(name: &str) -> Vec<(&'static str, &'static OptionSpec)> {
        let mut found: Vec<(&'static str, &'static OptionSpec)> = Vec::new();
        for row in engine::services() {
            let own = row.spec.options.iter().filter(|option| option.name == name);
            for option in own {
                if !found.iter().any(|(_, known)| known.help == option.help) {
                    found.push((row.spec.name, option));
                }
            }
        }
        found
    }

    /// The one line of its page.
    pub(crate) fn title(&self) -> &'static str {
        self.page.lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }

    /// The spellings of a flag, one of which is this; none: the verb has no such flag.
    pub(crate) fn spellings(&self, typed: &str) -> Option<Vec<String>> {
        let both = |flag: &Flag| {
            let short = flag.short.map(|short| format!("-{short}"));
            short.into_iter().chain([format!("--{}", flag.long)]).collect::<Vec<_>>()
        };
        let is_it = |all: &Vec<String>| all.iter().any(|one| one == typed);
        let own = self.own_flags().map(both).find(is_it);
        let is_lent = |option: &&OptionSpec| typed.strip_prefix("--") == Some(option.name);
        let lent = || self.lent_options().iter().any(is_lent).then(|| vec![typed.to_owned()]);
        own.or_else(lent)
    }
}

/// How every verb is typed, in the order of the help pages.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usages(pub(crate) &'static [&'static Usage]);

impl Usages {
    /// How this verb is typed.
    pub(crate) fn of(self, verb: &str) -> Option<&'static Usage> {
        self.all().find(|usage| usage.name == verb)
    }

    /// All of them.
    pub(crate) fn all(self) -> impl Iterator<Item = &'static Usage> + Clone {
        self.0.iter().copied()
    }
}

/// A flag without a value.
pub(crate) const fn switch(long: &'static str, short: Option<char>, help: &'static str) -> Flag {
    Flag { long, short, value: "", repeats: false, help }
}

/// A flag with a value.
pub(crate) const fn value(long: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { long, short: None, value, repeats: false, help }
}

/// The id under which a verb's words are found.
pub(crate) const WORDS: &str = "words";

/// Flags of every verb.
pub(crate) const COMMON: &[Flag] = &[
    switch("json", None, "one JSON object a line on stdout, in place of words"),
    value("color", "auto|always|never", "ANSI colours; auto: on a terminal"),
    switch("ascii", None, "only ASCII in gutters"),
    value("lang", "en", "the language of what is said"),
    switch("h", Some('h'), "one screen of help"),
    switch("help", None, "all of the help"),
];

/// Flags of verbs that show what passes.
pub(crate) const SHOWING: &[Flag] = &[
    switch("text", Some('t'), "bytes as text, control bytes escaped (the default)"),
    switch("hex", Some('x'), "bytes as a hex dump"),
    switch("raw", None, "bytes as they are, also on a terminal"),
    switch("quiet", Some('q'), "errors only"),
    switch("verbose", Some('v'), "newlines and every limit that was hit, too"),
];

/// Flags of verbs that can show their calls to the kernel.
pub(crate) const EXPLAINING: &[Flag] = &[Flag {
    value: "[=c]",
    ..switch(EXPLAIN, None, "each call to the kernel, as Python would write it, or C, on stderr")
}];

/// The flag by which they are asked for.
pub(crate) const EXPLAIN: &str = "explain";

/// Flags of verbs that can write down what they did.
pub(crate) const SCRIPTING: &[Flag] =
    &[value("as-python", "FILE", "write a Python script that makes the same calls")];

/// Flags of verbs that open sockets.
pub(crate) const OPENING: &[Flag] = &[
    switch("ipv4", Some('4'), "IPv4 only"),
    switch("ipv6", Some('6'), "IPv6 only"),
    switch("insecure", Some('k'), "do NOT check who a TLS peer is (a red line says so)"),
    Flag {
        long: "option",
        short: Some('O'),
        value: "KEY=VALUE",
        repeats: true,
        help: "an option of the endpoint before it, as ,KEY=VALUE in it",
    },
];
