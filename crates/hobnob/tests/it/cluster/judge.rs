//! What members were shown, against what was said and what the stream has: nothing lost without a word, nothing twice, and
//! one order.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

/// What a member was shown.
#[derive(Debug, Clone, Default)]
pub(super) struct MemberLog {
    /// It is called `n0x1m2`: the third who came to the second start of the first node.
    pub(super) name: String,
    pub(super) node: String,
    /// When it was welcomed.
    pub(super) since: Option<Duration>,
    /// When it was told that the other nodes are back, where it had not been told that they were away.
    pub(super) back_at: Option<Duration>,
    pub(super) is_alone: bool,
    pub(super) lines: Vec<String>,
    /// When each of them was shown.
    pub(super) heard: Vec<Duration>,
    /// Its conn has ended, with its node.
    pub(super) is_over: bool,
}

pub(super) const ALONE: &str = "* the other nodes cannot be reached";
pub(super) const BACK: &str = "* the other nodes are back";

impl MemberLog {
    pub(super) fn hear(&mut self, now: Duration, line: String) {
        if line.starts_with("* welcome, ") {
            self.since = Some(now);
        } else if line.starts_with(ALONE) {
            self.is_alone = true;
        } else if line.starts_with(BACK) && !std::mem::take(&mut self.is_alone) {
            self.back_at.get_or_insert(now);
        }
        self.lines.push(line);
        self.heard.push(now);
    }

    /// From when on it was there, and heard the other nodes.
    pub(super) fn there(&self) -> Duration {
        self.since.max(self.back_at).unwrap_or(Duration::MAX)
    }

    /// What it was shown while its node was alone.
    fn while_alone(&self) -> impl Iterator<Item = ShownLine<'_>> {
        let mut is_alone = self.back_at.is_some();
        self.lines.iter().filter_map(move |line| {
            is_alone = (is_alone || line.starts_with(ALONE)) && !line.starts_with(BACK);
            ShownLine::of(line).filter(|_| is_alone)
        })
    }

    /// How many lines it was told that are not shown, of all that was said while its node was alone, of whichever nodes.
    pub(super) fn unshown(&self) -> usize {
        let counts = self.lines.iter().filter_map(|line| {
            let count = line.strip_suffix(" of the first of them are not shown: too many")?;
            count.strip_prefix("* ")?.parse::<usize>().ok()
        });
        counts.sum()
    }

    /// For how long it was told at the longest that its node is alone.
    pub(super) fn longest_alone(&self) -> Duration {
        let (mut longest, mut since) = (Duration::ZERO, None);
        for (line, at) in self.lines.iter().zip(&self.heard) {
            if line.starts_with(ALONE) {
                since = Some(*at);
            } else if line.starts_with(BACK) {
                longest = longest
                    .max(since.take().map_or(Duration::ZERO, |since| at.saturating_sub(since)));
            }
        }
        longest
    }

    /// How many lines of each node it was told to miss; None: how many is not known.
    pub(super) fn told(&self) -> BTreeMap<&str, Option<usize>> {
        let mut told: BTreeMap<&str, Option<usize>> = BTreeMap::new();
        for line in &self.lines {
            let Some((count, rest)) = line.split_once(" from node ") else { continue };
            let Some((node, _)) =
                rest.split_once(" is missing").or(rest.split_once(" are missing"))
            else {
                continue;
            };
            let count = match count {
                "* one message" => Some(1),
                "* messages" => None,
                count => {
                    count.strip_prefix("* ").and_then(|count| count.split(' ').next()?.parse().ok())
                }
            };
            let sum = told.entry(node).or_insert(Some(0));
            *sum = sum.zip(count).map(|(sum, count)| sum + count);
        }
        told
    }
}

/// What a line is known by: a text, as each is said once; or a member, by the name that it came with, and what became of it.
pub(super) type LineKey<'a> = (&'a str, &'a str);

/// A line that a member said, or that tells of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShownLine<'a> {
    pub(super) key: LineKey<'a>,
    pub(super) speaker: &'a str,
    pub(super) node: &'a str,
}

impl<'a> ShownLine<'a> {
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("* ").unwrap_or(line);
        let speaker = rest.split([':', ' ', '~']).next()?;
        let (node, member) = speaker.split_once('m')?;
        let is_one = node.starts_with('n') && node.contains('x') && member.parse::<u32>().is_ok();
        // Whoever came while its node was alone has a longer name for a time.
        let key = match line.strip_prefix("* ") {
            Some(rest) => (speaker, rest.split_once(' ')?.1),
            None => ("", line.split_once(": ")?.1),
        };
        is_one.then_some(ShownLine { key, speaker, node })
    }
}

/// What was said, where to, and what became of it.
pub(super) struct Case<'a> {
    pub(super) logs: &'a [MemberLog],
    /// What members have said, or that they came, and when.
    pub(super) said: &'a [(String, Duration)],
    /// The lines of the stream, in its order.
    pub(super) stream: &'a [String],
    /// Nodes that are gone.
    pub(super) dead: &'a HashSet<String>,
}

/// What came of it. A line counts once for each member that was to be shown it.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    pub(super) said: usize,
    pub(super) deliveries: usize,
    /// Lines that were lost with their node.
    pub(super) lost: usize,
    /// Lines that the servers have not, though their node lives.
    pub(super) unstreamed: usize,
    pub(super) told: usize,
    /// Lines of those that were said while its node was alone that it was told are not shown.
    pub(super) unshown: usize,
    /// Lines that it was told to miss, and that the stream has.
    pub(super) needless: usize,
    pub(super) silent: usize,
    pub(super) doubled: usize,
    pub(super) disordered: usize,
    pub(super) falsely_told: usize,
    examples: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict { said, deliveries, lost, unstreamed, told, unshown, needless, .. } = self;
        let Verdict { silent, doubled, disordered, falsely_told, .. } = self;
        write!(
            f,
            "{said} lines said, {deliveries} shown, {lost} lost with their node, {unstreamed} not in the stream, {told} told missing ({needless} that the stream has), {unshown} told not shown, {silent} silent, {doubled} doubled, {disordered} out of order, {falsely_told} falsely told"
        )?;
        self.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))
    }
}

impl Verdict {
    pub(super) fn is_clean(&self) -> bool {
        self.silent + self.doubled + self.disordered + self.falsely_told == 0
    }

    fn find(&mut self, what: String) {
        if self.examples.len() < 12 {
            self.examples.push(what);
        }
    }
}

/// What there is to know of a line.
struct Fate<'a> {
    line: ShownLine<'a>,
    /// When it was said, where that is known.
    at: Option<Duration>,
    /// Its place in the stream.
    place: Option<usize>,
}

impl Case<'_> {
    pub(super) fn judge(&self) -> Verdict {
        let fates = self.fates();
        let mut verdict = Verdict::default();
        for fate in fates.values().filter(|fate| fate.at.is_some()) {
            verdict.said += 1;
            match fate.place {
                None if self.dead.contains(fate.line.node) => verdict.lost += 1,
                None => verdict.unstreamed += 1,
                Some(_) => {}
            }
        }
        // What a node showed while it was alone stands in no order there, for whoever of its members.
        let mut alone: HashMap<&str, HashSet<LineKey<'_>>> = HashMap::new();
        for log in self.logs {
            let own = log.while_alone().filter(|line| line.node == log.node);
            alone.entry(&log.node).or_default().extend(own.map(|line| line.key));
        }
        for log in self.logs {
            self.look(log, &fates, &alone[&*log.node], &mut verdict);
        }
        verdict
    }

    /// Every line that was said or stands in the stream.
    fn fates(&self) -> BTreeMap<LineKey<'_>, Fate<'_>> {
        let mut fates = BTreeMap::new();
        for (line, at) in self.said {
            let line = ShownLine::of(line).expect("a line of a member");
            fates.insert(line.key, Fate { line, at: Some(*at), place: None });
        }
        for (place, line) in self.stream.iter().enumerate() {
            let Some(line) = ShownLine::of(line) else { continue };
            let fate = fates.entry(line.key).or_insert(Fate { line, at: None, place: None });
            fate.place.get_or_insert(place);
        }
        fates
    }

    fn look(
        &self,
        log: &MemberLog,
        fates: &BTreeMap<LineKey<'_>, Fate<'_>>,
        alone: &HashSet<LineKey<'_>>,
        verdict: &mut Verdict,
    ) {
        let mut seen = HashSet::new();
        let (mut last, mut highest) = (None, None);
        for line in log.lines.iter().filter_map(|line| ShownLine::of(line)) {
            verdict.deliveries += 1;
            if !seen.insert(line.key) {
                verdict.doubled += 1;
                verdict.find(format!("{} was shown {:?} twice", log.name, line.key));
            }
            let place = fates.get(&line.key).and_then(|fate| fate.place);
            if place.is_none() || alone.contains(&line.key) {
                continue;
            }
            if place < last {
                verdict.disordered += 1;
                verdict.find(format!("{} was shown {:?} too late", log.name, line.key));
            }
            (last, highest) = (place, highest.max(place));
        }
        self.count(log, fates, &seen, highest, verdict);
    }

    /// Counts what a member was not shown, node by node, against what it was told.
    fn count(
        &self,
        log: &MemberLog,
        fates: &BTreeMap<LineKey<'_>, Fate<'_>>,
        seen: &HashSet<LineKey<'_>>,
        highest: Option<usize>,
        verdict: &mut Verdict,
    ) {
        // Lines that it had to be shown, and lines that it may have been told of.
        let mut missing: BTreeMap<&str, Vec<LineKey<'_>>> = BTreeMap::new();
        let mut maybe: BTreeMap<&str, usize> = BTreeMap::new();
        for (key, fate) in fates.iter().filter(|(key, _)| !seen.contains(*key)) {
            if fate.line.speaker == log.name {
                continue;
            }
            let has_come = match fate.place {
                // Whose node is gone has missed what came after.
                Some(place) => !log.is_over || Some(place) < highest,
                None => !log.is_over && !self.dead.contains(fate.line.node),
            };
            if has_come && fate.at.is_some_and(|at| at > log.there()) {
                missing.entry(fate.line.node).or_default().push(*key);
            } else {
                *maybe.entry(fate.line.node).or_default() += 1;
            }
        }
        let (mut told, mut unshown) = (log.told(), log.unshown());
        for (node, missing) in &missing {
            let count = missing.len();
            let told = told.remove(node).unwrap_or(Some(0));
            // What is not shown of a time alone is told as one sum. It is no line that anybody lost.
            let summed = unshown.min(count.saturating_sub(told.unwrap_or(0)));
            (unshown, verdict.unshown) = (unshown - summed, verdict.unshown + summed);
            let count = count - summed;
            let told = told.unwrap_or(count);
            verdict.told += told.min(count);
            let there = missing.iter().filter(|key| fates[*key].place.is_some()).count();
            verdict.needless += told.min(there);
            if count > told {
                verdict.silent += count - told;
                let some = &missing[..missing.len().min(4)];
                verdict.find(format!(
                    "{} misses {count} of {node} ({some:?} ..) and was told {told}",
                    log.name
                ));
            }
            judge_surplus(log, node, told.saturating_sub(count), &maybe, verdict);
        }
        for (node, told) in told {
            judge_surplus(log, node, told.unwrap_or(0), &maybe, verdict);
        }
        verdict.falsely_told += unshown.saturating_sub(maybe.values().sum());
    }
}

/// What was told beyond what is missing: it may be of lines that need not be shown.
fn judge_surplus(
    log: &MemberLog,
    node: &str,
    surplus: usize,
    maybe: &BTreeMap<&str, usize>,
    verdict: &mut Verdict,
) {
    let most = maybe.get(node).copied().unwrap_or(0);
    verdict.told += surplus.min(most);
    if surplus > most {
        verdict.falsely_told += surplus - most;
        verdict.find(format!("{} was told of {surplus} of {node} that are not missing", log.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str, lines: &[&str]) -> MemberLog {
        let node = name.split('m').next().expect("a name").to_owned();
        let mut log = MemberLog { name: name.to_owned(), node, ..MemberLog::default() };
        for line in [&[format!("* welcome, {name}: nobody else is here").as_str()], lines].concat()
        {
            log.hear(Duration::from_secs(1), line.to_owned());
        }
        log
    }

    /// What comes of these two logs, where three lines were said at the one node and one at the other.
    fn judged(here: &[&str], there: &[&str]) -> [usize; 5] {
        let said = ["n0x0m0: 1", "n0x0m0: 2", "n0x0m0: 3", "n1x0m0: 4"];
        let at = |line: &str| (line.to_owned(), Duration::from_secs(2));
        let case = Case {
            logs: &[log("n0x0m1", here), log("n1x0m1", there)],
            said: &said.map(at),
            stream: &said.map(str::to_owned),
            dead: &HashSet::new(),
        };
        let Verdict { told, silent, doubled, disordered, falsely_told, .. } = case.judge();
        [told, silent, doubled, disordered, falsely_told]
    }

    #[test]
    fn each_way_to_be_wrong_is_found_and_counted() {
        let all = ["n0x0m0: 1", "n0x0m0: 2", "n0x0m0: 3", "n1x0m0: 4"];
        assert_eq!(judged(&all, &all), [0; 5]);
        assert_eq!(judged(&all[1..], &all), [0, 1, 0, 0, 0]);
        assert_eq!(judged(&all, &[]), [0, 4, 0, 0, 0]);
        let twice = [all[0], all[0], all[1], all[2], all[3]];
        assert_eq!(judged(&all, &twice), [0, 0, 1, 0, 0]);
        assert_eq!(judged(&[all[1], all[0], all[2], all[3]], &all), [0, 0, 0, 1, 0]);
        let gap = "* 2 messages from node n0x0 are missing";
        assert_eq!(judged(&all, &[gap, all[2], all[3]]), [2, 0, 0, 0, 0]);
        assert_eq!(judged(&all, &[gap, all[3]]), [2, 1, 0, 0, 0], "three are missing");
        let one = "* one message from node n0x0 is missing";
        assert_eq!(judged(&all, &[one, all[1], gap, all[2], all[3]]), [1, 0, 0, 0, 2]);
        let three = "* 3 of the first of them are not shown: too many";
        assert_eq!(judged(&all, &[three, all[3]]), [0; 5]);
        assert_eq!(judged(&all, &[three]), [0, 1, 0, 0, 0]);
        assert_eq!(judged(&all, &[three, all[0], all[1], all[2], all[3]]), [0, 0, 0, 0, 3]);
        let some = "* messages from node n0x0 are missing; how many is not known";
        assert_eq!(judged(&all, &[some, all[3]]), [3, 0, 0, 0, 0]);
        assert_eq!(judged(&all, &[gap, all[0], all[1], all[2], all[3]]), [0, 0, 0, 0, 2]);
    }

    #[test]
    fn who_was_alone_has_an_order_of_its_own_of_its_own_lines_alone() {
        let all = ["n0x0m0: 1", "n0x0m0: 2", "n0x0m0: 3", "n1x0m0: 4"];
        let [one, two, three, four] = all;
        let there = |lines: &[&str]| judged(&all, lines);
        assert_eq!(there(&[ALONE, four, BACK, one, two, three]), [0; 5]);
        assert_eq!(there(&[ALONE, four, two, BACK, one, three]), [0, 0, 0, 1, 0]);
        assert_eq!(there(&[four, BACK, two, one, three]), [0, 0, 0, 1, 0], "alone from the start");
    }
}
