//! What a client asks for.

use super::fault::ImapFault;
use super::fetch::{self, FetchItem};
use super::scan::{ImapScan, Read, Wrong};
use super::search::{self, SearchKey};
use super::set::SequenceSet;

/// A command behind its tag. Where it has two forms, `is_uid` says that its numbers are those that last.
#[derive(Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are the arguments of RFC 3501 section 6, by their names"
)]
pub enum ImapCommand {
    Capability,
    Noop,
    Logout,
    StartTls,
    Authenticate {
        mechanism: String,
        initial: Option<String>,
    },
    Login {
        name: String,
        password: String,
    },
    /// RFC 5161; the extensions, in capitals.
    Enable(Vec<String>),
    /// RFC 2971.
    Id,
    /// `EXAMINE` where it is only read.
    Select {
        mailbox: String,
        is_read_only: bool,
    },
    Create {
        mailbox: String,
        special: Vec<String>,
    },
    Delete(String),
    Rename {
        from: String,
        to: String,
    },
    /// `UNSUBSCRIBE` where it is not.
    Subscribe {
        mailbox: String,
        is_subscribed: bool,
    },
    /// RFC 3501, and RFC 5258 with several patterns and options.
    List {
        selection: Vec<String>,
        reference: String,
        patterns: Vec<String>,
        results: Vec<String>,
    },
    Lsub {
        reference: String,
        pattern: String,
    },
    /// RFC 2342.
    Namespace,
    Status {
        mailbox: String,
        items: Vec<StatusItem>,
    },
    Check,
    /// `UNSELECT` (RFC 3691) where nothing is removed.
    Close {
        is_expunging: bool,
    },
    /// RFC 4315 where only these go.
    Expunge {
        uids: Option<SequenceSet>,
    },
    /// `RETURN` (RFC 4731) as its words, where it is given.
    Search {
        is_uid: bool,
        results: Option<Vec<String>>,
        charset: Option<String>,
        keys: SearchKey,
    },
    Fetch {
        is_uid: bool,
        set: SequenceSet,
        items: Vec<FetchItem>,
    },
    Store {
        is_uid: bool,
        set: SequenceSet,
        mode: StoreMode,
        is_silent: bool,
        flags: Vec<String>,
    },
    /// `MOVE` (RFC 6851) where the letters are no longer here then.
    Copy {
        is_uid: bool,
        is_move: bool,
        set: SequenceSet,
        mailbox: String,
    },
    /// RFC 2177.
    Idle,
    /// The first line of an HTTP request.
    Http,
}

impl std::fmt::Debug for ImapCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A password is in no log.
        f.write_str(match self {
            ImapCommand::Login { .. } => "Login",
            ImapCommand::Authenticate { .. } => "Authenticate",
            _ => "ImapCommand",
        })
    }
}

/// What STORE does with the flags that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// They go.
    Set,
    /// They stay.
    Add,
    /// Those that are named go.
    Remove,
}

/// What STATUS tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of RFC 3501 section 6.3.10, and SIZE of RFC 8438")]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Size,
    Deleted,
}

/// A command with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapRequest {
    /// The tag, which the answer repeats.
    pub tag: String,
    /// What is asked for.
    pub command: ImapCommand,
}

/// An APPEND up to its letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendHead {
    /// Where it goes.
    pub mailbox: String,
    /// Its flags.
    pub flags: Vec<String>,
    /// When it came, as it was written: ` 5-Nov-2026 10:00:00 +0100`.
    pub date: Option<String>,
}

impl ImapRequest {
    /// Reads a whole command, without its last line end.
    ///
    /// # Errors
    ///
    /// What is wrong with it, behind which tag.
    pub fn parse(text: &[u8]) -> Result<Self, ImapFault> {
        let mut scan = ImapScan::new(text);
        let mut known = None;
        request(&mut scan, &mut known).map_err(|Wrong { what, at }| ImapFault {
            tag: known,
            what,
            at: at + 1,
        })
    }
}

fn request(scan: &mut ImapScan<'_>, known: &mut Option<String>) -> Read<ImapRequest> {
    let tag = scan.tag()?;
    if is_http(&tag, scan.text) {
        return Ok(ImapRequest { tag, command: ImapCommand::Http });
    }
    *known = Some(tag.clone());
    scan.space()?;
    let command = command(scan)?;
    scan.end()?;
    Ok(ImapRequest { tag, command })
}

fn is_http(first: &str, text: &[u8]) -> bool {
    let is_method = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_uppercase());
    let version = text.rsplit(|byte| *byte == b' ').next();
    is_method && version.is_some_and(|version| version.starts_with(b"HTTP/"))
}

fn command(scan: &mut ImapScan<'_>) -> Read<ImapCommand> {
    use ImapCommand as C;
    let at = scan.at;
    let mut word = scan.atom()?.to_ascii_uppercase();
    let is_uid = word == "UID";
    if is_uid {
        scan.space()?;
        word = scan.atom()?.to_ascii_uppercase();
    }
    let command = match word.as_str() {
        "FETCH" => fetch(scan, is_uid)?,
        "STORE" => store(scan, is_uid)?,
        "SEARCH" => search(scan, is_uid)?,
        "COPY" => copy(scan, is_uid, false)?,
        "MOVE" => copy(scan, is_uid, true)?,
        "EXPUNGE" if is_uid => {
            scan.space()?;
            C::Expunge { uids: Some(scan.set()?) }
        }
        _ if is_uid => {
            return Err(Wrong {
                what: "UID goes with FETCH, STORE, SEARCH, COPY, MOVE, EXPUNGE",
                at,
            });
        }
        "CAPABILITY" => C::Capability,
        "NOOP" => C::Noop,
        "LOGOUT" => C::Logout,
        "STARTTLS" => C::StartTls,
        "NAMESPACE" => C::Namespace,
        "CHECK" => C::Check,
        "CLOSE" => C::Close { is_expunging: true },
        "UNSELECT" => C::Close { is_expunging: false },
        "EXPUNGE" => C::Expunge { uids: None },
        "IDLE" => C::Idle,
        _ => {
            scan.space().map_err(|_| Wrong {
                what: "there is no such command, or more belongs behind it",
                at,
            })?;
            with_arguments(scan, &word, at)?
        }
    };
    Ok(command)
}

fn with_arguments(scan: &mut ImapScan<'_>, word: &str, at: usize) -> Read<ImapCommand> {
    use ImapCommand as C;
    Ok(match word {
        "AUTHENTICATE" => {
            let mechanism = scan.atom()?;
            let initial = if scan.eat(b' ') { Some(scan.text()?) } else { None };
            C::Authenticate { mechanism, initial }
        }
        "LOGIN" => {
            let name = scan.text()?;
            scan.space()?;
            C::Login { name, password: scan.text()? }
        }
        "ENABLE" => {
            let mut all = vec![scan.atom()?.to_ascii_uppercase()];
            while scan.eat(b' ') {
                all.push(scan.atom()?.to_ascii_uppercase());
            }
            C::Enable(all)
        }
        "ID" => {
            if !scan.eat_word("NIL") {
                scan.list(
                    true,
                    |scan| if scan.eat_word("NIL") { Ok(Vec::new()) } else { scan.string() },
                )?;
            }
            C::Id
        }
        "SELECT" | "EXAMINE" => {
            C::Select { mailbox: scan.mailbox()?, is_read_only: word == "EXAMINE" }
        }
        "CREATE" => {
            let mailbox = scan.mailbox()?;
            let special = if scan.eat_word(" (USE ") {
                let uses = scan.list(true, ImapScan::flag)?;
                scan.expect(b')', ") belongs here")?;
                uses
            } else {
                Vec::new()
            };
            C::Create { mailbox, special }
        }
        "DELETE" => C::Delete(scan.mailbox()?),
        "RENAME" => {
            let from = scan.mailbox()?;
            scan.space()?;
            C::Rename { from, to: scan.mailbox()? }
        }
        "SUBSCRIBE" | "UNSUBSCRIBE" => {
            C::Subscribe { mailbox: scan.mailbox()?, is_subscribed: word == "SUBSCRIBE" }
        }
        "LIST" => list(scan)?,
        "LSUB" => {
            let reference = scan.text()?;
            scan.space()?;
            C::Lsub { reference, pattern: scan.pattern()? }
        }
        "STATUS" => {
            let mailbox = scan.mailbox()?;
            scan.space()?;
            C::Status { mailbox, items: scan.list(false, status)? }
        }
        _ => return Err(Wrong { what: "there is no such command", at }),
    })
}

fn list(scan: &mut ImapScan<'_>) -> Read<ImapCommand> {
    let selection = if scan.peek() == Some(b'(') {
        let selection = scan.list(true, |scan| Ok(scan.atom()?.to_ascii_uppercase()))?;
        scan.space()?;
        selection
    } else {
        Vec::new()
    };
    let reference = scan.text()?;
    scan.space()?;
    let patterns = if scan.peek() == Some(b'(') {
        scan.list(false, ImapScan::pattern)?
    } else {
        vec![scan.pattern()?]
    };
    let results = if scan.eat_word(" RETURN ") {
        scan.list(true, |scan| {
            let word = scan.atom()?.to_ascii_uppercase();
            if word == "STATUS" {
                scan.space()?;
                let items = scan.list(false, ImapScan::atom)?;
                return Ok(format!("STATUS {}", items.join(" ").to_ascii_uppercase()));
            }
            Ok(word)
        })?
    } else {
        Vec::new()
    };
    Ok(ImapCommand::List { selection, reference, patterns, results })
}

fn status(scan: &mut ImapScan<'_>) -> Read<StatusItem> {
    let at = scan.at;
    Ok(match scan.atom()?.to_ascii_uppercase().as_str() {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => StatusItem::Recent,
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "SIZE" => StatusItem::Size,
        "DELETED" => StatusItem::Deleted,
        _ => return Err(Wrong { what: "STATUS tells nothing of that name", at }),
    })
}

fn fetch(scan: &mut ImapScan<'_>, is_uid: bool) -> Read<ImapCommand> {
    scan.space()?;
    let set = scan.set()?;
    scan.space()?;
    Ok(ImapCommand::Fetch { is_uid, set, items: fetch::items(scan)? })
}

fn store(scan: &mut ImapScan<'_>, is_uid: bool) -> Read<ImapCommand> {
    scan.space()?;
    let set = scan.set()?;
    scan.space()?;
    let mode = match scan.peek() {
        Some(b'+') => StoreMode::Add,
        Some(b'-') => StoreMode::Remove,
        _ => StoreMode::Set,
    };
    scan.at += usize::from(mode != StoreMode::Set);
    if !scan.eat_word("FLAGS") {
        return scan.wrong("FLAGS belongs here");
    }
    let is_silent = scan.eat_word(".SILENT");
    scan.space()?;
    let flags = if scan.peek() == Some(b'(') {
        scan.list(true, ImapScan::flag)?
    } else {
        let mut flags = vec![scan.flag()?];
        while scan.eat(b' ') {
            flags.push(scan.flag()?);
        }
        flags
    };
    Ok(ImapCommand::Store { is_uid, set, mode, is_silent, flags })
}

fn search(scan: &mut ImapScan<'_>, is_uid: bool) -> Read<ImapCommand> {
    scan.space()?;
    let results = if scan.eat_word("RETURN ") {
        let words = scan.list(true, |scan| Ok(scan.atom()?.to_ascii_uppercase()))?;
        scan.space()?;
        Some(words)
    } else {
        None
    };
    let charset = if scan.eat_word("CHARSET ") {
        let charset = scan.text()?;
        scan.space()?;
        Some(charset)
    } else {
        None
    };
    Ok(ImapCommand::Search { is_uid, results, charset, keys: search::keys(scan)? })
}

fn copy(scan: &mut ImapScan<'_>, is_uid: bool, is_move: bool) -> Read<ImapCommand> {
    scan.space()?;
    let set = scan.set()?;
    scan.space()?;
    Ok(ImapCommand::Copy { is_uid, is_move, set, mailbox: scan.mailbox()? })
}

/// Reads an APPEND up to where its letter begins. None where the text is none, or where what begins is not its letter.
pub(super) fn append_head(text: &[u8]) -> Option<(String, AppendHead)> {
    let mut scan = ImapScan::new(text);
    let tag = scan.tag().ok()?;
    scan.eat_word(" APPEND ").then_some(())?;
    let mailbox = scan.mailbox().ok()?;
    scan.space().ok()?;
    let mut flags = Vec::new();
    if scan.peek() == Some(b'(') {
        flags = scan.list(true, ImapScan::flag).ok()?;
        scan.space().ok()?;
    }
    let mut date = None;
    if scan.peek() == Some(b'"') {
        date = Some(String::from_utf8(scan.string().ok()?).ok()?);
        scan.space().ok()?;
    }
    scan.end().ok()?;
    Some((tag, AppendHead { mailbox, flags, date }))
}

/// The tag that a text begins with, where it has one.
pub(super) fn tag_of(text: &[u8]) -> Option<String> {
    ImapScan::new(text).tag().ok()
}
