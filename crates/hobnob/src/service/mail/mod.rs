//! Mail: what is sent here is kept, whoever it is for, and can be looked at.

mod finding;
mod forward;
mod imap;
mod names;
mod note;
mod office;
mod pop3;
mod purpose;
mod reading;
mod rules;
mod script;
mod smtp;
mod step;
mod trace;
#[cfg(feature = "http")]
mod web;
mod wire;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use self::forward::letter::FORWARD;
use self::office::MailOffice;
use self::rules::{BoxesBy, MailRules, Offer};
use super::{Door, Made, Service, ServiceRow, Site};
use crate::conn::{Boxed, Conn};
use crate::error::{Error, Kind, Result};
use crate::event::Fact;
use crate::fault::{ANSWERS, Panel};
use crate::files;
use crate::session::{Decisions, Dress, Keeper, Session};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};
use crate::store::{KeepLimit, MailStore, StoreLimits, StorePlace};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "mail",
        summary: "keeps letters: SMTP in, POP3, IMAP and HTTP out",
        options: OPTIONS,
        examples: &["hobnob serve mail", "hobnob serve mail --dir letters --strict"],
        is_built_in: true,
    },
    doors: &[
        Door { name: "smtp", protocol: Some("smtp"), port: 1025, shapes: &[Shape::Bytes] },
        Door { name: POP3, protocol: Some(POP3), port: 1110, shapes: &[Shape::Bytes] },
        Door { name: IMAP, protocol: Some(IMAP), port: 1143, shapes: &[Shape::Bytes] },
        #[cfg(feature = "http")]
        Door { name: HTTP, protocol: Some(HTTP), port: 8025, shapes: &[Shape::Bytes] },
    ],
    is_loud: false,
    make: Some(|options| Ok(Made::Service(Box::new(Mail::new(options)?)))),
};

/// The door of [`pop3`].
const POP3: &str = "pop3";
/// The door of [`imap`].
const IMAP: &str = "imap";
/// The door of [`web`].
#[cfg(feature = "http")]
const HTTP: &str = "http";

static OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "dir",
        kind: ValueKind::Named("DIR"),
        default: "",
        help: "keeps letters there, as a Maildir, past the end; a private folder that goes with us where it is not given",
    },
    OptionSpec {
        name: "keep",
        kind: ValueKind::Count,
        default: "",
        help: "the newest letters that are kept, 256 MiB of them at most; 500 without --dir, and all with it",
    },
    OptionSpec {
        name: "boxes",
        kind: ValueKind::Choice(BoxesBy::WORDS),
        default: "one",
        help: "boxes beside the one for all: one for each recipient, or for each user who logs in to send",
    },
    OptionSpec {
        name: "user",
        kind: ValueKind::Several("NAME:@FILE"),
        default: "",
        help: "only these may log in, each with the password in its file; anybody where none is given",
    },
    OptionSpec {
        name: "auth",
        kind: ValueKind::Choice(Offer::WORDS),
        default: "offer",
        help: "whether a sender may log in, has to, or cannot",
    },
    OptionSpec {
        name: "starttls",
        kind: ValueKind::Choice(Offer::WORDS),
        default: "offer",
        help: "whether a clear conn may become TLS, has to, or cannot",
    },
    OptionSpec {
        name: "cert",
        kind: ValueKind::Named("FILE"),
        default: "",
        help: "the certificate for STARTTLS, in PEM; one of our own where none is given",
    },
    OptionSpec {
        name: "key",
        kind: ValueKind::Named("FILE"),
        default: "",
        help: "its key, in PEM",
    },
    OptionSpec {
        name: "reply",
        kind: ValueKind::Several("RULE"),
        default: "",
        help: "what to answer on purpose, as in rcpt=450,for=2 (repeat); see help replies",
    },
    OptionSpec {
        name: FORWARD,
        kind: ValueKind::NextEndpoint,
        default: "",
        help: "the next server, by SMTP: each letter is kept, and passed on until it is there",
    },
    #[cfg(feature = "http")]
    OptionSpec {
        name: WEB_HOST,
        kind: ValueKind::Several("NAME"),
        default: "",
        help: "a name that the http door goes by, beside localhost and addresses (repeat)",
    },
    OptionSpec {
        name: "decisions",
        kind: ValueKind::Named("FILE"),
        default: "",
        help: "a new file for each decision of a fault, to compare runs",
    },
    OptionSpec {
        name: "strict",
        kind: ValueKind::Flag,
        default: "no",
        help: "refuses what a sender does wrong, and says what that is",
    },
    OptionSpec {
        name: "size",
        kind: ValueKind::Bytes,
        default: "25m",
        help: "the largest letter, in bytes",
    },
    OptionSpec {
        name: "trace",
        kind: ValueKind::Flag,
        default: "yes",
        help: "puts Return-Path and Received before a letter; --no-trace keeps it as it came",
    },
];

#[cfg(feature = "http")]
const WEB_HOST: &str = "web-host";

/// Letters that are kept without a folder, and bytes of them.
const KEPT: usize = 500;
const KEPT_BYTES: u64 = 256 << 20;
/// Bytes that a file with a password may have.
const LARGEST_PASSWORD: u64 = 1_024;

/// What was asked for; what it takes from the world comes when it opens.
struct Mail {
    rules: MailRules,
    tls: String,
    place: StorePlace,
    limits: StoreLimits,
    /// Names with the files of their passwords.
    users: Vec<(String, PathBuf)>,
    panel: Panel,
    /// The file that its decisions are written to.
    path: Option<String>,
    decisions: OnceLock<Arc<Decisions>>,
    office: OnceLock<MailOffice>,
    /// Whether some door can be reached from other machines.
    is_for_others: AtomicBool,
}

impl Mail {
    fn new(options: &Options) -> Result<Self> {
        let word = |name: &str| options.text(name).unwrap_or_default();
        let dir = Some(word("dir")).filter(|dir| !dir.is_empty());
        let place = dir.map_or(StorePlace::Private, |dir| StorePlace::Folder(PathBuf::from(dir)));
        let given = options.count("keep").filter(|_| options.is_given("keep"));
        let given = given.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX));
        if given == Some(0) {
            return Err(Error::new(Kind::BadOption, "keep is at least 1").hint_option(
                "keep",
                "1",
                "the last letter alone",
            ));
        }
        // Who names a folder may have letters in it already, and they are not ours to throw away unasked.
        let keep = given.or((place == StorePlace::Private).then_some(KEPT));
        let keep = keep.map(|letters| KeepLimit { letters, bytes: KEPT_BYTES });
        let users = options.texts("user").iter().map(|user| read_user(user));
        let users = users.collect::<Result<Vec<_>>>()?;
        let panel = Panel::of(&ANSWERS);
        if options.is_given("reply") {
            let texts: Vec<_> = options.texts("reply").iter().map(String::as_str).collect();
            panel.turn(&texts)?;
        }
        let setting = |key: &str| match word(key) {
            "" => String::new(),
            // A comma would be the next setting.
            file => format!(",{key}={}", file.replace("%2C", "%252C").replace(',', "%2C")),
        };
        Ok(Mail {
            rules: MailRules {
                host: String::new(),
                size: options.count("size").unwrap_or_default().max(1),
                is_strict: options.flag("strict"),
                has_trace: options.flag("trace"),
                auth: Offer::of(word("auth")),
                starttls: Offer::of(word("starttls")),
                boxes: BoxesBy::of(word("boxes")),
                forwards: !word(FORWARD).is_empty(),
                users: None,
                #[cfg(feature = "http")]
                web_hosts: options.texts(WEB_HOST).to_vec(),
            },
            tls: format!("tls{}{}", setting("cert"), setting("key")),
            place,
            limits: StoreLimits { keep, ..StoreLimits::default() },
            users,
            panel,
            path: Some(word("decisions").to_owned()).filter(|path| !path.is_empty()),
            decisions: OnceLock::new(),
            office: OnceLock::new(),
            is_for_others: AtomicBool::new(false),
        })
    }

    /// The rules, once all is known.
    async fn rules(&self, keeper: &Keeper) -> Result<MailRules> {
        let mut rules = self.rules.clone();
        let host = nix::unistd::gethostname().ok().and_then(|host| host.into_string().ok());
        let is_word =
            |host: &String| !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic());
        rules.host = host.filter(is_word).unwrap_or_else(|| "localhost".to_owned());
        if rules.starttls != Offer::Off {
            let ready = keeper.rehearse(Dress::server(&self.tls));
            match ready {
                Err(error)
                    if error.kind() == Kind::NotBuiltIn && rules.starttls == Offer::There =>
                {
                    rules.starttls = Offer::Off;
                }
                ready => ready?,
            }
        }
        if !self.users.is_empty() {
            let users = self.users.clone();
            rules.users = Some(keeper.work(move || read_passwords(&users)).await??);
        }
        Ok(rules)
    }
}

impl Service for Mail {
    fn open<'a>(&'a self, site: &'a mut Site) -> Boxed<'a, ()> {
        Box::pin(async move {
            let keeper = site.keeper().clone();
            self.is_for_others.store(site.is_for_others(), Relaxed);
            let rules = self.rules(&keeper).await?;
            let (place, limits, clock) = (self.place.clone(), self.limits, keeper.clock());
            let (panel, tls) = (self.panel.clone(), self.tls.clone());
            let open = move || {
                let store = MailStore::open(&place, limits, clock)?;
                Ok::<_, Error>(MailOffice::new(rules, panel, tls, store))
            };
            let office = keeper.work(open).await??;
            self.office.get_or_init(|| office);
            if let Some(path) = self.path.clone() {
                let opened = {
                    let path = path.clone();
                    keeper.work(move || Decisions::open(&path)).await??
                };
                site.undo(move || drop(std::fs::remove_file(path)));
                self.panel.log(self.decisions.get_or_init(|| Arc::new(opened)).clone());
            }
            Ok(())
        })
    }

    fn run<'a>(&'a self, session: &'a Arc<Session>, conn: &'a mut Conn) -> Boxed<'a, ()> {
        Box::pin(async move {
            let closed = || Error::new(Kind::Bug, "a session of a service that is not open");
            let office = self.office.get().ok_or_else(closed)?;
            let _noting = MailNoting { decisions: self.decisions.get(), session };
            match session.door() {
                POP3 => pop3::hold(office, session, conn).await,
                IMAP => imap::hold(office, session, conn).await,
                #[cfg(feature = "http")]
                HTTP => web::hold(office, session, conn).await,
                _ => smtp::hold(office, session, conn).await,
            }
        })
    }

    fn keep<'a>(&'a self, keeper: &'a Keeper) -> Boxed<'a, ()> {
        Box::pin(async move {
            let Some(office) = self.office.get() else { return Ok(()) };
            if self.is_for_others.load(Relaxed) && office.rules.is_open() {
                let text = "others may reach this, and whoever does may send: --auth need asks who it is, \
                    with --user NAME:@FILE";
                keeper.emit(Fact::Warning(text.to_owned()));
            }
            if office.rules.forwards {
                return forward::keep(office, keeper).await;
            }
            if office.store.is_lasting() {
                forward::tell_of_left_over(office, keeper).await?;
            }
            Ok(())
        })
    }

    fn panel(&self) -> Option<&Panel> {
        Some(&self.panel)
    }

    fn letters(&self) -> Option<Arc<MailStore>> {
        self.office.get().map(|office| office.store.clone())
    }

    /// Its answers are lines, and some are several.
    fn says_lines(&self) -> bool {
        false
    }
}

/// Writes what was decided in a session, however it ends.
struct MailNoting<'a> {
    decisions: Option<&'a Arc<Decisions>>,
    session: &'a Session,
}

impl Drop for MailNoting<'_> {
    fn drop(&mut self) {
        if let Some(decisions) = self.decisions {
            decisions.flush(self.session.bus());
        }
    }
}

/// `NAME:@FILE`.
fn read_user(text: &str) -> Result<(String, PathBuf)> {
    let user = text.split_once(":@").filter(|(name, file)| !name.is_empty() && !file.is_empty());
    let (name, file) = user.ok_or_else(|| {
        let wrong = format!("user does not take {text:?}");
        Error::expecting(Kind::BadOption, &wrong, "it is a name and the file of its password")
            .hint_option("user", "li:@password.txt", "a password is never read from a flag")
    })?;
    Ok((name.to_lowercase(), PathBuf::from(file)))
}

/// The first line of each file.
fn read_passwords(users: &[(String, PathBuf)]) -> Result<HashMap<String, String>> {
    let read = |(name, path): &(String, PathBuf)| {
        let bytes = files::read(Path::new(path), LARGEST_PASSWORD)?;
        let text = String::from_utf8(bytes).map_err(|_| {
            Error::new(Kind::InvalidUtf8, format!("the password of {name} is not UTF-8"))
        })?;
        Ok((name.clone(), text.lines().next().unwrap_or_default().to_owned()))
    };
    users.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
