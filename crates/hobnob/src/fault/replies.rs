//! Replies on purpose of a server of mail: at which of its answers each comes.

use super::answer::{AnswerAct, Answering};
use super::{Claims, FaultRow, MadeFault};
use crate::error::{Error, Kind, Result};
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

/// Every reply on purpose, in the order of a letter: those of SMTP, and what is answered to who fetches it.
pub static REPLIES: &[&FaultRow] = &[
    &CONN,
    &EHLO,
    &HIDE,
    &STARTTLS,
    &AUTH,
    &MAIL,
    &RCPT,
    &DATA,
    &DOT,
    &POP3_PASS,
    &POP3_RETR,
    &POP3_QUIT,
    &IMAP_LOGIN,
    &IMAP_SELECT,
    &IMAP_FETCH,
];

/// Bytes of a text at most: a reply's line has 512 (RFC 5321 section 4.5.3.1.5).
const LONGEST: usize = 480;

/// One answer that may be another: its name, what it is an answer to, what that shows, what is said instead, and an example.
macro_rules! stage {
    ($name:literal, $summary:literal, $advice:literal, $saying:ident, examples: $examples:expr,) => {
        FaultRow {
            spec: Spec {
                name: $name,
                summary: $summary,
                options: &[
                    OptionSpec {
                        name: $name,
                        kind: ValueKind::Named($saying.value),
                        default: "",
                        help: $saying.help,
                    },
                    OptionSpec {
                        name: "hold",
                        kind: ValueKind::Duration,
                        default: "",
                        help: "how long nothing is said, as in 3s; then the usual, or what is given",
                    },
                    OptionSpec {
                        name: "drop",
                        kind: ValueKind::Flag,
                        default: "",
                        help: "closes without an answer",
                    },
                ],
                examples: $examples,
                is_built_in: true,
            },
            advice: $advice,
            shapes: Shape::ALL,
            stands_alone: true,
            is_before_the_dial: false,
            claims: CLAIMS,
            instead: &[],
            make: |options, _| said($name, options, $saying.read).map(MadeFault::Answer),
        }
    };
}

/// What is said instead of an answer, in the words of a protocol.
struct Saying {
    value: &'static str,
    help: &'static str,
    read: fn(&str, &str) -> Result<AnswerAct>,
}

const CODE: Saying = Saying {
    value: "CODE TEXT",
    help: "what is said, and nothing else is done; 400 to 599",
    read: reply,
};
const NO_OR_BAD: Saying = Saying {
    value: "NO TEXT",
    help: "what is said, and nothing else is done: NO or BAD, and why",
    read: |name, text| refusal(name, text, &["NO", "BAD"]),
};
const ERR: Saying = Saying {
    value: "-ERR TEXT",
    help: "what is said, and nothing else is done: -ERR, and why",
    read: |name, text| refusal(name, text, &["-ERR"]),
};

/// They change what is said, and no byte on its way.
const CLAIMS: Claims = Claims { lossless: false, keeps_order: true, keeps_boundaries: true };

static CONN: FaultRow = stage!(
    "conn",
    "the greeting; then the conn ends",
    "A server that is too busy: does the client come again, and when?",
    CODE,
    examples: &["hobnob serve mail --reply 'conn=421,for=2'"],
);
static EHLO: FaultRow = stage!(
    "ehlo",
    "the answer to EHLO",
    "A server of 1982: is HELO tried, and the letter sent without extensions?",
    CODE,
    examples: &["hobnob serve mail --reply ehlo=502"],
);
static HIDE: FaultRow = FaultRow {
    spec: Spec {
        name: "hide",
        summary: "extensions that EHLO does not tell of",
        options: &[OptionSpec {
            name: "hide",
            kind: ValueKind::Named("WORD+WORD"),
            default: "",
            help: "their names",
        }],
        examples: &["hobnob serve mail --reply hide=STARTTLS+PIPELINING"],
        is_built_in: true,
    },
    advice: "Somebody in the middle who takes STARTTLS away: is the letter sent in clear text?",
    shapes: Shape::ALL,
    stands_alone: true,
    is_before_the_dial: false,
    claims: CLAIMS,
    instead: &[],
    make: |options, _| hidden(options).map(MadeFault::Answer),
};
static STARTTLS: FaultRow = stage!(
    "starttls",
    "the answer to STARTTLS",
    "TLS that is offered and not there: is that an error, or is the letter sent in clear text?",
    CODE,
    examples: &["hobnob serve mail --reply starttls=454"],
);
static AUTH: FaultRow = stage!(
    "auth",
    "the answer to a right password; a pattern looks at the name",
    "A login that fails for now (454) or for good (535).",
    CODE,
    examples: &["hobnob serve mail --reply auth=454,for=1"],
);
static MAIL: FaultRow = stage!(
    "mail",
    "the answer to MAIL; a pattern looks at the address",
    "A limit on how much one may send: a real one with after=100/min.",
    CODE,
    examples: &["hobnob serve mail --reply mail=421,after=100/min"],
);
static RCPT: FaultRow = stage!(
    "rcpt",
    "the answer to RCPT; a pattern looks at the address",
    "An address that is not there (550), or greylisting (450,for=2).",
    CODE,
    examples: &["hobnob serve mail --reply 'rcpt=550 5.1.1 no such user,on=/^nobody@/'"],
);
static DATA: FaultRow = stage!(
    "data",
    "the answer to DATA, or a first BDAT; a pattern: who sends",
    "A server that has changed its mind after all addresses were good.",
    CODE,
    examples: &["hobnob serve mail --reply data=451,for=2"],
);
static DOT: FaultRow = stage!(
    "dot",
    "the answer to the letter; a pattern looks at its headers",
    "dot,drop keeps the letter and does not say so: is it sent again? Then it is there twice.",
    CODE,
    examples: &["hobnob serve mail --reply dot,drop"],
);

static POP3_PASS: FaultRow = stage!(
    "pop3.pass",
    "POP3: to a right password; a pattern looks at the name",
    "A box that another client has open: is it tried again?",
    ERR,
    examples: &["hobnob serve mail --reply 'pop3.pass=-ERR [IN-USE] try later,for=2'"],
);
static POP3_RETR: FaultRow = stage!(
    "pop3.retr",
    "POP3: to RETR; a pattern looks at the number",
    "A letter that cannot be read: are the others fetched, and is this one left there?",
    ERR,
    examples: &["hobnob serve mail --reply 'pop3.retr=-ERR,on=/^2$/'"],
);
static POP3_QUIT: FaultRow = stage!(
    "pop3.quit",
    "POP3: to QUIT, before anything is deleted",
    "A conn that is lost at the end: are letters fetched again that were not deleted?",
    ERR,
    examples: &["hobnob serve mail --reply pop3.quit,drop"],
);
static IMAP_LOGIN: FaultRow = stage!(
    "imap.login",
    "IMAP: to a right password; a pattern looks at the name",
    "A login that is not possible for now, or with BAD a server that does not understand.",
    NO_OR_BAD,
    examples: &["hobnob serve mail --reply 'imap.login=NO [UNAVAILABLE] try later,for=1'"],
);
static IMAP_SELECT: FaultRow = stage!(
    "imap.select",
    "IMAP: to SELECT and EXAMINE; a pattern looks at the box",
    "A box that has gone while the client was away.",
    NO_OR_BAD,
    examples: &["hobnob serve mail --reply 'imap.select=NO [NONEXISTENT] gone,on=/^Archive$/'"],
);
static IMAP_FETCH: FaultRow = stage!(
    "imap.fetch",
    "IMAP: to FETCH; a pattern looks at the box",
    "A server whose disk is slow (hold=3s) or gone (NO) once the list is there.",
    NO_OR_BAD,
    examples: &["hobnob serve mail --reply imap.fetch=NO,when=10%"],
);

fn said(
    name: &str,
    options: &Options,
    read: fn(&str, &str) -> Result<AnswerAct>,
) -> Result<Answering> {
    let hold = options.duration("hold");
    let act = match (options.text(name), options.flag("drop")) {
        (Some(text), false) => Some(read(name, text)?),
        (None, true) => Some(AnswerAct::Drop),
        (None, false) => None,
        (Some(_), true) => {
            let wrong = format!("{name} is answered or dropped, and not both");
            return Err(Error::expecting(Kind::BadOption, &wrong, "without drop"));
        }
    };
    if act.is_none() && hold.is_none() {
        let wrong = format!("{name} says not what is to happen");
        let expected =
            format!("as in {name},hold=3s or {name},drop, or what is said behind {name}=");
        return Err(Error::expecting(Kind::BadOption, &wrong, &expected));
    }
    Ok(Answering { hold: hold.unwrap_or_default(), act })
}

fn reply(name: &str, text: &str) -> Result<AnswerAct> {
    let bad = |expected: &str| {
        let wrong = format!("{name} does not take {text:?}");
        Err(Error::expecting(Kind::BadOption, &wrong, expected))
    };
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let code = code.parse().ok().filter(|number| code.len() == 3 && (400..=599).contains(number));
    let Some(code) = code else {
        return bad("a refusal has a code from 400 to 599, as in 450 or 550 5.1.1 no such user");
    };
    if rest.len() > LONGEST || rest.contains(|c: char| c.is_control()) {
        return bad("its text is one line of at most 480 bytes");
    }
    let text = match rest {
        "" => format!("{}.0.0 answered on purpose: {name}={code}", code / 100),
        rest => rest.to_owned(),
    };
    Ok(AnswerAct::Say { code, text })
}

/// A refusal without a code, as its first word says.
fn refusal(name: &str, text: &str, words: &[&'static str]) -> Result<AnswerAct> {
    let bad = |expected: &str| {
        let wrong = format!("{name} does not take {text:?}");
        Err(Error::expecting(Kind::BadOption, &wrong, expected))
    };
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    let Some(word) = words.iter().find(|word| word.eq_ignore_ascii_case(first)) else {
        let all = words.join(" or ");
        return bad(&format!("a refusal begins with {all}, as in {} not now", words[0]));
    };
    if rest.len() > LONGEST || rest.contains(|c: char| c.is_control()) {
        return bad("its text is one line of at most 480 bytes");
    }
    let text = match rest {
        "" => format!("answered on purpose: {name}={word}"),
        rest => rest.to_owned(),
    };
    Ok(AnswerAct::Refuse { word, text })
}

fn hidden(options: &Options) -> Result<Answering> {
    let words = options.text("hide").unwrap_or_default().to_ascii_uppercase();
    let words: Vec<String> = words.split('+').map(str::to_owned).collect();
    if words.iter().any(String::is_empty) {
        let expected = "as in hide=STARTTLS or hide=STARTTLS+PIPELINING";
        return Err(Error::expecting(
            Kind::BadOption,
            "hide needs the names of extensions",
            expected,
        ));
    }
    Ok(Answering { hold: std::time::Duration::ZERO, act: Some(AnswerAct::Hide(words)) })
}
