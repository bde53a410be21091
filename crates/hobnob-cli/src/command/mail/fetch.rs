//! `hobnob mail fetch`.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hobnob::codec::mime::{LetterQuery, LetterView, field_of};
use hobnob::error::{Error, Kind, Result};
use hobnob::post::{Login, MailErrand, MailRoute, PickedHead, Pickup, PickupWish};
use hobnob::spec::show_duration;
use hobnob::thread;

use super::letter::{LetterPiece, line};
use super::login;
use super::notes::{MailNotes, witness};
use super::place::MailPlace;
use crate::advice::Propose as _;
use crate::args;
use crate::job::Job;
use crate::process::signals::Signals;
use crate::process::{runtime, write_out};
use crate::report::file::{BodyFile, failed};
use crate::report::json::Json;
use crate::report::letters::PickedLetter;
use crate::report::show::safe;

/// How long a letter is waited for, where nobody says otherwise.
const WITHIN: Duration = Duration::from_secs(5);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// Letters of a list, where nobody says how many.
const LISTED: usize = 1_000;
/// The newest letters among which one is waited for.
const WAITED: usize = 200;
/// Letters that the error of a wait tells of.
const TOLD: usize = 10;
/// Bytes of the name of a file.
const LONGEST_NAME: usize = 80;
/// Who logs in on this machine, where nobody is named: our own server knows everybody, and this is the box of all.
const ANYBODY: &str = "all";

pub(super) fn run(job: &Job) -> Result<u8> {
    let place = MailPlace::read(job, MailErrand::Fetch)?;
    let wish = FetchWish::read(job)?;
    let mut pickup = PickupWish::of(who(job, &place.route)?);
    pickup.may_delete = wish.deletes;
    pickup.patience = place.idle.unwrap_or(pickup.patience);
    pickup.witness = witness(job, job.is_on("verbose"));
    if let Some(name) = job.text("box") {
        name.clone_into(&mut pickup.mailbox);
    }
    let runtime = runtime()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::catch()?;
        let notes = MailNotes::of(job, &place.dialer);
        let fetching = async {
            let opened = Pickup::open(&place.route, pickup).await;
            notes.tell();
            Fetching { job, wish: &wish, pickup: opened?, json: Json::new(job.clock) }.run().await
        };
        match signals.unless_asked(fetching).await {
            Ok(code) => code,
            Err(asked) => Ok(asked.code()),
        }
    });
    runtime.shutdown_background();
    result
}

fn who(job: &Job, route: &MailRoute) -> Result<Login> {
    match login::read(job)? {
        Some(login) => Ok(login),
        None if route.is_here() => {
            Ok(Login { name: ANYBODY.to_owned(), password: ANYBODY.to_owned() })
        }
        None => {
            let error = Error::new(Kind::Usage, "who logs in there? --user is missing");
            Err(error.try_flag("--user li:@password.txt", "a name, and the file of the password"))
        }
    }
}

/// What the flags say.
struct FetchWish {
    number: Option<u32>,
    last: Option<usize>,
    query: Option<LetterQuery>,
    within: Duration,
    folder: Option<PathBuf>,
    may_replace: bool,
    deletes: bool,
    piece: LetterPiece,
}

impl FetchWish {
    fn read(job: &Job) -> Result<Self> {
        let number = job.words().get(2).map(|word| args::read_number("a letter's number", word, 1));
        let number = number.transpose()?.map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let last = job.text("last").map(|last| args::read_number("--last", last, 1)).transpose()?;
        let query = job.text("wait").map(read_query).transpose()?;
        let within = args::duration(&job.matches, "within")?;
        let excludes = |one: &str, other: &str| {
            let error = Error::new(Kind::Usage, format!("{one} and {other} exclude each other"));
            Err(error.try_command("hobnob mail -h", ""))
        };
        match (number, last, &query) {
            (Some(_), Some(_), _) => return excludes("the number of a letter", "--last"),
            (Some(_), _, Some(_)) => return excludes("the number of a letter", "--wait"),
            (_, Some(_), Some(_)) => return excludes("--last", "--wait"),
            _ => {}
        }
        if within.is_some() && query.is_none() {
            let error = Error::new(
                Kind::Usage,
                "--within says how long to --wait, and nothing is waited for",
            );
            return Err(error.try_flag("--wait to:li@test", ""));
        }
        let folder = job.text("save").map(PathBuf::from);
        let deletes = job.is_on("delete");
        if deletes && number.is_none() && last.is_none() && query.is_none() && folder.is_none() {
            let error = Error::new(Kind::Usage, "--delete needs to know which letters");
            return Err(error
                .try_flag("--last 1", "the newest one")
                .try_flag("--save letters", "all, once they are saved"));
        }
        Ok(FetchWish {
            number,
            last: last.map(|last| usize::try_from(last).unwrap_or(usize::MAX)),
            query,
            within: within.unwrap_or(WITHIN),
            folder,
            may_replace: job.is_on("force"),
            deletes,
            piece: LetterPiece::read(job)?,
        })
    }

    /// Whether the letters themselves are wanted, and not a list of them.
    fn wants_letters(&self) -> bool {
        self.folder.is_some() || self.piece != LetterPiece::Whole
    }
}

fn read_query(text: &str) -> Result<LetterQuery> {
    LetterQuery::parse(text).map_err(|why| {
        args::bad_value("--wait", text, &why)
            .try_flag("--wait to:li@test subject:/Reset/", "for one")
    })
}

struct Fetching<'a> {
    job: &'a Job,
    wish: &'a FetchWish,
    pickup: Pickup,
    json: Json,
}

impl Fetching<'_> {
    async fn run(mut self) -> Result<u8> {
        let (heads, code) = match (&self.wish.query, self.wish.number) {
            (Some(query), _) => {
                let (head, letter) = self.wait(query).await?;
                let code = self.give(&head, letter).await?;
                (vec![head], code)
            }
            (None, Some(number)) => {
                let head = self.pickup.head(number).await?;
                let letter = self.pickup.letter(number).await?;
                let code = self.give(&head, letter).await?;
                (vec![head], code)
            }
            (None, None) => self.several().await?,
        };
        if code != 0 {
            return Ok(code);
        }
        if self.wish.deletes {
            self.pickup.delete(&heads).await?;
            // What was deleted by POP3 is deleted now.
            self.pickup.close().await?;
            return Ok(0);
        }
        // Nothing was changed: who does not care for a goodbye changes nothing.
        let _ = tokio::time::timeout(GOODBYE, self.pickup.close()).await;
        Ok(0)
    }

    /// The newest letters: as a list, or each by itself.
    async fn several(&mut self) -> Result<(Vec<PickedHead>, u8)> {
        let heads = self.pickup.heads(self.wish.last.unwrap_or(LISTED)).await?;
        if heads.is_empty() && !self.job.is_on("json") && !self.job.is_on("quiet") {
            return Ok((heads, write_out(b"no letters\n")?));
        }
        for head in &heads {
            let code = if self.wish.wants_letters() {
                let letter = self.pickup.letter(head.number).await?;
                self.give(head, letter).await?
            } else {
                self.list(head)?
            };
            if code != 0 {
                return Ok((heads, code));
            }
        }
        Ok((heads, 0))
    }

    fn list(&mut self, head: &PickedHead) -> Result<u8> {
        if !self.job.is_on("json") {
            return write_out(line(head).as_bytes());
        }
        self.event(&PickedLetter { did: "listed", head: Some(head), ..PickedLetter::default() })
    }

    fn event(&mut self, letter: &PickedLetter<'_>) -> Result<u8> {
        let mut out = Vec::new();
        self.json.picked(&mut out, letter);
        write_out(&out)
    }

    /// Saves a letter, or shows what is wanted of it.
    async fn give(&mut self, head: &PickedHead, letter: Vec<u8>) -> Result<u8> {
        let view = LetterView::read(letter);
        let saved = match &self.wish.folder {
            Some(folder) => Some(save(folder, head, view.raw(), self.wish.may_replace).await?),
            None => None,
        };
        if self.job.is_on("json") {
            let did = if saved.is_some() { "saved" } else { "fetched" };
            let saved = saved.as_deref();
            let letter =
                PickedLetter { did, head: Some(head), view: Some(&view), saved, way: None };
            return self.event(&letter);
        }
        match saved {
            Some(_) if self.job.is_on("quiet") => Ok(0),
            Some(name) if self.wish.piece == LetterPiece::Whole => {
                let shown = safe(&name);
                write_out(format!("{shown}   {}", line(head).trim_start()).as_bytes())
            }
            _ => write_out(&self.wish.piece.of(&view, None, self.job)?),
        }
    }

    /// The first letter that is one of those, whether it is there already or comes.
    async fn wait(&mut self, query: &LetterQuery) -> Result<(PickedHead, Vec<u8>)> {
        let mut came = Vec::new();
        let looking = look(&mut self.pickup, query, &mut came);
        match tokio::time::timeout(self.wish.within, looking).await {
            Ok(found) => found,
            Err(_) => Err(nothing_came(query, self.wish.within, &came)),
        }
    }
}

async fn look(
    pickup: &mut Pickup,
    query: &LetterQuery,
    came: &mut Vec<PickedHead>,
) -> Result<(PickedHead, Vec<u8>)> {
    let mut seen: HashSet<String> = HashSet::new();
    loop {
        let mut names = pickup.names(WAITED).await?;
        names.reverse();
        for mut name in names {
            if !seen.insert(name.uid.clone()) {
                continue;
            }
            let letter = pickup.letter(name.number).await?;
            let view = LetterView::read(letter);
            if query.is_met_by(&view) {
                name.size = view.raw().len() as u64;
                name.head = view.head().to_vec();
                return Ok((name, view.raw().to_vec()));
            }
            came.push(PickedHead { head: view.head().to_vec(), ..name });
        }
        pickup.until_news(PAUSE).await?;
    }
}

fn nothing_came(query: &LetterQuery, within: Duration, came: &[PickedHead]) -> Error {
    let time = show_duration(within);
    let text = format!("no letter {} came within {time}", query.as_text());
    let mut error = Error::new(Kind::TimedOut, text);
    error = match came.len() {
        0 => error.why("no other came, either"),
        _ => error.why("these did:"),
    };
    for head in came.iter().rev().take(TOLD) {
        let field = |name| field_of(&head.head, name).unwrap_or_default();
        let (to, subject) = (field("to"), field("subject"));
        let to = if to.is_empty() { "nobody" } else { &to };
        let subject = if subject.is_empty() { "without a subject" } else { &subject };
        error = error.why(format!("to {to}: {subject}"));
    }
    error.try_flag("--within 30s", "to wait longer")
}

/// Writes a letter as a file of a folder, under a name that is a file's whatever the server says. The path.
async fn save(
    folder: &Path,
    head: &PickedHead,
    letter: &[u8],
    may_replace: bool,
) -> Result<String> {
    let name = folder.join(file_name(&head.uid, head.number)).to_string_lossy().into_owned();
    let (folder, letter, path) = (folder.to_owned(), letter.to_vec(), name.clone());
    let written = thread::run("save", move || {
        if let Err(error) = fs::create_dir(&folder)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(failed("mkdir", &folder.to_string_lossy(), &error));
        }
        let (mut place, mut file) = BodyFile::open(&path, may_replace, "--save")?;
        file.write_all(&letter).map_err(|error| failed("write", &path, &error))?;
        place.finish()
    });
    written.await??;
    Ok(name)
}

/// `12.eml`: of a name that a server says, what may stand in the name of a file.
fn file_name(uid: &str, number: u32) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let stem: String = uid.chars().take(LONGEST_NAME).map(plain).collect();
    if stem.is_empty() { format!("letter-{number}.eml") } else { format!("{stem}.eml") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_server_says_where_a_letter_is_written() {
        for (uid, name) in [
            ("12", "12.eml"),
            ("", "letter-3.eml"),
            ("../../etc/passwd", "______etc_passwd.eml"),
            ("/dev/null", "_dev_null.eml"),
            (".bashrc\0", "_bashrc_.eml"),
            ("a\x1b[31m\u{202e}", "a__31m_.eml"),
        ] {
            assert_eq!(file_name(uid, 3), name, "{uid:?}");
        }
        assert!(file_name(&"x".repeat(300), 1).len() < 100);
    }
}
