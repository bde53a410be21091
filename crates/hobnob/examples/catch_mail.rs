//! A test of a program that sends mail: `cargo run --example catch_mail`, and the same as tests below. The program under
//! test speaks SMTP to a place that catches every letter.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

use hobnob::Result;
use hobnob::mail::Sink;

fn main() -> Result<()> {
    let mail = Sink::start()?;
    println!("sent: {:?}", send(mail.smtp(), "li@test", "Reset"));
    let letter = mail.wait_for(|letter| letter.is_to("li@test"))?;
    println!("{letter}\n{}", letter.text());
    println!("its link: {}", letter.link(|url| url.contains("/reset/"))?);
    println!("its code: {}", letter.code(6)?);
    for found in letter.findings() {
        println!("{}: {} ({})", found.slug, found.text, found.source);
    }
    Ok(())
}

/// The program under test: it gives up at the first refusal, which it returns.
fn send(to: SocketAddr, whom: &str, subject: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let letter = format!(
        "From: app@test\r\nSubject: {subject}\r\n\r\nhttps://app.test/reset/7 or 123456\r\n."
    );
    let mut said = lines.next().transpose()?.unwrap_or_default();
    for line in
        ["HELO app", "MAIL FROM:<app@test>", &format!("RCPT TO:<{whom}>"), "DATA", &letter, "QUIT"]
    {
        if !said.starts_with(['2', '3']) {
            break;
        }
        write!(stream, "{line}\r\n")?;
        said = lines.next().transpose()?.unwrap_or_default();
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_letter_is_found_by_what_it_is_and_says_all_of_itself() -> Result<()> {
        let mail = Sink::start()?;
        let before = mail.mark();
        for (whom, subject) in [("li@test", "Hello"), ("wang@test", "Reset"), ("li@test", "Reset")]
        {
            send(mail.smtp(), whom, subject).expect("it answers");
        }
        let reset = |letter: &hobnob::mail::CaughtLetter| {
            letter.is_to("LI@test") && letter.subject() == "Reset"
        };
        let letter = mail.wait_for(reset)?;
        assert_eq!((letter.number(), &*letter.envelope().from), (3, "app@test"));
        assert_eq!(letter.envelope().to, ["li@test"]);
        assert_eq!(letter.link(|url| url.contains("/reset/"))?, "https://app.test/reset/7");
        assert!(
            letter
                .link(|url| url.contains("/other/"))
                .is_err_and(|error| { error.reasons() == ["https://app.test/reset/7"] })
        );
        assert_eq!((letter.code(6)?, letter.code(4).is_err()), ("123456".to_owned(), true));
        assert_eq!(letter.text().trim_end(), "https://app.test/reset/7 or 123456");
        assert_eq!((letter.html(), letter.attachments().len()), (None, 0));
        assert!(letter.sent_bytes().starts_with(b"From: app@test\r\nSubject: Reset\r\n\r\nhttps"));
        assert_eq!(letter.header("from").as_deref(), Some("app@test"));
        assert!(letter.dialogue().contains(&"> RCPT TO:<li@test>".to_owned()));
        assert_eq!(letter.findings()[0].slug, "no-date");
        // It was given to one wait, and is not given to another.
        let error = mail.within(Duration::from_millis(50)).wait_for(reset).expect_err("no other");
        assert_eq!(error.message(), "no such letter came within 50ms");
        assert_eq!(error.reasons().len(), 3, "{:?}", error.reasons());
        assert!(error.reasons()[0].ends_with("Reset (a wait was given it)"));
        assert!(mail.stays_empty(Duration::from_millis(10)).is_err(), "two are there still");
        let after = mail.mark();
        mail.after(after).stays_empty(Duration::from_millis(50))?;
        assert_eq!(mail.after(before).wait_for(|_| true)?.number(), 1);
        Ok(())
    }

    #[test]
    fn a_server_that_is_full_for_now_is_asked_again() -> Result<()> {
        let mail = Sink::start()?;
        mail.replies().turn(&["rcpt=450,for=2"])?;
        let mut tries = 0;
        while !send(mail.smtp(), "li@test", "Hello").expect("it answers").starts_with("221") {
            tries += 1;
        }
        assert_eq!(tries, 2);
        assert_eq!(mail.letters().len(), 1);
        Ok(())
    }
}
