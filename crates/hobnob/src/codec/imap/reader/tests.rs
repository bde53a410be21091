//! Commands are read the same at every split, and nothing that a literal holds is ever a command.

use proptest::prelude::*;

use super::*;
use crate::codec::imap::{FetchItem, ImapCommand, SearchKey, SectionText, StoreMode};
use crate::codec::mime::PartPlace;

/// What was read, and what was held at most.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Input(String),
    Letter(Vec<u8>),
}

/// Reads all, cut at these places. Letters of up to 100 bytes are taken.
fn read(all: &[u8], splits: &[usize]) -> Vec<Seen> {
    let (mut reader, mut seen, mut letter, mut from) =
        (ImapReader::default(), Vec::new(), Vec::new(), 0);
    for end in splits.iter().copied().chain([all.len()]) {
        let mut bytes = &all[from..end];
        from = end;
        loop {
            let input = match reader.next(&mut bytes) {
                None => break,
                Some(ImapInput::Letter(text)) => {
                    letter.extend_from_slice(text);
                    continue;
                }
                Some(input) => input,
            };
            match &input {
                ImapInput::Append { size, .. } if *size <= 100 => reader.accept(),
                ImapInput::Append { .. } => {
                    let is_well = reader.refuse(1_000);
                    seen.push(Seen::Input(format!("refused {is_well}")));
                }
                ImapInput::LetterEnd(_) => seen.push(Seen::Letter(std::mem::take(&mut letter))),
                ImapInput::Request(Ok(ImapRequest { command: ImapCommand::Idle, .. })) => {
                    reader.expect_line();
                }
                _ => {}
            }
            let shown = match &input {
                ImapInput::Request(Ok(request)) => {
                    format!("{} {}", request.tag, word(&request.command))
                }
                other => format!("{other:?}"),
            };
            seen.push(Seen::Input(shown));
        }
        assert!(bytes.is_empty(), "all is read");
        assert!(reader.held() <= 4 * MAX_BEFORE_LOGIN, "{} bytes are held", reader.held());
    }
    seen
}

fn word(command: &ImapCommand) -> String {
    match command {
        ImapCommand::Login { name, password } => format!("LOGIN {name} {password}"),
        ImapCommand::Noop => "NOOP".to_owned(),
        ImapCommand::Idle => "IDLE".to_owned(),
        ImapCommand::Select { mailbox, .. } => format!("SELECT {mailbox}"),
        other => format!("{other:?}"),
    }
}

fn inputs(all: &str) -> Vec<String> {
    let whole = read(all.as_bytes(), &[]);
    for split in 0..all.len() {
        assert_eq!(read(all.as_bytes(), &[split]), whole, "{all:?} at {split}");
    }
    let each: Vec<_> = (0..all.len()).collect();
    assert_eq!(read(all.as_bytes(), &each), whole, "{all:?} byte by byte");
    whole
        .into_iter()
        .map(|seen| match seen {
            Seen::Input(input) => input,
            Seen::Letter(letter) => format!("letter {:?}", String::from_utf8_lossy(&letter)),
        })
        .collect()
}

#[test]
fn commands_and_literals_are_read_at_every_split() {
    assert_eq!(inputs("a NOOP\r\n\r\nb noop\n"), ["a NOOP", "b NOOP"]);
    assert_eq!(
        inputs("a LOGIN {2}\r\nli {4+}\r\na}\r\n\r\nb NOOP\r\n"),
        ["Continue", "a LOGIN li a}\r\n", "b NOOP"]
    );
    assert_eq!(inputs("a LOGIN \"a\\\"b{3}\" c\r\n"), ["a LOGIN a\"b{3} c"]);
    assert_eq!(
        inputs("a SELECT inBox\r\nb IDLE\r\ndOnE\r\nc NOOP\r\n"),
        ["a SELECT INBOX", "b IDLE", "Line(\"dOnE\")", "c NOOP",]
    );
}

#[test]
fn a_letter_is_handed_on_and_one_that_is_refused_is_passed_over() {
    let head = "head: AppendHead { mailbox: \"INBOX\", flags: [\"\\\\Seen\", \"x\"], date: Some(\" 5-Nov-2026 10:00:00 +0100\") }";
    assert_eq!(
        inputs(
            "a APPEND inbox (\\Seen x) \" 5-Nov-2026 10:00:00 +0100\" {9+}\r\nb NOOP\r\n\n\r\nc NOOP\r\n"
        ),
        [
            format!("Append {{ tag: \"a\", {head}, size: 9, waits: false }}"),
            "letter \"b NOOP\\r\\n\\n\"".to_owned(),
            "LetterEnd(Ok(()))".to_owned(),
            "c NOOP".to_owned(),
        ]
    );
    let inputs_of = |text: &str| {
        inputs(text).into_iter().filter(|i| !i.starts_with("Append")).collect::<Vec<_>>()
    };
    assert_eq!(
        inputs_of("a APPEND {1+}\r\nx {2}\r\nhi\r\n"),
        ["letter \"hi\"", "LetterEnd(Ok(()))"]
    );
    let large = format!("a APPEND x {{200+}}\r\n{}\r\nc NOOP\r\n", "b NOOP\r\n".repeat(25));
    assert_eq!(inputs_of(&large), ["refused true", "c NOOP"]);
    assert_eq!(inputs_of("a APPEND x {200}\r\nc NOOP\r\n"), ["refused true", "c NOOP"]);
    assert_eq!(inputs_of("a APPEND x {99999999999999999999+}\r\nc NOOP\r\n"), ["refused false"]);
    let behind = inputs_of("a APPEND x {1+}\r\ny z\r\nc NOOP\r\n");
    assert!(behind[1].contains("nothing belongs behind"), "{behind:?}");
    let more = inputs_of("a APPEND x {1+}\r\ny {3+}\r\nb NOOP\r\n");
    assert_eq!(more, ["Fatal(\"one letter at a time\")"]);
    let joined = large.replace("\r\nc NOOP", "c NOOP");
    assert_eq!(inputs_of(&joined), ["refused true"], "what stands behind the letter is no command");
}

#[test]
fn case_34_what_is_too_large_is_refused_before_it_is_held() {
    assert_eq!(inputs("a LOGIN {9999999999}\r\nb NOOP\r\n"), ["TooBig(Some(\"a\"))", "b NOOP"]);
    for fatal in ["a LOGIN {99999999999999999999+}\r\nb NOOP\r\n", "a LOGIN {5000+}\r\nb NOOP\r\n"]
    {
        let seen = inputs(fatal);
        assert!(seen.len() == 1 && seen[0].starts_with("Fatal"), "{seen:?}");
    }
    let flood = format!("a SEARCH{}", " {1+}\r\nx".repeat(100));
    assert!(
        read(flood.as_bytes(), &[])
            .iter()
            .any(|seen| matches!(seen, Seen::Input(i) if i.starts_with("Fatal")))
    );
    let long = format!("a {}\r\nb NOOP\r\n", "x".repeat(MAX_BEFORE_LOGIN));
    assert_eq!(
        read(long.as_bytes(), &[]),
        [Seen::Input("Fatal(\"the command is too long\")".to_owned())]
    );
    let parse = |text: &str| ImapRequest::parse(text.as_bytes());
    for deep in ["(", "NOT ", "OR ALL "] {
        let search = |depth| {
            format!(
                "a SEARCH {}ALL{}",
                deep.repeat(depth),
                if deep == "(" { ")".repeat(depth) } else { String::new() }
            )
        };
        assert!(parse(&search(8)).is_ok(), "{deep}");
        assert!(parse(&search(100_000)).is_err(), "{deep}");
    }
    let set =
        format!("a FETCH {} UID", (1..9_000).map(|n| n.to_string()).collect::<Vec<_>>().join(","));
    assert!(parse(&set).is_ok());
    assert!(
        parse("a FETCH *:4294967295 UID").is_ok() && parse("a FETCH *:4294967296 UID").is_err()
    );
}

#[test]
fn what_is_wrong_is_told_with_its_tag_and_place() {
    for (text, tag, at) in [
        ("a", Some("a"), 2),
        ("a NOPE", Some("a"), 3),
        ("a NOOP x", Some("a"), 7),
        ("+ NOOP", None, 1),
        ("x FETCH 1 BODY[HEADR]", Some("x"), 16),
        ("x FETCH 1 BODY[0]", Some("x"), 17),
        ("x FETCH 1 BODY[1.]", Some("x"), 18),
        ("x FETCH 1 BODY[]<0.0>", Some("x"), 21),
        ("x FETCH 0 UID", Some("x"), 9),
        ("x UID NOOP", Some("x"), 3),
        ("x STORE 1 FLAG x", Some("x"), 11),
        ("x SEARCH FOO", Some("x"), 10),
        ("x SEARCH BEFORE 31-Foo-2026", Some("x"), 17),
        ("x STATUS a (FOO)", Some("x"), 13),
        ("x LOGIN a", Some("x"), 10),
        ("x SELECT \"a", Some("x"), 10),
    ] {
        let fault = ImapRequest::parse(text.as_bytes()).expect_err(text);
        assert_eq!((fault.tag.as_deref(), fault.at), (tag, at), "{text}: {fault:?}");
    }
    let http = ImapRequest::parse(b"GET / HTTP/1.1").expect("known");
    assert!(http.command == ImapCommand::Http);
}

#[test]
fn the_arguments_of_commands_are_read() {
    let parse = |text: &str| ImapRequest::parse(text.as_bytes()).expect(text).command;
    let ImapCommand::Fetch { is_uid: true, items, .. } = parse(
        "a UID FETCH 1:* (FLAGS BODY.PEEK[1.2.HEADER.FIELDS.NOT (To \"Cc\")]<5.10> RFC822.TEXT BODY)",
    ) else {
        panic!("a fetch")
    };
    let fields = SectionText::Fields(vec!["To".to_owned(), "Cc".to_owned()], false);
    assert_eq!(items[0], FetchItem::Flags);
    assert_eq!(
        items[1],
        FetchItem::Section {
            name: "BODY[1.2.HEADER.FIELDS.NOT (TO \"CC\")]".to_owned(),
            path: vec![1, 2],
            text: fields,
            partial: Some((5, 10)),
            is_peek: true,
        }
    );
    let whole = |text| SectionText::Place(text);
    assert!(matches!(&items[2], FetchItem::Section { name, text, is_peek: false, .. }
        if name == "RFC822.TEXT" && *text == whole(PartPlace::Text)));
    assert_eq!(items[3], FetchItem::Structure { is_extended: false });
    let full = parse("a FETCH 1 full");
    assert!(matches!(full, ImapCommand::Fetch { items, .. } if items.len() == 5));
    assert!(matches!(parse("a STORE 1 -FLAGS.SILENT (\\Deleted)"),
        ImapCommand::Store { mode: StoreMode::Remove, is_silent: true, flags, .. } if flags == ["\\Deleted"]));
    assert!(
        matches!(parse("a STORE 1 FLAGS x y"), ImapCommand::Store { flags, .. } if flags.len() == 2)
    );
    let search = parse(
        "a SEARCH RETURN (MIN COUNT) CHARSET UTF-8 OR (FROM li NOT SEEN) 1:3 SINCE 5-Nov-2026",
    );
    let ImapCommand::Search { results, charset, keys: SearchKey::And(keys), .. } = search else {
        panic!()
    };
    assert_eq!(
        (results.map(|r| r.len()), charset.as_deref(), keys.len()),
        (Some(2), Some("UTF-8"), 2)
    );
    assert!(
        matches!(parse("a LIST (SUBSCRIBED) \"\" (% \"*\") RETURN (STATUS (MESSAGES) CHILDREN)"),
        ImapCommand::List { patterns, results, .. } if patterns == ["%", "*"] && results[0] == "STATUS MESSAGES")
    );
    assert!(
        matches!(parse("a LIST \"\" \"\""), ImapCommand::List { patterns, .. } if patterns == [""])
    );
    assert!(
        matches!(parse("a CREATE x (USE (\\Sent))"), ImapCommand::Create { special, .. } if special == ["\\Sent"])
    );
    assert!(
        parse("a ID (\"name\" NIL)") == ImapCommand::Id && parse("a ID NIL") == ImapCommand::Id
    );
    assert!(
        matches!(parse("a AUTHENTICATE PLAIN ="), ImapCommand::Authenticate { initial, .. } if initial.as_deref() == Some("="))
    );
    assert!(matches!(
        parse("a UID MOVE 1 Trash"),
        ImapCommand::Copy { is_uid: true, is_move: true, .. }
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn any_input_is_read_the_same_however_it_is_cut(
        pieces in proptest::collection::vec(prop_oneof![
            8 => proptest::sample::select(vec![
                &b"\r\n"[..], b"\n", b"\r", b"a ", b"NOOP", b"LOGIN ", b"{3}\r\n", b"{3+}\r\n", b"{0}", b"abc", b"(", b")", b"\"", b"\\",
                b" ", b"APPEND x ", b"{5+}\r\nhello\r\n", b"{200+}\r\n", b"IDLE\r\n", b"DONE\r\n", b"FETCH 1:* BODY[", b"]",
                b"SEARCH OR NOT (", b"<0.1>", b"\0", b"\xff", b"{99999999999}\r\n", b"a NOOP\r\n",
            ]).prop_map(<[u8]>::to_vec),
            1 => proptest::collection::vec(any::<u8>(), 0..6),
        ], 0..24),
        first in any::<proptest::sample::Index>(),
        second in any::<proptest::sample::Index>(),
    ) {
        let all = pieces.concat();
        let mut splits = [first.index(all.len() + 1), second.index(all.len() + 1)];
        splits.sort_unstable();
        prop_assert_eq!(read(&all, &splits), read(&all, &[]));
    }
}
