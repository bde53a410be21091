//! Letters that are looked at where they lie: the door of IMAP, command by command and session beside session.

use hobnob::engine::{Server, parse};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::stage::{Stage, soon};

fn serve(options: &[(&str, &str)]) -> Stage {
    let mut server = Server::new("mail").expect("it is built in");
    for (name, value) in options {
        server.set(name, Some(value)).expect("an option");
    }
    server.door("imap", &parse("tcp://127.0.0.1:0").expect("an endpoint")).expect("a door");
    Stage::start(server).expect("it starts")
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// A client that has read the greeting.
    async fn of(stage: &Stage) -> Self {
        let stream = TcpStream::connect(stage.address_of(0)).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        let mut client = Client(BufReader::new(stream));
        assert!(client.line().await.starts_with("* OK [CAPABILITY IMAP4rev1 "));
        client
    }

    /// A client that has logged in and opened the box.
    async fn inside(stage: &Stage) -> Self {
        let mut client = Client::of(stage).await;
        client.says("LOGIN li x", "OK").await;
        client.says("SELECT INBOX", "OK [READ-WRITE]").await;
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.0.read_line(&mut line)).await.expect("text");
        line
    }

    /// Says a command, and expects that its end begins so; what came before the end.
    async fn says(&mut self, text: &str, end: &str) -> String {
        self.0.write_all(format!("t {text}\r\n").as_bytes()).await.expect("it is open");
        let mut before = String::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "{text:?}: the end behind {before:?}");
            if let Some(said) = line.strip_prefix("t ") {
                assert!(said.starts_with(end), "{text:?}: {said:?} and not {end}");
                return before;
            }
            before.push_str(&line);
        }
    }

    /// Puts a letter into the box; what came before the end.
    async fn append(&mut self, letter: &str) -> String {
        let text = format!("APPEND INBOX {{{}+}}\r\n{letter}", letter.len());
        self.says(&text, "OK [APPENDUID ").await
    }

    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        soon("the end", self.0.read_to_string(&mut rest)).await.expect("text");
        rest
    }
}

const LETTER: &str = "Subject: one\r\n\r\nhello\r\n";

#[tokio::test]
async fn what_is_answered_on_purpose_is_not_done() {
    let stage = serve(&[
        ("reply", "imap.login=NO [UNAVAILABLE] later,on=/^busy$/,for=1"),
        ("reply", "imap.select=NO [NONEXISTENT] gone,on=/^Archive$/"),
        ("reply", "imap.fetch=BAD,for=1"),
        ("reply", "imap.login,drop,on=/^nobody$/"),
    ]);
    let mut client = Client::of(&stage).await;
    client.says("LOGIN busy x", "NO [UNAVAILABLE] later").await;
    client.says("SELECT INBOX", "BAD first log in").await;
    client.says("LOGIN busy x", "OK").await;
    client.append(LETTER).await;
    client.says("CREATE Archive", "OK").await;
    client.says("SELECT INBOX", "OK").await;
    client.says("FETCH 1 BODY[]", "BAD answered on purpose: imap.fetch=BAD").await;
    let flags = client.says("FETCH 1 FLAGS", "OK").await;
    assert!(!flags.contains("Seen"), "{flags}");
    client.says("SELECT Archive", "NO [NONEXISTENT] gone").await;
    client.says("FETCH 1 BODY[TEXT]", "OK").await;
    let mut client = Client::of(&stage).await;
    client.0.write_all(b"t LOGIN nobody x\r\n").await.expect("it is open");
    assert_eq!(client.rest().await, "", "it closes without an answer");
}

#[tokio::test]
async fn refusals_on_purpose_are_no_mistakes_and_mistakes_beside_them_are() {
    for (reply, before, command, end) in [
        ("imap.login=BAD", "", "LOGIN li x", "BAD answered on purpose"),
        ("imap.login=BAD", "", "AUTHENTICATE PLAIN AGxpAHg=", "BAD answered on purpose"),
        ("imap.login=NO", "", "LOGIN li x", "NO answered on purpose"),
        ("imap.select=BAD", "LOGIN li x", "SELECT INBOX", "BAD answered on purpose"),
        ("imap.fetch=BAD", "LOGIN li x", "FETCH 1 FLAGS", "BAD answered on purpose"),
    ] {
        let stage = serve(&[("reply", reply)]);
        let mut client = Client::of(&stage).await;
        if !before.is_empty() {
            client.says(before, "OK").await;
        }
        for _ in 0..30 {
            client.says(command, end).await;
        }
        for _ in 0..19 {
            client.says("FROBNICATE", "BAD").await;
        }
        client.says(command, end).await;
        client.says("FROBNICATE", "BAD").await;
        assert_eq!(client.rest().await, "* BYE too many mistakes\r\n", "{reply}, {command}");
    }
}

#[tokio::test]
async fn each_command_does_what_it_says() {
    let stage = serve(&[]);
    let mut client = Client::of(&stage).await;
    for early in ["SELECT INBOX", "LIST \"\" *", "IDLE", "APPEND INBOX {3+}\r\nabc"] {
        client.says(early, "BAD").await;
    }
    client.says("LOGIN li x", "OK [CAPABILITY IMAP4rev1").await;
    client.append(LETTER).await;
    client.append(LETTER).await;
    for (command, said, end) in [
        ("CAPABILITY", "* CAPABILITY IMAP4rev1 ", "OK"),
        ("NOOP", "", "OK"),
        ("ID NIL", "* ID (\"name\" \"hobnob\")\r\n", "OK"),
        ("ENABLE X", "* ENABLED\r\n", "OK"),
        ("NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n", "OK"),
        ("FETCH 1 FLAGS", "", "BAD"),
        ("SELECT nowhere", "", "NO [NONEXISTENT]"),
        ("SELECT INBOX", "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n", "OK"),
        ("CREATE a/b", "", "OK"),
        (
            "LIST \"\" %",
            "* LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* LIST (\\Noselect \\HasChildren) \"/\" \"a\"\r\n",
            "OK",
        ),
        ("RENAME a/b Sent", "", "OK"),
        ("LIST \"\" Sent", "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"\r\n", "OK"),
        ("SUBSCRIBE Sent", "", "OK"),
        ("LSUB \"\" *", "* LSUB () \"/\" \"Sent\"\r\n", "OK"),
        ("UNSUBSCRIBE Sent", "", "OK"),
        ("COPY 1 Sent", "", "OK [COPYUID "),
        ("COPY 1 nowhere", "", "NO [TRYCREATE]"),
        ("STATUS Sent (MESSAGES UIDNEXT)", "* STATUS \"Sent\" (MESSAGES 1 UIDNEXT 2)\r\n", "OK"),
        ("DELETE Sent", "", "OK"),
        ("DELETE INBOX", "", "NO"),
        ("FETCH 1 (UID RFC822.SIZE)", "* 1 FETCH (UID 1 RFC822.SIZE 23)\r\n", "OK"),
        (
            "FETCH 1 BODY[TEXT]<0.2>",
            "* 1 FETCH (BODY[TEXT]<0> {2}\r\nhe FLAGS (\\Seen \\Recent))\r\n",
            "OK",
        ),
        ("UID FETCH 9:* FLAGS", "* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n", "OK"),
        ("FETCH 3 FLAGS", "", "BAD"),
        ("SEARCH UNSEEN", "* SEARCH 2\r\n", "OK"),
        ("UID SEARCH RETURN (COUNT) ALL", "* ESEARCH (TAG \"t\") UID COUNT 2\r\n", "OK"),
        ("STORE 1 +FLAGS.SILENT \\Deleted", "", "OK"),
        (
            "STORE 2 FLAGS ($A)",
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $A)\r\n",
            "OK",
        ),
        ("CHECK", "", "OK"),
        ("UID EXPUNGE 2", "", "OK"),
        ("EXPUNGE", "* 1 EXPUNGE\r\n", "OK"),
        ("MOVE 1 INBOX", "* OK [COPYUID ", "OK"),
        ("RENAME INBOX old", "* 1 EXPUNGE\r\n", "OK"),
        ("STATUS old (MESSAGES)", "* STATUS \"old\" (MESSAGES 1)\r\n", "OK"),
        ("STATUS INBOX (MESSAGES)", "* STATUS \"INBOX\" (MESSAGES 0)\r\n", "OK"),
        ("SELECT old", "* FLAGS ", "OK"),
        ("UNSELECT", "", "OK"),
        ("EXAMINE old", "* FLAGS ", "OK [READ-ONLY]"),
        ("STORE 1 FLAGS \\Seen", "", "NO [READ-ONLY]"),
        ("CLOSE", "", "OK"),
        ("LOGOUT", "* BYE\r\n", "OK"),
    ] {
        let before = client.says(command, end).await;
        let is_right = if said.is_empty() { before.is_empty() } else { before.starts_with(said) };
        assert!(is_right, "{command}: {before:?}");
    }
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_dialogue_is_the_same_wherever_it_is_cut() {
    let stage = serve(&[("keep", "1")]);
    let dialogue = "a LOGIN {2+}\r\nli x\r\nb APPEND INBOX (\\Seen) {5+}\r\nhello\r\nc IDLE\r\nDONE\r\nd LOGOUT\r\n";
    for cut in 0..dialogue.len() {
        let mut client = Client::of(&stage).await;
        let (first, second) = dialogue.split_at(cut);
        client.0.write_all(first.as_bytes()).await.expect("it is open");
        tokio::task::yield_now().await;
        client.0.write_all(second.as_bytes()).await.expect("it is open");
        let said = client.rest().await;
        let words: Vec<_> = said
            .lines()
            .map(|line| line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(words, ["a OK", "b OK", "+ idling", "c OK", "* BYE", "d OK"], "{cut}: {said}");
    }
}

#[tokio::test]
async fn what_one_session_does_another_is_told_when_its_numbers_may_shift() {
    let stage = serve(&[]);
    let mut one = Client::inside(&stage).await;
    for _ in 0..3 {
        one.append(LETTER).await;
    }
    let mut two = Client::inside(&stage).await;
    one.says("STORE 1 +FLAGS (\\Deleted $New)", "OK").await;
    let told = two.says("FETCH 2 UID", "OK").await;
    assert!(
        told.contains("$New)\r\n") && told.contains("* 1 FETCH (UID 1 FLAGS (\\Deleted $New))"),
        "{told}"
    );
    one.says("EXPUNGE", "OK").await;
    for kept in ["FETCH 2 UID", "STORE 3 +FLAGS \\Seen", "SEARCH ALL"] {
        let told = two.says(kept, "OK").await;
        assert!(!told.contains("EXPUNGE"), "{kept}: {told}");
    }
    two.says("FETCH 1 BODY.PEEK[]", "OK [EXPUNGEISSUED]").await;
    assert_eq!(
        two.says("UID FETCH 2 FLAGS", "OK").await,
        "* 2 FETCH (UID 2 FLAGS ())\r\n* 1 EXPUNGE\r\n"
    );
    // One that is idle is told at once.
    two.0.write_all(b"t IDLE\r\n").await.expect("it is open");
    assert_eq!(two.line().await, "+ idling\r\n");
    let told = [one.append(LETTER).await, two.line().await + &two.line().await];
    assert!(told.iter().all(|told| told.contains("* 3 EXISTS\r\n")), "{told:?}");
    // The new letter is recent for one of the two alone, whichever is told of it first (RFC 3501, section 2.3.2). The two
    // that stayed are so for the one that brought them.
    let recent = |told: &String| {
        let count = |line: &str| line.strip_prefix("* ")?.strip_suffix(" RECENT")?.parse().ok();
        told.lines().find_map(count)
    };
    let recent: Vec<Option<u32>> = told.iter().map(recent).collect();
    assert!(recent == [Some(3), Some(0)] || recent == [Some(2), Some(1)], "{told:?}");
    two.0.write_all(b"done\r\n").await.expect("it is open");
    assert!(two.line().await.starts_with("t OK"));
}

#[tokio::test]
async fn a_large_letter_comes_whole_to_a_slow_reader_and_a_large_one_goes_in() {
    let stage = serve(&[("size", "3m")]);
    let mut client = Client::inside(&stage).await;
    let letter = format!("Subject: large\r\n\r\n{}", "0123456789abcd\r\n".repeat(150_000));
    client.append(&letter).await;
    let told = client.says("FETCH 1 BODY.PEEK[]", "OK").await;
    assert!(
        told == format!("* 1 FETCH (BODY[] {{{}}}\r\n{letter})\r\n", letter.len()),
        "{}",
        told.len()
    );
    client.says("APPEND INBOX {9999999}", "NO [TOOBIG]").await;
    client.says("NOOP", "OK").await;
}

#[tokio::test]
async fn case_39_who_is_idle_is_told_that_the_server_goes_away() {
    let stage = serve(&[]);
    let mut client = Client::inside(&stage).await;
    client.0.write_all(b"t IDLE\r\n").await.expect("it is open");
    assert_eq!(client.line().await, "+ idling\r\n");
    stage.running.drain();
    assert!(client.rest().await.starts_with("* BYE"));
}

#[tokio::test]
async fn boxes_flags_and_subscriptions_last_longer_than_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = [("dir", folder.path().to_str().expect("text"))];
    let stage = serve(&options);
    let mut client = Client::inside(&stage).await;
    client.append(LETTER).await;
    client.says("STORE 1 FLAGS ($Kept \\Flagged)", "OK").await;
    client.says("CREATE &ZeVnLIqe-", "OK").await;
    client.says("SUBSCRIBE &ZeVnLIqe-", "OK").await;
    client.says("COPY 1 &ZeVnLIqe-", "OK [COPYUID").await;
    let before = client.says("STATUS &ZeVnLIqe- (UIDVALIDITY UIDNEXT)", "OK").await;
    client.says("LOGOUT", "OK").await;
    stage.running.drain();
    soon("the end", stage.running.finished()).await;
    drop(stage);
    let stage = serve(&options);
    let mut client = Client::inside(&stage).await;
    assert_eq!(client.says("STATUS &ZeVnLIqe- (UIDVALIDITY UIDNEXT)", "OK").await, before);
    let told = client.says("FETCH 1 FLAGS", "OK").await;
    assert_eq!(told, "* 1 FETCH (FLAGS (\\Flagged $Kept))\r\n");
    let told = client.says("LSUB \"\" *", "OK").await;
    assert_eq!(told, "* LSUB () \"/\" \"&ZeVnLIqe-\"\r\n");
}
