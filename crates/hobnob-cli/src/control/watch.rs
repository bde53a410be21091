//! What one client is told of what happens: the events of `--json`, as many as it takes.

use std::future::poll_fn;
use std::task::Poll;

use hobnob::bus::{Subscription, Wish};
use hobnob::event::{Event, Fact};

use super::EVENTS;
use super::served::Served;
use super::steered::SteeredServer;
use crate::report::json::Json;

/// Events for one client.
pub(super) struct ClientWatch {
    json: Json,
    feeds: Vec<Feed>,
    /// Whether each line says which server it is about.
    is_several: bool,
    snap: usize,
    verb: &'static str,
}

/// Those of one server.
struct Feed {
    /// Which of the process's servers.
    part: usize,
    subscription: Subscription,
}

impl ClientWatch {
    /// Sees what these servers do from now on.
    pub(super) fn of(served: &Served, meant: &[&SteeredServer], data: bool, snap: u64) -> Self {
        let all = &served.parts;
        let snap = usize::try_from(snap).unwrap_or(usize::MAX);
        let is_meant = |part: &SteeredServer| meant.iter().any(|one| std::ptr::eq(*one, part));
        let feeds = all.iter().enumerate().filter(|(_, part)| is_meant(part));
        let feeds = feeds.map(|(at, part)| Feed {
            part: at,
            subscription: part.control.subscribe(Wish {
                data,
                upstream: false,
                snap,
                capacity: EVENTS,
            }),
        });
        let clock = all[0].control.clock();
        ClientWatch {
            json: Json::new(clock),
            feeds: feeds.collect(),
            is_several: all.len() > 1,
            snap,
            verb: served.verb,
        }
    }

    /// Waits until something has happened.
    pub(super) async fn changed(&self) {
        poll_fn(|cx| {
            let changed =
                self.feeds.iter().filter(|feed| feed.subscription.poll_changed(cx).is_ready());
            if changed.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Writes what has happened since the last time, in the order of time. What did not fit is counted in a note.
    pub(super) fn pull(&mut self, all: &[SteeredServer], out: &mut Vec<u8>) {
        let (mut events, mut come) = (Vec::new(), Vec::new());
        let mut missed = Vec::new();
        for feed in &self.feeds {
            missed.push((feed.part, feed.subscription.pull(&mut come)));
            events.extend(come.drain(..).map(|event| (feed.part, event)));
        }
        events.sort_by_key(|(_, event)| event.at);
        for (part, mut event) in events {
            cut(&mut event, self.snap);
            self.speak_of(&all[part]);
            self.json.event(out, &event);
        }
        for (part, missed) in missed.into_iter().filter(|(_, missed)| *missed > 0) {
            self.speak_of(&all[part]);
            self.json.missed(out, missed);
        }
    }

    /// How it all went, for the last line.
    pub(super) fn sum_up(&mut self, all: &[SteeredServer], out: &mut Vec<u8>) {
        for at in 0..self.feeds.len() {
            let part = &all[self.feeds[at].part];
            self.speak_of(part);
            let hits = part.control.faults().map(|panel| panel.totals()).unwrap_or_default();
            self.json.summary(out, self.verb, &part.control.summary(), &hits);
        }
    }

    fn speak_of(&mut self, part: &SteeredServer) {
        self.json.speak_of(&part.name, &part.service, self.is_several);
        self.json.speak_between(part.is_between());
    }
}

/// Another subscriber may have wanted more of a chunk.
fn cut(event: &mut Event, snap: usize) {
    if let Fact::Data(data) = &mut event.fact
        && data.bytes.len() > snap
    {
        data.bytes = data.bytes[..snap].into();
    }
}
