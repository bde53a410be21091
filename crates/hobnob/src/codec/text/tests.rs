//! The cutter, over every split of hard texts and over any bytes at all.

use proptest::prelude::*;

use super::*;

type Said = Vec<(Vec<u8>, &'static [u8])>;

const TEXTS: &[&[u8]] = &[
    "张三".as_bytes(),
    "张三\n李四\r\n王五".as_bytes(),
    "👩‍👩‍👧\né\r\n🎉".as_bytes(),
    b"Michael\r\nTracy\r\n\r\nSarah\r\n",
    b"\n\r\n\r\r\n\n\r",
    b"plain, no newline",
    b"overlong \xC0\xAF\n\xE0\x80\xAF end",
    b"surrogate \xED\xA0\x80\nalone \x80\xBF\n\xF4\x90\x80\x80",
    b"cut \xE5\xBC\ncut \xF0\x9F\x8E",
    b"\xFF\xFE\x00",
    b"",
];

/// Feeds `pieces`, each with the breaks that `breaks` asks for, and finishes.
fn cut(rule: Rule, cap: usize, pieces: &[&[u8]], mut breaks: impl FnMut() -> bool) -> Said {
    let (mut cutter, mut said) = (Cutter::new(rule, cap), Vec::new());
    for piece in pieces {
        feed(&mut cutter, piece, &mut said, &mut breaks).expect("short lines");
    }
    let _ = cutter.finish(|message| note(&mut said, message));
    assert_eq!((cutter.held(), cutter.pending.capacity()), (0, 0));
    said
}

fn feed(
    cutter: &mut Cutter,
    mut rest: &[u8],
    said: &mut Said,
    breaks: &mut impl FnMut() -> bool,
) -> Result<(), TooLong> {
    while !rest.is_empty() {
        let used = cutter.feed(rest, |message| {
            let _ = note(said, message);
            if breaks() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        assert!(used > 0, "a feed always gets on");
        assert!(cutter.held() > 0 || cutter.pending.capacity() == 0, "idle cutters own nothing");
        rest = &rest[used..];
    }
    Ok(())
}

fn note(said: &mut Said, message: Message<'_>) -> ControlFlow<()> {
    said.push((message.body.to_vec(), message.ending));
    ControlFlow::Continue(())
}

fn joined(said: &Said) -> Vec<u8> {
    said.iter().flat_map(|(body, ending)| [body, *ending].concat()).collect()
}

fn bodies(said: &Said) -> Vec<&str> {
    said.iter().map(|(body, _)| std::str::from_utf8(body).expect("whole characters")).collect()
}

fn auto(pieces: &[&str]) -> Said {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    cut(Rule::Auto, LINE_CAP, &pieces, || false)
}

#[test]
fn a_peer_without_newlines_and_one_with_them_are_both_understood() {
    assert_eq!(bodies(&auto(&["Michael", "Tracy", "exit"])), ["Michael", "Tracy", "exit"]);
    let lines = auto(&["Michael\nTra", "cy\r\nSarah", "exit"]);
    assert_eq!(bodies(&lines), ["Michael", "Tracy", "Sarahexit"]);
    assert_eq!(lines.iter().map(|(_, e)| *e).collect::<Vec<_>>(), [&b"\n"[..], b"\r\n", b""]);
    assert_eq!(bodies(&auto(&["a\r", "\nb\n"])), ["a", "b"]);
}

#[test]
fn chunks_are_what_a_recv_would_have_got() {
    let rule = Rule::Chunks { recv: 1_024 };
    let said = cut(rule, LINE_CAP, &[&[b'x'; 3_000], b"y\n"], || true);
    let lengths: Vec<_> = said.iter().map(|(body, _)| body.len()).collect();
    assert_eq!(lengths, [1_024, 1_024, 952, 2]);
}

/// Case 10: the same lines for every split, in one, two or three feeds.
#[test]
fn case_10_lines_are_the_same_for_all_splits() {
    for text in TEXTS {
        let whole = cut(Rule::Lines, LINE_CAP, &[text], || false);
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(cut(Rule::Lines, LINE_CAP, &pieces, || false), whole, "{text:?}");
                assert_eq!(cut(Rule::Lines, LINE_CAP, &pieces, || true), whole, "{text:?}");
            }
        }
    }
}

/// Case 10: wherever the text is split, no message has half a character when the rest comes in time.
#[test]
fn case_10_auto_never_says_half_a_character() {
    for text in TEXTS {
        for at in 0..=text.len() {
            let said = cut(Rule::Auto, LINE_CAP, &[&text[..at], &text[at..]], || false);
            assert_eq!(joined(&said), *text);
            if let Ok(text) = std::str::from_utf8(text) {
                bodies(&said);
                if !text.is_char_boundary(at) && !text.contains('\n') {
                    assert_eq!(bodies(&said), [text], "the message waits whole");
                }
            }
        }
    }
}

#[test]
fn only_what_can_still_become_a_character_waits() {
    for (bytes, tail) in [
        (&b"a"[..], 0),
        (b"\xE5", 1),
        (b"\xE5\xBC", 2),
        (b"\xE5\xBC\xA0", 0),
        (b"x\xF0\x9F\x8E", 3),
        (b"\xC0", 0),
        (b"\xE0\x80", 0),
        (b"\xED\xA0", 0),
        (b"\xF4\x90", 0),
        (b"\x80\x80\x80", 0),
        (b"\xE5\r", 1),
        (b"", 0),
    ] {
        assert_eq!(unfinished(bytes), tail, "{bytes:?}");
    }
}

#[test]
fn what_waits_goes_when_its_time_is_over() {
    let mut cutter = Cutter::new(Rule::Auto, LINE_CAP);
    let mut said = Vec::new();
    feed(&mut cutter, b"\xE5\xBC", &mut said, &mut || false).expect("short");
    assert!(cutter.is_waiting() && said.is_empty());
    let _ = cutter.flush(|message| note(&mut said, message));
    assert!(!cutter.is_waiting());
    feed(&mut cutter, b"\xA0\nunfinished line", &mut said, &mut || false).expect("short");
    assert!(!cutter.is_waiting(), "a line has all the time in the world");
    let _ = cutter.flush(|message| note(&mut said, message));
    assert_eq!(said, [(b"\xE5\xBC".to_vec(), &b""[..]), (b"\xA0".to_vec(), b"\n")]);
}

/// Case 11: a line without an end is refused at the cap, and memory stays at cap and one feed.
#[test]
fn case_11_a_line_ends_at_its_cap() {
    let mut cutter = Cutter::new(Rule::Lines, LINE_CAP);
    let piece = [b'x'; 16_000];
    let mut fed = 0;
    let refused = loop {
        match cutter.feed(&piece, |_| panic!("no line has ended")) {
            Ok(used) => fed += used,
            Err(too_long) => break too_long,
        }
        assert!(cutter.pending.capacity() <= LINE_CAP + 2);
    };
    assert_eq!(refused, TooLong { cap: LINE_CAP });
    assert_eq!((fed, cutter.pending.capacity()), (64_000, 0));
    assert_eq!(refused.to_string(), "a line is at most 65536 bytes here");
}

#[test]
fn case_11_a_line_of_just_the_cap_passes_however_it_comes() {
    for (text, is_fine) in [(&b"1234\r\n"[..], true), (b"1234\n", true), (b"12345\n", false)] {
        for at in 0..=text.len() {
            let (mut cutter, mut said) = (Cutter::new(Rule::Lines, 4), Vec::new());
            let first = feed(&mut cutter, &text[..at], &mut said, &mut || false);
            let both =
                first.and_then(|()| feed(&mut cutter, &text[at..], &mut said, &mut || false));
            assert_eq!(both.is_ok(), is_fine, "{text:?} at {at}");
        }
    }
}

#[test]
fn a_flood_without_newlines_stays_bounded() {
    let mut cutter = Cutter::new(Rule::Auto, 64);
    let mut said = Vec::new();
    let flood = "张".repeat(1_000);
    for piece in flood.as_bytes().chunks(100) {
        feed(&mut cutter, piece, &mut said, &mut || false).expect("no line");
        assert!(cutter.held() <= 64);
    }
    let _ = cutter.finish(|message| note(&mut said, message));
    assert_eq!(bodies(&said).concat(), flood);
}

/// Bytes in which everything that matters is frequent.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"\r\n".to_vec()),
        Just("张".as_bytes().to_vec()),
        Just("🎉".as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn rule() -> impl Strategy<Value = Rule> {
    let chunks = (1usize..8).prop_map(|recv| Rule::Chunks { recv });
    prop_oneof![Just(Rule::Auto), Just(Rule::Lines), chunks]
}

proptest! {
    #[test]
    fn nothing_is_lost_added_or_moved(
        rule in rule(),
        pieces in proptest::collection::vec((bytes(), any::<bool>()), 0..8),
        breaks in proptest::collection::vec(any::<bool>(), 1..8),
    ) {
        let (mut cutter, mut said) = (Cutter::new(rule, LINE_CAP), Vec::new());
        let mut breaks = breaks.iter().cycle().copied();
        for (piece, flushes) in &pieces {
            feed(&mut cutter, piece, &mut said, &mut || breaks.next() == Some(true)).expect("short");
            if *flushes {
                let _ = cutter.flush(|message| note(&mut said, message));
                prop_assert!(!cutter.is_waiting());
            }
        }
        let _ = cutter.finish(|message| note(&mut said, message));
        let fed: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.clone()).collect();
        prop_assert_eq!(joined(&said), fed);
    }

    #[test]
    fn a_break_changes_no_message(
        rule in rule(),
        pieces in proptest::collection::vec(bytes(), 0..8),
        breaks in proptest::collection::vec(any::<bool>(), 1..8),
    ) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let mut breaks = breaks.iter().cycle().copied();
        let broken = cut(rule, LINE_CAP, &pieces, || breaks.next() == Some(true));
        prop_assert_eq!(broken, cut(rule, LINE_CAP, &pieces, || false));
    }

    #[test]
    fn a_small_cap_is_kept_for_all_splits(text in bytes(), at in any::<prop::sample::Index>()) {
        let at = at.index(text.len() + 1);
        let run = |pieces: [&[u8]; 2]| {
            let (mut cutter, mut said) = (Cutter::new(Rule::Lines, 4), Vec::new());
            let outcome = pieces.iter().try_for_each(|piece| {
                let fed = feed(&mut cutter, piece, &mut said, &mut || false);
                assert!(cutter.held() <= 5);
                fed
            });
            (outcome, said)
        };
        prop_assert_eq!(run([&text[..at], &text[at..]]), run([&text, b""]));
    }
}
