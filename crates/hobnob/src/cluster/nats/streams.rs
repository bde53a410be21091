//! The streams of a room, and their settings.

use super::super::name::ClusterRoom;
use super::super::names::REFRESH;
use crate::codec::json::{JsonValue, JsonWriter};

/// Nanoseconds for which a stream keeps what it has.
const AGE: u64 = 3_600_000_000_000;

/// A name is said anew twice before the stream forgets it: one of the two may be lost.
const _: () = assert!(2 * REFRESH.as_nanos() < AGE as u128);

/// A stream as a room needs it.
pub(super) struct RoomStream {
    pub(super) name: String,
    /// What it takes, and where it says what it took.
    takes: String,
    says: String,
    /// Messages in all, and of one subject; -1: any number.
    most: i64,
    most_of_one: i64,
    /// What goes where it is full: the old, or what is new.
    discards: &'static str,
}

impl RoomStream {
    /// What was said.
    pub(super) fn of_talk(room: &ClusterRoom) -> Self {
        let (takes, says) = (room.subject("in.*"), room.subject("out.{{wildcard(1)}}"));
        let (most, most_of_one) = (100_000, -1);
        RoomStream { name: room.stream(), takes, says, most, most_of_one, discards: "old" }
    }

    /// Whose the names are. Full, it takes no new ones, and forgets none.
    pub(super) fn of_names(room: &ClusterRoom) -> Self {
        let (takes, says) = (room.subject("name.*"), room.subject("named.{{wildcard(1)}}"));
        let (most, most_of_one) = (-1, 1);
        RoomStream { name: room.name_stream(), takes, says, most, most_of_one, discards: "new" }
    }

    /// Its settings, as a server reads them.
    pub(super) fn settings(&self, replicas: u64) -> String {
        let mut json = JsonWriter::default();
        json.begin('{').name("name").text(&self.name);
        json.name("subjects").texts([self.takes.as_str()]);
        json.name("retention").text("limits").name("storage").text("file");
        json.name("discard").text(self.discards).name("num_replicas").plain(replicas);
        json.name("max_age").plain(AGE).name("max_bytes").plain(64 << 20);
        json.name("max_msgs").plain(self.most).name("max_consumers").plain(-1);
        json.name("max_msgs_per_subject").plain(self.most_of_one);
        json.name("duplicate_window").plain(120_000_000_000_u64);
        json.name("allow_direct").plain(true).name("deny_delete").plain(true);
        json.name("republish").begin('{').name("src").text(&self.takes);
        json.name("dest").text(&self.says).end('}').end('}');
        json.finish()
    }

    /// Whether the stream that is there has the settings that it was made with, and none of somebody else's.
    pub(super) fn is_as_made(&self, config: &JsonValue, replicas: u64) -> bool {
        let made = JsonValue::read(&self.settings(replicas));
        made.is_some_and(|made| has_all(config, &made))
    }

    /// What the settings of the stream that is there have that a room cannot live with.
    pub(super) fn difference(&self, config: &JsonValue) -> Option<String> {
        let republish = config.member("republish").unwrap_or(&JsonValue::Null);
        let wanted = [
            ("subjects", config.texts("subjects").join(" "), self.takes.as_str()),
            ("republish", republish.text("src").to_owned(), &self.takes),
            ("republish", republish.text("dest").to_owned(), &self.says),
            ("retention", config.text("retention").to_owned(), "limits"),
            ("discard", config.text("discard").to_owned(), self.discards),
        ];
        if let Some((name, is, wanted)) = wanted.iter().find(|(_, is, wanted)| is != wanted) {
            return Some(format!("{name} is {is:?}, and not {wanted:?}"));
        }
        // Several records of one name would leave it open whose it is.
        let is_one = config.count("max_msgs_per_subject") == Some(1);
        if self.most_of_one == 1 && !is_one {
            return Some("max_msgs_per_subject is not 1".to_owned());
        }
        let is_few = self.most_of_one < 0 && config.count("max_msgs_per_subject").unwrap_or(0) > 0;
        if is_few {
            return Some(
                "max_msgs_per_subject is set: what a node says would make room".to_owned(),
            );
        }
        let is_on = |of: &JsonValue, name| of.member(name) == Some(&JsonValue::Flag(true));
        for (of, name) in [(republish, "headers_only"), (config, "no_ack"), (config, "sealed")] {
            if is_on(of, name) {
                return Some(format!("{name} is true"));
            }
        }
        let is_direct = config.member("allow_direct") == Some(&JsonValue::Flag(true));
        (!is_direct).then(|| "allow_direct is false".to_owned())
    }
}

/// Whether all that is wanted is found; what a server adds does not matter.
fn has_all(found: &JsonValue, wanted: &JsonValue) -> bool {
    match wanted {
        JsonValue::Object(members) => members
            .iter()
            .all(|(name, wanted)| found.member(name).is_some_and(|found| has_all(found, wanted))),
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_was_made_with_is_what_is_asked_of_it() {
        let room = ClusterRoom::named("lobby").expect("a room");
        let (talk, names) = (RoomStream::of_talk(&room), RoomStream::of_names(&room));
        for stream in [&talk, &names] {
            let settings = JsonValue::read(&stream.settings(1)).expect("JSON");
            assert_eq!(stream.difference(&settings), None);
            assert!(stream.is_as_made(&settings, 1) && !stream.is_as_made(&settings, 3));
            let indirect =
                stream.settings(3).replace("\"allow_direct\":true", "\"allow_direct\":false");
            let indirect = JsonValue::read(&indirect).expect("JSON");
            assert_eq!(stream.difference(&indirect).as_deref(), Some("allow_direct is false"));
            for (of, name) in [("\"src\"", "headers_only"), ("\"retention\"", "no_ack")] {
                let on = stream.settings(3).replace(of, &format!("\"{name}\":true,{of}"));
                let on = JsonValue::read(&on).expect("JSON");
                assert_eq!(stream.difference(&on), Some(format!("{name} is true")));
            }
        }
        let of_talk = JsonValue::read(&talk.settings(1)).expect("JSON");
        let difference = names.difference(&of_talk).expect("another one");
        assert!(difference.starts_with("subjects is "), "{difference}");
        let more = talk.settings(1).replace("\"src\"", "\"headers_only\":false,\"src\"");
        assert!(talk.is_as_made(&JsonValue::read(&more).expect("JSON"), 1));
        let larger = talk.settings(1).replace("\"max_msgs\":100000", "\"max_msgs\":5");
        assert!(!talk.is_as_made(&JsonValue::read(&larger).expect("JSON"), 1));
        let few = talk.settings(1).replace("subject\":-1", "subject\":9");
        let few = talk.difference(&JsonValue::read(&few).expect("JSON")).expect("another one");
        assert!(few.starts_with("max_msgs_per_subject is set"), "{few}");
        let many = names.settings(1).replace("subject\":1", "subject\":2");
        let many = JsonValue::read(&many).expect("JSON");
        assert_eq!(names.difference(&many).as_deref(), Some("max_msgs_per_subject is not 1"));
    }
}
