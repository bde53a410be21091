//! `hobnob help`, `-h`, `--help`, and the screen of `hobnob` alone.

mod pager;

use hobnob::error::{Error, Kind, Result};
use hobnob::spec::nearest;

use crate::advice::Propose as _;
use crate::args::{COMMON, Group, Usage};
use crate::help;
use crate::process::say;
use crate::scene::{Scene, Verb};

/// The verb.
pub(crate) static VERB: Verb = Verb {
    usage: Usage {
        name: "help",
        words: "[TOPIC]",
        endpoints: 0..0,
        flags: &[Group::Own(COMMON)],
        heeds_settings: false,
        page: include_str!("../../help/help.md"),
    },
    run,
};

fn run(scene: &Scene) -> Result<u8> {
    let words = scene.words();
    let Some(topic) = words.first() else {
        let page = help::page(scene.usages, VERB.usage.name, true, scene.out);
        return pager::show(scene, &page.unwrap_or_default());
    };
    let text = help::of(scene.usages, topic, scene.out);
    text.map_or_else(|| Err(unknown(scene, topic)), |text| pager::show(scene, &text))
}

/// `-h` and `--help` of a verb.
pub(crate) fn of_verb(scene: &Scene, verb: &Usage, is_full: bool) -> Result<u8> {
    // `serve echo -h` is about echo.
    let serves = verb.flags.iter().any(|group| matches!(group, Group::OfEveryService));
    if let Some(word) = scene.words().first().filter(|_| serves)
        && let Some(text) = help::service(word, scene.out)
    {
        return say(&text);
    }
    let text = if is_full {
        help::verb(scene.usages, verb.name, scene.out)
    } else {
        help::page(scene.usages, verb.name, false, scene.out)
    };
    say(&text.unwrap_or_default())
}

/// The screen of `hobnob` alone.
pub(crate) fn first_screen(scene: &Scene) -> Result<u8> {
    say(&help::first_screen(scene.out))
}

fn unknown(scene: &Scene, topic: &str) -> Error {
    let error = Error::new(Kind::Usage, format!("there is no page {topic:?}"));
    let error = match nearest(topic, help::topics(scene.usages)) {
        Some(near) => error.try_command(format!("hobnob help {near}"), "did you mean this?"),
        None => error,
    };
    error.try_command("hobnob help", "lists them")
}
