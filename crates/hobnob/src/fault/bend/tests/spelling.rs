//! What a person may write, and where the caret stands otherwise.

use super::*;
use crate::error::{Advice, Hint, Kind};

#[test]
fn what_can_be_written() {
    for text in [
        "latency=200ms,jitter=50ms",
        "up:rate=64k",
        "down:rate=10mbit/s,burst=16k,hold=1m",
        "stall",
        "stall=5s,after=4k",
        "reset,on=/QUIT\\/,x{1,2}/,when=50%",
        "close-after=4k,for=3conn",
        "refuse=20%,after=3conn",
        "corrupt=0.5%,for=10s",
    ] {
        let setting = Setting::parse(text).expect(text);
        assert_eq!(setting.text(), text);
        assert!(Setting::parse(setting.text()).is_ok_and(|again| again == setting));
        setting.check(Shape::Bytes).expect(text);
        setting.check(Shape::Packets).expect(text);
    }
    let kinds: Vec<_> =
        Setting::parse("latency=1s,jitter=1s,when=1%").expect("a setting").kinds().collect();
    assert_eq!(kinds, ["latency", "jitter"]);
}

#[test]
fn the_caret_stands_under_what_is_wrong() {
    for (text, kind, marked, label) in [
        ("latncy=200ms", Kind::UnknownFault, "latncy", "did you mean latency?"),
        ("", Kind::UnknownFault, "", ""),
        ("when=10%", Kind::UnknownFault, "when=10%", "a fault stands with it"),
        ("up:on=/a,b/,for=1s", Kind::UnknownFault, "on=/a,b/,for=1s", "a fault stands with it"),
        ("latency=200", Kind::BadOption, "200", "a time has a unit, as in 200ms, 1s, 5m"),
        ("latency", Kind::BadOption, "", "as in latency=200ms"),
        ("up:latency=1s,jiter=1s", Kind::UnknownOption, "jiter", "did you mean jitter?"),
        ("rate=64k,brust=1k", Kind::UnknownOption, "brust", "did you mean burst?"),
        ("upp:latency=1s", Kind::BadOption, "upp", "up, down, or none for both"),
        (
            "loss=101%",
            Kind::BadOption,
            "101%",
            "a share is a number up to 100 with its sign, as in 2%, 0.5%",
        ),
        (
            "loss=2",
            Kind::BadOption,
            "2",
            "a share is a number up to 100 with its sign, as in 2%, 0.5%",
        ),
        ("latency=1s,when=0%", Kind::BadOption, "0%", "that is no session at all"),
        ("latency=1s,when=200%", Kind::BadOption, "200%", "a share up to 100%, as in 10%"),
        ("latency=1s,for=0s", Kind::BadOption, "0s", "it would be over before it began"),
        (
            "latency=1s,on=/x*/",
            Kind::BadOption,
            "/x*/",
            "it matches before anything has come: leave it out",
        ),
        (
            "latency=1s,on=QUIT",
            Kind::BadOption,
            "QUIT",
            "a pattern stands between slashes, as in /QUIT/",
        ),
        (
            "latency=1s,after=soon",
            Kind::BadOption,
            "soon",
            "sessions, bytes, packets or time, as in 3conn, 4k, 5pkt, 10s",
        ),
        (
            "refuse,after=4k",
            Kind::BadOption,
            "4k",
            "refuse is decided before anything passes: count in conn",
        ),
        ("up:refuse", Kind::BadOption, "refuse", "without up:"),
        ("slice=0", Kind::BadOption, "0", "a piece has at least one byte"),
    ] {
        let error = Setting::parse(text).expect_err(text);
        assert_eq!(error.kind(), kind, "{text}: {error}");
        let span = error.span().expect("a caret");
        assert_eq!((&text[span.at.clone()], span.label.as_str()), (marked, label), "{text}");
        assert!(!error.hints().is_empty(), "{text}");
    }
}

#[test]
fn what_needs_borders_is_refused_on_bytes_with_what_makes_sense_there() {
    for text in ["loss=2%", "up:dup=1%", "reorder=5%"] {
        let setting = Setting::parse(text).expect(text);
        setting.check(Shape::Packets).expect(text);
        let error = setting.check(Shape::Bytes).expect_err(text);
        assert_eq!(error.kind(), Kind::FaultNeedsDatagrams);
        assert!(error.hints().len() <= 3 && !error.hints().is_empty(), "{text}");
    }
    let setting = Setting::parse("latency=1s,after=3pkt").expect("a setting");
    let error = setting.check(Shape::Bytes).expect_err("no packets");
    let span = error.span().expect("a caret");
    assert_eq!((error.kind(), &span.text[span.at.clone()]), (Kind::FaultNeedsDatagrams, "after="));
}

#[test]
fn what_is_suggested_and_what_profiles_hold_can_be_set() {
    for row in TABLE {
        for (text, _) in row.instead {
            let setting = Setting::parse(text).expect(text);
            setting.check(Shape::Bytes).expect(text);
        }
    }
    for profile in PROFILES {
        for shape in [Shape::Bytes, Shape::Packets] {
            let panel = Panel::default();
            panel.set(Profile::settings(profile.name).expect("its faults")).expect("they fit");
            panel.fit(shape).expect("what does not fit is left out");
            assert!(!panel.settings().is_empty(), "{}", profile.name);
        }
    }
    let error = Profile::settings("4g").expect_err("no such profile");
    assert_eq!(error.reasons()[0], "did you mean 3g?");
}

#[test]
fn a_panel_refuses_what_does_not_fit_and_stays_as_it_was() {
    let panel = Panel::default();
    panel.fit(Shape::Bytes).expect("nothing is on");
    panel.set(settings(&["latency=1s"])).expect("it fits");
    panel.set(settings(&["loss=1%"])).expect_err("there are no packets");
    assert_eq!(panel.settings(), settings(&["latency=1s"]));
}

/// What is proposed of what was typed, and the option that it is of.
fn proposed(text: &str) -> Vec<(String, String)> {
    let error = Setting::parse(text).expect_err(text);
    let option = |hint: &Hint| match &hint.advice {
        Advice::Option { name, value } => Some(((*name).to_owned(), value.clone()?)),
        _ => None,
    };
    error.hints().iter().filter_map(option).collect()
}

#[test]
fn words_of_others_propose_ours() {
    for (text, ours) in [
        ("delay=300ms", "latency=300ms"),
        ("down:lag=2s,when=10%", "down:latency=2s,when=10%"),
        ("delay=300", "latency=200ms"),
        ("bandwidth=100k", "rate=100k"),
        ("drop=5%", "loss=5%"),
        ("slow_close=2s", "slow-close=2s"),
        ("slicer", "slice=3"),
        ("limit_data=4k", "close-after=4k"),
        ("reset_peer", "reset"),
        ("toxicity=10%", "latency=200ms,when=10%"),
        ("latency=1s,toxicity=10%", "latency=1s,when=10%"),
        ("latency=1s,bandwidth=64k", "latency=1s,rate=64k"),
        ("duplicate=3%", "dup=3%"),
        ("disabled", "down"),
    ] {
        assert_eq!(proposed(text), [("fault".to_owned(), ours.to_owned())], "{text}");
    }
    assert_eq!(proposed("offline"), [("like".to_owned(), "offline".to_owned())]);
    for text in ["off", "none"] {
        let error = Setting::parse(text).expect_err(text);
        assert_eq!(error.kind(), Kind::UnknownFault);
        assert!(error.reasons().iter().any(|why| why.contains("clear")), "{error:?}");
    }
}
