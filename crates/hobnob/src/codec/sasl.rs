//! SASL (RFC 4422), as the three protocols of mail carry it: the mechanisms PLAIN (RFC 4616) and LOGIN, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of a line of an exchange at most (RFC 4954 section 4).
pub const MAX_RESPONSE: usize = 12_288;

/// The mechanisms that there are, as they are offered.
pub const MECHANISMS: &[&str] = &["PLAIN", "LOGIN"];

/// The side that is logged in to. It is given the peer's responses, and says what to challenge with.
#[derive(Debug)]
pub struct SaslServer {
    stage: SaslStage,
}

#[derive(Debug)]
enum SaslStage {
    Plain,
    LoginName,
    LoginPassword(String),
}

/// What comes next in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub enum SaslStep {
    /// The peer is to be sent this, which is base64 already and may be empty.
    Challenge(&'static str),
    /// The peer has said who it is.
    Done(Login),
    /// The peer gave up, with `*`.
    Cancelled,
    /// What the peer sent is not base64, or not what the mechanism asks for.
    Malformed(&'static str),
}

/// A name and a password, which nobody has checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Login({:?})", self.name) // a password is in no log
    }
}

impl SaslServer {
    /// An exchange by this mechanism, in any case; none where the mechanism is not known.
    pub fn of(mechanism: &str) -> Option<Self> {
        let stage = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => SaslStage::Plain,
            "LOGIN" => SaslStage::LoginName,
            _ => return None,
        };
        Some(SaslServer { stage })
    }

    /// Begins: with the initial response, as it stood behind the mechanism (`=` is an empty one), or without.
    pub fn begin(&mut self, initial: Option<&str>) -> SaslStep {
        match (initial, &self.stage) {
            (Some("="), _) => self.take(b""),
            (Some(initial), _) => self.respond(initial),
            (None, SaslStage::Plain) => SaslStep::Challenge(""),
            (None, _) => SaslStep::Challenge(NAME),
        }
    }

    /// Takes a line of the peer, without its end.
    pub fn respond(&mut self, line: &str) -> SaslStep {
        if line == "*" {
            return SaslStep::Cancelled;
        }
        match STANDARD.decode(line) {
            Ok(bytes) => self.take(&bytes),
            Err(_) => SaslStep::Malformed("that is not base64"),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> SaslStep {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return SaslStep::Malformed("names and passwords are UTF-8");
        };
        match &mut self.stage {
            SaslStage::Plain => plain(text),
            SaslStage::LoginName => {
                self.stage = SaslStage::LoginPassword(text.to_owned());
                SaslStep::Challenge(PASSWORD)
            }
            SaslStage::LoginPassword(name) => {
                SaslStep::Done(Login { name: std::mem::take(name), password: text.to_owned() })
            }
        }
    }
}

/// `Username:` and `Password:` in base64, as all clients of LOGIN expect them.
const NAME: &str = "VXNlcm5hbWU6";
const PASSWORD: &str = "UGFzc3dvcmQ6";

/// Whom to act for, which may be empty, whose name, and the password (RFC 4616 section 2).
fn plain(text: &str) -> SaslStep {
    let mut parts = text.split('\0');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(name), Some(password), None) if !name.is_empty() => {
            SaslStep::Done(Login { name: name.to_owned(), password: password.to_owned() })
        }
        _ => SaslStep::Malformed("PLAIN is an empty name, a name and a password, with NUL between"),
    }
}

/// What a client says for PLAIN.
pub fn plain_response(login: &Login) -> String {
    STANDARD.encode(format!("\0{}\0{}", login.name, login.password))
}

/// What a client says where it is challenged in LOGIN: for its name, and for its password.
pub fn login_responses(login: &Login) -> [String; 2] {
    [STANDARD.encode(&login.name), STANDARD.encode(&login.password)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(name: &str, password: &str) -> SaslStep {
        SaslStep::Done(Login { name: name.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn plain_comes_with_and_without_an_initial_response() {
        let us = Login { name: "li".to_owned(), password: "p:\u{fc}".to_owned() };
        let response = plain_response(&us);
        let mut server = SaslServer::of("plain").expect("it is known");
        assert_eq!(server.begin(Some(&response)), done("li", "p:\u{fc}"));
        assert_eq!(server.begin(None), SaslStep::Challenge(""));
        assert_eq!(server.respond(&response), done("li", "p:\u{fc}"));
        assert_eq!(server.respond("*"), SaslStep::Cancelled);
        for wrong in ["", "=", "bGk", "bGk=", "AGxpAHAA", "AABw", "/w==", "AGxp AHA=", "%"] {
            let step = server.respond(wrong);
            assert!(matches!(step, SaslStep::Malformed(_)), "{wrong:?}: {step:?}");
        }
        assert!(SaslServer::of("CRAM-MD5").is_none());
    }

    #[test]
    fn login_asks_for_a_name_and_then_for_a_password() {
        let us = Login { name: "li".to_owned(), password: String::new() };
        let [name, password] = login_responses(&us);
        let mut server = SaslServer::of("LOGIN").expect("it is known");
        assert_eq!(server.begin(None), SaslStep::Challenge(NAME));
        assert_eq!(server.respond(&name), SaslStep::Challenge(PASSWORD));
        assert_eq!(server.respond(&password), done("li", ""));
        let mut server = SaslServer::of("LOGIN").expect("it is known");
        assert_eq!(server.begin(Some(&name)), SaslStep::Challenge(PASSWORD));
    }
}
