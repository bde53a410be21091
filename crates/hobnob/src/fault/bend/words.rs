//! What faults are called elsewhere, by toxiproxy, tc and people, and what they are called here.

/// A word of others.
pub(super) struct ForeignWord {
    words: &'static [&'static str],
    /// Our fault, or our key.
    pub(super) ours: &'static str,
    /// A whole setting, where what was typed does not make one.
    pub(super) example: &'static str,
    /// What else is to be known.
    pub(super) note: &'static str,
}

const WORDS: &[ForeignWord] = &[
    word(&["delay", "lag", "slow", "sleep", "wait"], "latency", "latency=200ms", ""),
    word(&["bandwidth", "throttle", "limit", "speed"], "rate", "rate=64k", ""),
    word(
        &["drop", "packet_loss", "packet-loss"],
        "loss",
        "loss=2%",
        "of packets; timeout is for bytes",
    ),
    word(&["blackhole", "black-hole", "mute"], "timeout", "timeout", "what comes is dropped"),
    word(&["freeze", "hang", "pause"], "stall", "stall=5s", ""),
    word(&["slow_close", "slowclose", "linger"], "slow-close", "slow-close=1s", ""),
    word(&["slow_accept"], "slow-accept", "slow-accept=2s", ""),
    word(&["slicer", "chunk", "fragment", "split"], "slice", "slice=3", ""),
    word(&["limit_data", "close_after", "truncate"], "close-after", "close-after=4k", ""),
    word(&["reset_peer", "rst"], "reset", "reset", ""),
    word(&["abort", "kill", "disconnect"], "reset", "reset", "down shuts the door too"),
    word(&["disabled", "disable", "unavailable"], "down", "down", ""),
    word(&["reject", "deny"], "refuse", "refuse", ""),
    word(&["corruption", "flip", "bitflip"], "corrupt", "corrupt=1%", ""),
    word(&["duplicate", "duplication"], "dup", "dup=2%", ""),
    word(&["reordering"], "reorder", "reorder=2%", ""),
    word(
        &["toxicity", "probability", "chance"],
        "when",
        "latency=200ms,when=10%",
        "a share of sessions",
    ),
];

const fn word(
    words: &'static [&'static str],
    ours: &'static str,
    example: &'static str,
    note: &'static str,
) -> ForeignWord {
    ForeignWord { words, ours, example, note }
}

/// What this word of others is called here.
pub(super) fn foreign(typed: &str) -> Option<&'static ForeignWord> {
    WORDS.iter().find(|word| word.words.contains(&typed))
}

/// Words that say that nothing is to be bent.
pub(super) fn is_nothing(typed: &str) -> bool {
    ["off", "none", "no", "clean", "reset_all"].contains(&typed)
}
