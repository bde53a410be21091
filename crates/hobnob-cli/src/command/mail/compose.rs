//! The letter that is sent, and its envelope: from flags, or as it is in a file.

use std::path::Path;

use hobnob::codec::mime::{
    Attached, Composition, EnvelopeAddress, LetterView, fields, kind_of_file,
};
use hobnob::codec::smtp::{Mailbox, SmtpEnvelope};
use hobnob::error::{Error, Kind, Result};
use hobnob::post::LetterStamp;
use hobnob::{files, streams};

use crate::advice::Propose as _;
use crate::args;
use crate::job::Job;

/// Bytes that a letter may have: it is held in memory.
const MAX_LETTER: u64 = 256 << 20;
/// Nobody, as bounces are sent.
const NOBODY: &str = "<>";

/// A letter that is ready to leave.
pub(super) struct ReadyLetter {
    pub(super) envelope: SmtpEnvelope,
    pub(super) bytes: Vec<u8>,
    pub(super) subject: String,
}

impl ReadyLetter {
    pub(super) fn read(job: &Job) -> Result<Self> {
        match job.text("eml") {
            Some(file) => Self::as_it_is(job, file),
            None => Self::made(job),
        }
    }

    /// What the envelope says in place of the fields, where flags say so.
    fn as_it_is(job: &Job, file: &str) -> Result<Self> {
        let made_of = ["subject", "text", "html", "attach", "header"];
        if let Some(other) = made_of.iter().find(|flag| !job.texts(flag).is_empty()) {
            let text = format!("--eml sends a letter as it is, so --{other} would change nothing");
            return Err(Error::new(Kind::Usage, text).try_command("hobnob mail -h", ""));
        }
        let mut bytes = read_bytes(file)?;
        let view = LetterView::read(bytes.clone());
        let subject = view.field("subject").unwrap_or_default();
        let from = match job.text("from") {
            Some(from) => sender(from)?,
            None => match listed(view.head(), &["from"]).first() {
                Some(from) => Some(mailbox("From", from)?),
                None => return Err(nobody_sends()),
            },
        };
        let mut to = recipients(job)?;
        if to.is_empty() {
            let named = listed(view.head(), &["to", "cc", "bcc"]);
            to = named.iter().map(|to| mailbox("To", to)).collect::<Result<_>>()?;
            // Who was named in secret stays a secret, as sendmail -t keeps it.
            bytes = without_bcc(&bytes, view.head().len());
        }
        if to.is_empty() {
            return Err(for_nobody());
        }
        Ok(ReadyLetter { envelope: SmtpEnvelope::of(from, to, &bytes), bytes, subject })
    }

    fn made(job: &Job) -> Result<Self> {
        let from = job.text("from").ok_or_else(nobody_sends)?;
        let to = recipients(job)?;
        if to.is_empty() {
            return Err(for_nobody());
        }
        let stamp = LetterStamp::now(job.clock);
        let subject = job.text("subject").unwrap_or_default().to_owned();
        let mut fields = vec![("Date".to_owned(), stamp.date)];
        if from != NOBODY {
            fields.push(("From".to_owned(), from.to_owned()));
        }
        for (flag, name) in [("to", "To"), ("cc", "Cc")] {
            let all = job.texts(flag);
            if !all.is_empty() {
                fields.push((name.to_owned(), all.join(", ")));
            }
        }
        if job.text("subject").is_some() {
            fields.push(("Subject".to_owned(), subject.clone()));
        }
        fields.push(("Message-ID".to_owned(), stamp.id));
        for field in job.texts("header") {
            let Some((name, value)) = field.split_once(':') else {
                let error =
                    args::bad_value("--header", &field, "it takes a name, a colon and a value");
                return Err(error.try_flag("-H X-Kind: test", "for one"));
            };
            let (name, value) = (name.trim(), value.trim());
            // A field of the person's own stands in for ours.
            fields.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
            if !value.is_empty() {
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
        let files = job.texts("attach").iter().map(|file| attached(file)).collect::<Result<_>>()?;
        let composition = Composition {
            fields,
            text: job.text("text").map(read_text).transpose()?,
            html: job.text("html").map(read_text).transpose()?,
            files,
            boundary: stamp.boundary,
        };
        let bytes = composition
            .write()
            .map_err(|why| Error::new(Kind::BadOption, why).try_command("hobnob help mail", ""))?;
        if bytes.len() as u64 > MAX_LETTER {
            return Err(too_large());
        }
        let from = sender(from)?;
        Ok(ReadyLetter { envelope: SmtpEnvelope::of(from, to, &bytes), bytes, subject })
    }
}

fn nobody_sends() -> Error {
    let error = Error::new(Kind::Usage, "who sends the letter? --from is missing");
    error.try_flag("--from app@test", "").try_flag("--from <>", "nobody, as bounces are sent")
}

fn for_nobody() -> Error {
    Error::new(Kind::Usage, "whom is the letter for? --to is missing").try_flag("--to li@test", "")
}

fn too_large() -> Error {
    Error::new(Kind::MessageTooLong, "a letter is larger than 256 MiB: it is held in memory")
}

fn sender(text: &str) -> Result<Option<Mailbox>> {
    if text.trim() == NOBODY {
        return Ok(None);
    }
    let all = Composition::addresses(text);
    match all.as_slice() {
        [one] => mailbox("--from", one).map(Some),
        _ => Err(args::bad_value("--from", text, "it takes one address")),
    }
}

fn recipients(job: &Job) -> Result<Vec<Mailbox>> {
    let mut all: Vec<Mailbox> = Vec::new();
    for flag in ["to", "cc", "bcc"] {
        for list in job.texts(flag) {
            for one in Composition::addresses(&list) {
                let one = mailbox(&format!("--{flag}"), &one)?;
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
    }
    Ok(all)
}

fn mailbox(said: &str, text: &str) -> Result<Mailbox> {
    Mailbox::parse(text).map_err(|fault| {
        let error = args::bad_value(said, text, fault.what);
        match fault.at.checked_sub(1) {
            Some(at) if at <= text.len() && text.is_char_boundary(at) => {
                error.at(text, at..(at + 1).min(text.len()).max(at), fault.what)
            }
            _ => error,
        }
    })
}

/// The addresses in fields of a head, as they are.
fn listed(head: &[u8], names: &[&str]) -> Vec<String> {
    let is_one =
        |name: &[u8]| names.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    let text = |part: Option<Vec<u8>>| part.map(|part| String::from_utf8_lossy(&part).into_owned());
    fields(head)
        .filter(|field| is_one(field.name))
        .flat_map(|field| EnvelopeAddress::list(field.value))
        // The beginning and the end of a group are nobody.
        .filter_map(|one| Some(format!("{}@{}", local_part(&text(one.mailbox)?), text(one.host)?)))
        .collect()
}

/// What stands before the @, in quotes where it has to be.
fn local_part(text: &str) -> String {
    let is_plain =
        |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn without_bcc(letter: &[u8], head: usize) -> Vec<u8> {
    let (mut out, mut kept) = (Vec::with_capacity(letter.len()), 0);
    for field in fields(&letter[..head]).filter(|field| field.name.eq_ignore_ascii_case(b"bcc")) {
        out.extend_from_slice(&letter[kept..field.at.0]);
        kept = field.at.1;
    }
    out.extend_from_slice(&letter[kept..]);
    out
}

/// `TEXT`, `@FILE`, `@-`.
fn read_text(text: &str) -> Result<String> {
    let Some(file) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    String::from_utf8(read_bytes(file)?).map_err(|_| {
        Error::new(Kind::InvalidUtf8, format!("{file} is not UTF-8"))
            .try_flag(format!("--attach {file}"), "as a file behind the letter")
    })
}

fn attached(file: &str) -> Result<Attached> {
    let bytes = read_bytes(file)?;
    let name = Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Attached { kind: kind_of_file(&name).to_owned(), name, bytes })
}

fn read_bytes(file: &str) -> Result<Vec<u8>> {
    match file {
        "-" => files::read_from(streams::stdin(), "standard input", MAX_LETTER),
        file => files::read(Path::new(file), MAX_LETTER),
    }
}
