//! What a client asks for.

use super::MAX_COMMAND;
use super::fault::{SmtpFault, bad};
use super::parameter::{self, MailParameters, Parameter, RcptParameters};
use super::path::{Mailbox, Scan, forward_path};

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpCommand {
    /// `HELO` with the name that the client gives itself.
    Helo(String),
    /// `EHLO` with the same.
    Ehlo(String),
    /// `MAIL FROM:`.
    Mail {
        /// Who sends; none: `<>`, as reports of deliveries have it.
        from: Option<Mailbox>,
        /// What is said of the letter.
        parameters: MailParameters,
    },
    /// `RCPT TO:`.
    Rcpt {
        /// For whom.
        to: Mailbox,
        /// What is said of the delivery.
        parameters: RcptParameters,
    },
    /// `DATA`.
    Data,
    /// `BDAT` (RFC 3030).
    Bdat {
        /// Bytes that follow.
        size: u64,
        /// Whether the letter ends with them.
        is_last: bool,
    },
    /// `RSET`.
    Rset,
    /// `VRFY`.
    Vrfy,
    /// `EXPN`.
    Expn,
    /// `HELP`.
    Help,
    /// `NOOP`.
    Noop,
    /// `QUIT`.
    Quit,
    /// `STARTTLS` (RFC 3207).
    StartTls,
    /// `AUTH` (RFC 4954).
    Auth {
        /// The mechanism: `PLAIN`.
        mechanism: String,
        /// The initial response, as it was written.
        initial: Option<String>,
    },
    /// The first line of an HTTP request: some program takes us for a web server, and a page may have made it do so.
    Http,
}

impl SmtpCommand {
    /// Reads a line, without its end.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, SmtpFault> {
        if let Some(at) = line.iter().position(u8::is_ascii_control) {
            return Err(SmtpFault::new(500, "5.5.2", "a control character stands here").at(at));
        }
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(SmtpFault::new(500, "5.5.2", "a command is ASCII, or UTF-8 in addresses"));
        };
        // RFC 5321 section 4.1.1: blank space at the end is to be tolerated.
        let text = line.trim_end_matches(' ');
        let mut scan = Scan { text, at: 0 };
        let verb = scan.take(|c| c.is_ascii_alphanumeric()).to_ascii_uppercase();
        if text.len() > MAX_COMMAND && verb != "AUTH" {
            return Err(TOO_LONG);
        }
        let is_alone = scan.rest().is_empty();
        let is_verb = is_alone || scan.peek() == Some(' ');
        let alone = |command: SmtpCommand| {
            if is_alone {
                Ok(command)
            } else {
                Err(bad("nothing belongs behind it").at(verb.len()))
            }
        };
        match verb.as_str() {
            _ if !is_verb => Err(UNKNOWN),
            "HELO" => name(&mut scan).map(SmtpCommand::Helo),
            "EHLO" => name(&mut scan).map(SmtpCommand::Ehlo),
            "MAIL" => mail(&mut scan),
            "RCPT" => rcpt(&mut scan),
            "DATA" => alone(SmtpCommand::Data),
            "BDAT" => bdat(&mut scan),
            "RSET" => alone(SmtpCommand::Rset),
            "VRFY" | "EXPN" if is_alone => Err(bad("whom? A name belongs behind it")),
            "VRFY" => Ok(SmtpCommand::Vrfy),
            "EXPN" => Ok(SmtpCommand::Expn),
            "HELP" => Ok(SmtpCommand::Help),
            "NOOP" => Ok(SmtpCommand::Noop),
            "QUIT" => alone(SmtpCommand::Quit),
            "STARTTLS" => alone(SmtpCommand::StartTls),
            "AUTH" => auth(&mut scan),
            _ if is_http(text) => Ok(SmtpCommand::Http),
            _ => Err(UNKNOWN),
        }
    }
}

/// No command is so long.
pub(super) const TOO_LONG: SmtpFault = SmtpFault::new(500, "5.5.2", "the line is too long");
pub(super) const ENDLESS: SmtpFault = SmtpFault::new(421, "4.7.0", "the line has no end").fatal();

const UNKNOWN: SmtpFault = SmtpFault::new(500, "5.5.1", "there is no such command");

/// `GET / HTTP/1.1`.
fn is_http(line: &str) -> bool {
    let mut words = line.split(' ');
    let (method, _, version) = (words.next(), words.next(), words.next());
    let is_method = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    method.is_some_and(is_method) && version.is_some_and(|version| version.starts_with("HTTP/"))
}

/// What a client calls itself. Any word will do, as clients behind odd host names are many.
fn name(scan: &mut Scan<'_>) -> Result<String, SmtpFault> {
    scan.eat(" ");
    let name = scan.rest();
    if name.is_empty() {
        return Err(bad("your name belongs behind it, as in EHLO me.test"));
    }
    if name.contains(' ') || name.len() > 255 {
        return Err(bad("a name is one word of at most 255 bytes").at(scan.at));
    }
    Ok(name.to_owned())
}

fn mail(scan: &mut Scan<'_>) -> Result<SmtpCommand, SmtpFault> {
    if !scan.eat(" FROM:") {
        return Err(bad("it is MAIL FROM:<address>").at(scan.at));
    }
    // One space there is what many clients send; two are no address.
    scan.eat(" ");
    let (from, parameters) = parameter::mail(scan)?;
    Ok(SmtpCommand::Mail { from, parameters })
}

fn rcpt(scan: &mut Scan<'_>) -> Result<SmtpCommand, SmtpFault> {
    if !scan.eat(" TO:") {
        return Err(bad("it is RCPT TO:<address>").at(scan.at));
    }
    scan.eat(" ");
    let (to, mut parameters) = (forward_path(scan)?, RcptParameters::default());
    while let Some(parameter) = Parameter::next(scan)? {
        parameters.read(&parameter)?;
    }
    Ok(SmtpCommand::Rcpt { to, parameters })
}

/// Where the size cannot be read, nobody knows where the next command begins.
fn bdat(scan: &mut Scan<'_>) -> Result<SmtpCommand, SmtpFault> {
    let wrong = bad("it is BDAT and a number of bytes, with LAST behind the last").fatal();
    scan.eat(" ");
    let size = scan.take(|c| c.is_ascii_digit());
    let size: u64 = size.parse().map_err(|_| wrong)?;
    let is_last = scan.eat(" LAST");
    if scan.rest().is_empty() { Ok(SmtpCommand::Bdat { size, is_last }) } else { Err(wrong) }
}

fn auth(scan: &mut Scan<'_>) -> Result<SmtpCommand, SmtpFault> {
    scan.eat(" ");
    let mechanism = scan.take(|c| c.is_ascii_alphanumeric() || "-_".contains(c)).to_owned();
    if mechanism.is_empty() {
        return Err(bad("a mechanism belongs behind it, as in AUTH PLAIN"));
    }
    if scan.rest().is_empty() {
        return Ok(SmtpCommand::Auth { mechanism, initial: None });
    }
    let initial = scan.rest().strip_prefix(' ').filter(|initial| !initial.contains(' '));
    let initial = initial.ok_or(bad("one word of base64 belongs behind the mechanism"))?;
    Ok(SmtpCommand::Auth { mechanism, initial: Some(initial.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<SmtpCommand, (u16, &'static str)> {
        SmtpCommand::parse(line.as_bytes()).map_err(|fault| (fault.code, fault.status))
    }

    #[test]
    fn commands_are_read_in_any_case_with_their_arguments() {
        assert_eq!(parse("ehlo [127.0.0.1]"), Ok(SmtpCommand::Ehlo("[127.0.0.1]".to_owned())));
        assert_eq!(parse("Data  "), Ok(SmtpCommand::Data));
        assert_eq!(parse("bdat 0 last"), Ok(SmtpCommand::Bdat { size: 0, is_last: true }));
        assert_eq!(parse("NOOP what ever"), Ok(SmtpCommand::Noop));
        assert_eq!(parse("POST / HTTP/1.1"), Ok(SmtpCommand::Http));
        let auth = |initial: Option<&str>| SmtpCommand::Auth {
            mechanism: "PLAIN".to_owned(),
            initial: initial.map(str::to_owned),
        };
        assert_eq!(parse("AUTH PLAIN"), Ok(auth(None)));
        assert_eq!(parse("AUTH PLAIN ="), Ok(auth(Some("="))));
        assert_eq!(parse(&format!("AUTH PLAIN {}", "A".repeat(8_000))).map(drop), Ok(()));
        let line = "MAIL FROM:<a@b> SIZE=9 body=8bitmime SMTPUTF8 RET=HDRS ENVID=x+3Dy AUTH=<>";
        let Ok(SmtpCommand::Mail { from, parameters }) = parse(line) else { panic!("{line}") };
        assert_eq!(from.map(|from| from.to_string()).as_deref(), Some("a@b"));
        assert_eq!(
            parameters,
            MailParameters {
                size: Some(9),
                body: Some(super::super::TextKind::EightBit),
                is_utf8: true,
                auth: Some("<>".to_owned()),
                returns_headers: Some(true),
                envelope_id: Some("x+3Dy".to_owned()),
            }
        );
        let line = "RCPT TO: <a@b> NOTIFY=success,DELAY ORCPT=rfc822;c+2Bd@e";
        let Ok(SmtpCommand::Rcpt { parameters, .. }) = parse(line) else { panic!("{line}") };
        let notify = parameters.notify.expect("it is given");
        assert!(notify.success && notify.delay && !notify.failure);
        assert_eq!(parameters.original.as_deref(), Some("rfc822;c+2Bd@e"));
    }

    #[test]
    fn what_is_no_command_is_refused_with_the_code_of_its_kind() {
        for (code, line) in [
            (500, ""),
            (500, " NOOP"),
            (500, "NOOPS"),
            (500, "NOOP\0"),
            (500, "DA\rTA"),
            (500, "GET"),
            (500, "<a@b>"),
            (501, "EHLO"),
            (501, "EHLO a b"),
            (501, "HELO "),
            (501, "MAIL"),
            (501, "MAIL <a@b>"),
            (501, "MAIL FROM a@b"),
            (501, "MAIL FROM:a@b"),
            (501, "MAIL FROM:  <a@b>"),
            (501, "MAIL FROM:<a@b>SIZE=9"),
            (501, "MAIL FROM:<a@b>  SIZE=9"),
            (501, "MAIL FROM:<a@b> SIZE"),
            (501, "MAIL FROM:<a@b> SIZE="),
            (501, "MAIL FROM:<a@b> SIZE=+9"),
            (501, "MAIL FROM:<a@b> SIZE=9 SIZE=9"),
            (501, "MAIL FROM:<a@b> SIZE=9=9"),
            (501, "MAIL FROM:<a@b> BODY=BINARYMIME"),
            (501, "MAIL FROM:<a@b> SMTPUTF8=yes"),
            (501, "MAIL FROM:<a@b> RET=ALL"),
            (501, "MAIL FROM:<a@b> ENVID=+3d"),
            (501, "MAIL FROM:<a@b> AUTH=x"),
            (555, "MAIL FROM:<a@b> X"),
            (555, "MAIL FROM:<a@b> NOTIFY=NEVER"),
            (501, "RCPT TO:<>"),
            (501, "RCPT TO: <>"),
            (501, "RCPT TO:  <a@b>"),
            (501, "RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS"),
            (501, "RCPT TO:<a@b> NOTIFY=SUCCESS NOTIFY=FAILURE"),
            (501, "RCPT TO:<a@b> ORCPT=a@b"),
            (555, "RCPT TO:<a@b> SIZE=9"),
            (501, "DATA x"),
            (501, "RSET x"),
            (501, "QUIT x"),
            (501, "STARTTLS foo"),
            (501, "VRFY"),
            (501, "AUTH"),
            (501, "AUTH PLAIN a b"),
        ] {
            assert_eq!(parse(line).map_err(|fault| fault.0), Err(code), "{line:?}");
        }
        assert_eq!(SmtpCommand::parse(b"NOOP \xff").map_err(|fault| fault.code), Err(500));
        assert_eq!(parse(&format!("NOOP {}", "x".repeat(MAX_COMMAND))), Err((500, "5.5.2")));
    }

    #[test]
    fn behind_a_bdat_without_a_size_nothing_is_a_command() {
        for line in ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 2", "BDAT 1 LASTS", "BDAT 1LAST"] {
            let fault = SmtpCommand::parse(line.as_bytes()).expect_err(line);
            assert!(fault.is_fatal && fault.code == 501, "{line}: {fault:?}");
        }
        let large = SmtpCommand::parse(b"BDAT 18446744073709551616").expect_err("past all bounds");
        assert!(large.is_fatal);
    }
}
