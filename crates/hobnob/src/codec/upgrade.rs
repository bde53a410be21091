//! Whether a clear conn becomes TLS in mid-conversation: STARTTLS of SMTP (RFC 3207) and of IMAP, STLS of POP3 (RFC 2595).

/// What a client does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Upgrade {
    /// Where the server offers it. Whoever sits on the path can take the offer away.
    #[default]
    Try,
    /// In any case: a server without it is left.
    Need,
    /// Never.
    Off,
}

impl Upgrade {
    /// The words for it.
    pub const WORDS: &'static [&'static str] = &["try", "need", "off"];

    /// What one of these words means.
    pub fn of(word: &str) -> Self {
        match word {
            "need" => Upgrade::Need,
            "off" => Upgrade::Off,
            _ => Upgrade::Try,
        }
    }
}
