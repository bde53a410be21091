//! The event of an answer that we asked for: the exchange, with what only the asking side knows.

use std::time::Duration;

use hobnob::exchange::{Exchange, Head, Times};

use crate::report::json::Json;

/// A request and its answer.
pub(crate) struct Fetched<'a> {
    /// The number of the conn.
    pub(crate) session: u64,
    /// What was asked.
    pub(crate) exchange: &'a Exchange,
    /// The head of the answer.
    pub(crate) head: &'a Head,
    /// What took how long.
    pub(crate) times: Times,
    /// Bytes of the body.
    pub(crate) bytes: u64,
    /// The file that has them.
    pub(crate) file: Option<&'a str>,
}

impl Json {
    /// An answer is whole.
    pub(crate) fn answered(&mut self, out: &mut Vec<u8>, at: Duration, told: &Fetched<'_>) {
        let Fetched { session, exchange, head, times, bytes, file } = told;
        let mut line = self.line(out, "exchange", at);
        line.number("id", *session);
        line.text("method", &exchange.request().method);
        line.text("target", &exchange.request().target);
        line.number("status", u64::from(head.status));
        line.number("bytes", *bytes);
        line.seconds("took", times.total);
        line.text("host", exchange.host());
        line.text("version", head.version.word());
        line.text("reason", &String::from_utf8_lossy(head.reason()));
        line.pairs("fields", head.fields());
        for (name, time) in [
            ("dns", times.look_up),
            ("connect", times.connect),
            ("layers", times.layers),
            ("first_byte", times.first_byte),
        ] {
            if let Some(time) = time {
                line.seconds(name, time);
            }
        }
        if let Some(file) = file {
            line.text("saved", file);
        }
        line.end();
    }
}
