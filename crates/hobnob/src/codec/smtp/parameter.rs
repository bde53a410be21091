//! What may stand behind the address of MAIL and RCPT.

use super::fault::{SmtpFault, bad};
use super::path::{Mailbox, Scan, reverse_path};

/// What MAIL says of its letter.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE=`: bytes that the letter will have (RFC 1870).
    pub size: Option<u64>,
    /// `BODY=` (RFC 6152).
    pub body: Option<TextKind>,
    /// `SMTPUTF8`: addresses and headers may hold UTF-8 (RFC 6531).
    pub is_utf8: bool,
    /// `AUTH=`: who first handed the letter in, as xtext (RFC 4954 section 5).
    pub auth: Option<String>,
    /// `RET=HDRS` (true) or `RET=FULL`: what a report of its delivery is to hold (RFC 3461 section 4.3).
    pub returns_headers: Option<bool>,
    /// `ENVID=`, as xtext (RFC 3461 section 4.4).
    pub envelope_id: Option<String>,
}

/// The bytes that a letter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// `7BIT`: ASCII.
    SevenBit,
    /// `8BITMIME`.
    EightBit,
}

/// What RCPT says of its recipient.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RcptParameters {
    /// `NOTIFY=` (RFC 3461 section 4.1).
    pub notify: Option<Notify>,
    /// `ORCPT=`: whom the letter was first for, as `rfc822;` and xtext (RFC 3461 section 4.2).
    pub original: Option<String>,
}

/// When the sender wants to be told of a delivery; none of the three: `NEVER`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// Once it succeeded.
    pub success: bool,
    /// When it failed.
    pub failure: bool,
    /// When it takes long.
    pub delay: bool,
}

impl MailParameters {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        *self == MailParameters::default()
    }

    /// Reads one parameter: its name, and its value, where it has one, with its place.
    pub(super) fn read(&mut self, parameter: &Parameter<'_>) -> Result<(), SmtpFault> {
        let value = parameter.value.ok_or(parameter.bad("a value belongs behind it, as in SIZE=9"));
        match parameter.name.to_ascii_uppercase().as_str() {
            "SIZE" => {
                let is_number = |text: &str| (1..=20).contains(&text.len()) && is_digits(text);
                let size = value?;
                let size = is_number(size).then(|| size.parse().unwrap_or(u64::MAX));
                parameter.set(&mut self.size, size.ok_or(parameter.bad("SIZE takes digits alone"))?)
            }
            "BODY" => {
                let kind = match value?.to_ascii_uppercase().as_str() {
                    "7BIT" => TextKind::SevenBit,
                    "8BITMIME" => TextKind::EightBit,
                    _ => return Err(parameter.bad("BODY is 7BIT or 8BITMIME")),
                };
                parameter.set(&mut self.body, kind)
            }
            "SMTPUTF8" if parameter.value.is_some() => Err(parameter.bad("SMTPUTF8 has no value")),
            "SMTPUTF8" if self.is_utf8 => Err(parameter.bad("it is given twice")),
            "SMTPUTF8" => {
                self.is_utf8 = true;
                Ok(())
            }
            "AUTH" => {
                let mailbox = unxtext(value?).ok_or(parameter.bad("AUTH= is no xtext"))?;
                if mailbox != "<>" && Mailbox::parse(&mailbox).is_err() {
                    return Err(parameter.bad("AUTH= is an address in xtext, or <>"));
                }
                parameter.set(&mut self.auth, mailbox)
            }
            "RET" => {
                let is_headers = match value?.to_ascii_uppercase().as_str() {
                    "HDRS" => true,
                    "FULL" => false,
                    _ => return Err(parameter.bad("RET is FULL or HDRS")),
                };
                parameter.set(&mut self.returns_headers, is_headers)
            }
            "ENVID" => {
                let id = value?;
                if id.len() > 100 || unxtext(id).is_none() {
                    return Err(parameter.bad("ENVID is an xtext of at most 100 bytes"));
                }
                parameter.set(&mut self.envelope_id, id.to_owned())
            }
            _ => Err(parameter.unknown()),
        }
    }
}

impl RcptParameters {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        *self == RcptParameters::default()
    }

    pub(super) fn read(&mut self, parameter: &Parameter<'_>) -> Result<(), SmtpFault> {
        let value = parameter.value.ok_or(parameter.bad("a value belongs behind it"));
        match parameter.name.to_ascii_uppercase().as_str() {
            "NOTIFY" => {
                let notify = notify(value?);
                let wrong = "NOTIFY is NEVER alone, or of SUCCESS, FAILURE and DELAY";
                parameter.set(&mut self.notify, notify.ok_or(parameter.bad(wrong))?)
            }
            "ORCPT" => {
                let original = value?;
                let is_one = original.len() <= 500
                    && original.split_once(';').is_some_and(|(kind, address)| {
                        let is_of_one = |c: char| c.is_ascii_alphanumeric() || c == '-';
                        !kind.is_empty()
                            && kind.chars().all(is_of_one)
                            && unxtext(address).is_some()
                    });
                if !is_one {
                    return Err(parameter.bad("ORCPT is rfc822; and an address in xtext"));
                }
                parameter.set(&mut self.original, original.to_owned())
            }
            _ => Err(parameter.unknown()),
        }
    }
}

fn notify(value: &str) -> Option<Notify> {
    let mut notify = Notify::default();
    if value.eq_ignore_ascii_case("never") {
        return Some(notify);
    }
    for word in value.split(',') {
        let wanted = match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        *wanted = true;
    }
    Some(notify)
}

/// One parameter, and where in its command it stands.
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    pub(super) value: Option<&'a str>,
    pub(super) at: usize,
}

impl<'a> Parameter<'a> {
    /// The next one behind a space; none at the end of the command.
    pub(super) fn next(scan: &mut Scan<'a>) -> Result<Option<Self>, SmtpFault> {
        if scan.rest().is_empty() {
            return Ok(None);
        }
        if !scan.eat(" ") {
            return Err(bad("a space belongs between an address and a parameter").at(scan.at));
        }
        let at = scan.at;
        let name = scan.take(|c| c.is_ascii_alphanumeric() || c == '-');
        if name.is_empty() || name.starts_with('-') {
            return Err(bad("a parameter belongs here, behind one space").at(at));
        }
        let value = scan.eat("=").then(|| scan.take(|c| !c.is_whitespace() && c != '='));
        Ok(Some(Parameter { name, value, at }))
    }

    fn bad(&self, what: &'static str) -> SmtpFault {
        bad(what).at(self.at)
    }

    fn unknown(&self) -> SmtpFault {
        SmtpFault::new(555, "5.5.4", "nobody knows this parameter").at(self.at)
    }

    fn set<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), SmtpFault> {
        if slot.replace(value).is_some() { Err(self.bad("it is given twice")) } else { Ok(()) }
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What an xtext says (RFC 3461 section 4): `+3D` is `=`. None where it is none.
fn unxtext(text: &str) -> Option<String> {
    let (mut said, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => {
                let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
                let hex = rest.get(..2).filter(|hex| hex.iter().all(is_hex))?;
                said.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
                rest = &rest[2..];
            }
            b'!'..=b'~' if *first != b'=' => said.push(*first),
            _ => return None,
        }
    }
    String::from_utf8(said).ok()
}

/// The path and the parameters of MAIL, behind `FROM:`.
pub(super) fn mail(scan: &mut Scan<'_>) -> Result<(Option<Mailbox>, MailParameters), SmtpFault> {
    let (from, mut parameters) = (reverse_path(scan)?, MailParameters::default());
    while let Some(parameter) = Parameter::next(scan)? {
        parameters.read(&parameter)?;
    }
    Ok((from, parameters))
}
