//! What members were shown, against what was said.

use std::collections::{HashMap, HashSet};

use crate::cluster::{NodeId, NodeTold};

/// A line: who said it, and its number there.
pub(super) type LineKey = (NodeId, u64);

/// What the members of one node have seen.
#[derive(Default)]
pub(super) struct NodeView {
    pub me: Option<NodeId>,
    /// How many lines had been said anywhere when the node had joined.
    pub joined: Option<usize>,
    /// What was shown, in order; and whether it stands in the order of the stream.
    pub shown: Vec<(LineKey, bool)>,
    /// What was told as missing: whose, from which number (none: it is not known), and before which.
    pub missed: Vec<(NodeId, Option<u64>, u64)>,
    /// Its own lines that it has told as dropped: the first and the last number.
    pub dropped: Vec<(u64, u64)>,
    /// Whether it has told that it is heard here only.
    pub is_alone: bool,
    /// Whether the node has crashed: it shows nothing any more.
    pub is_dead: bool,
    /// Whether all of its own came back, and it is not alone.
    pub is_settled: bool,
}

impl NodeView {
    pub(super) fn note(&mut self, told: &NodeTold, said: usize) {
        match *told {
            NodeTold::Joined => _ = self.joined.get_or_insert(said),
            NodeTold::Heard { origin, number, is_past, .. } => {
                self.shown.push(((origin, number), !is_past));
            }
            NodeTold::Own { number, .. } => {
                // While alone its own lines are shown before they have a place.
                self.shown.extend(self.me.map(|me| ((me, number), !self.is_alone)));
            }
            NodeTold::Alone => self.is_alone = true,
            NodeTold::Back(_) => self.is_alone = false,
            NodeTold::Missed { origin, from, before, .. } => {
                self.missed.push((origin, from, before));
            }
            NodeTold::Dropped(from, to) => self.dropped.push((from, to)),
            _ => {}
        }
    }

    fn is_told(&self, (origin, number): LineKey) -> bool {
        let is_dropped = self.me == Some(origin)
            && self.dropped.iter().any(|(from, to)| (*from..=*to).contains(&number));
        let covers = |(whose, from, before): &(NodeId, Option<u64>, u64)| {
            *whose == origin && number < *before && from.is_none_or(|from| from <= number)
        };
        is_dropped || self.missed.iter().any(covers)
    }

    fn is_dropped(&self, number: u64) -> bool {
        self.dropped.iter().any(|(from, to)| (*from..=*to).contains(&number))
    }
}

/// What came of a trial. A line counts once for each node that was to show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialReport {
    /// Lines that were said.
    pub said: usize,
    /// Lines that were told as missing, because the servers had lost them or their own node had dropped them.
    pub told: usize,
    /// Lines that were neither shown nor told as missing.
    pub silent: usize,
    /// Lines that were shown twice.
    pub doubled: usize,
    /// Lines that were told as missing and shown after all, or that no server had lost.
    pub falsely_told: usize,
    /// Lines that two nodes have shown in different order, though no server had lost anything.
    pub disordered: usize,
    /// The same, where servers had lost what they had acked: who had heard it in time, or has heard what took its place, has
    /// shown that already. It is no fault of a node, and is counted.
    pub upset: usize,
    /// Nodes that had not come to rest at the end.
    pub unsettled: usize,
    /// The first of these findings, in words.
    pub findings: Vec<String>,
}

impl TrialReport {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.silent + self.doubled + self.falsely_told + self.disordered + self.unsettled == 0
    }

    fn find(&mut self, finding: impl FnOnce() -> String) {
        if self.findings.len() < 20 {
            self.findings.push(finding());
        }
    }
}

/// What happened to the stream: lines that are there at the end, and lines that were lost once, by a server or by age.
pub(super) struct StreamFate {
    pub there: HashSet<(String, u64)>,
    pub lost: HashSet<(String, u64)>,
}

/// Judges what all nodes have shown.
pub(super) fn judge(views: &[NodeView], said: &[LineKey], fate: &StreamFate) -> TrialReport {
    let mut report = TrialReport { said: said.len(), ..TrialReport::default() };
    let dead: HashSet<_> =
        views.iter().filter(|view| view.is_dead).filter_map(|view| view.me).collect();
    let dropped: HashSet<LineKey> = said
        .iter()
        .filter(|(origin, number)| {
            views.iter().any(|view| view.me == Some(*origin) && view.is_dropped(*number))
        })
        .copied()
        .collect();
    for (at, view) in views.iter().enumerate() {
        let shown: HashSet<_> = view.shown.iter().map(|(line, _)| *line).collect();
        if shown.len() < view.shown.len() {
            report.doubled += view.shown.len() - shown.len();
            report.find(|| format!("node {at} shows lines twice"));
        }
        judge_tellings(&mut report, at, view, said, &dropped, &fate.lost);
        if view.is_dead {
            continue;
        }
        if !view.is_settled {
            report.unsettled += 1;
            report.find(|| format!("node {at} has not come to rest"));
        }
        for line in said.iter().skip(view.joined.unwrap_or(said.len())) {
            let key = (line.0.to_string(), line.1);
            let is_gone = dead.contains(&line.0) && !fate.there.contains(&key);
            if !shown.contains(line) && !view.is_told(*line) && !is_gone {
                report.silent += 1;
                report.find(|| format!("node {at} never shows {line:?}"));
            }
        }
    }
    judge_order(&mut report, views, said, &fate.lost);
    if !fate.lost.is_empty() {
        report.upset = std::mem::take(&mut report.disordered);
    }
    report
}

fn judge_tellings(
    report: &mut TrialReport,
    at: usize,
    view: &NodeView,
    said: &[LineKey],
    dropped: &HashSet<LineKey>,
    lost: &HashSet<(String, u64)>,
) {
    let shown: HashSet<_> = view.shown.iter().map(|(line, _)| *line).collect();
    for line in said.iter().skip(view.joined.unwrap_or(said.len())) {
        if !view.is_told(*line) || view.me == Some(line.0) && view.is_dropped(line.1) {
            continue;
        }
        report.told += 1;
        let is_exact = view.missed.iter().any(|(whose, from, before)| {
            *whose == line.0 && from.is_some_and(|from| (from..*before).contains(&line.1))
        });
        let is_lost = lost.contains(&(line.0.to_string(), line.1)) || dropped.contains(line);
        // Of our own, what was lost behind us was shown here before, and is told all the same.
        let is_shown = is_exact && shown.contains(line) && view.me != Some(line.0);
        if !is_lost && !shown.contains(line) || is_shown {
            report.falsely_told += 1;
            report.find(|| format!("node {at} tells {line:?} as missing"));
        }
    }
}

/// Compares the order of every two nodes. Without the lines that were lost once: who had heard them in time shows them
/// where they stood, and who had not where they stand when they are said again. And without those that were said before a
/// node had joined: where a server has forgotten that it has them, they may come again.
fn judge_order(
    report: &mut TrialReport,
    views: &[NodeView],
    said: &[LineKey],
    lost: &HashSet<(String, u64)>,
) {
    let order = |view: &NodeView| -> Vec<LineKey> {
        let news: HashSet<_> = said.iter().skip(view.joined.unwrap_or(said.len())).collect();
        let in_order = view.shown.iter().filter(|(line, is_in_order)| {
            *is_in_order && news.contains(line) && !lost.contains(&(line.0.to_string(), line.1))
        });
        in_order.map(|(line, _)| *line).collect()
    };
    let orders: Vec<_> = views.iter().map(order).collect();
    for (at, one) in orders.iter().enumerate() {
        let places: HashMap<_, _> =
            one.iter().enumerate().map(|(place, line)| (line, place)).collect();
        for (other, lines) in orders.iter().enumerate().skip(at + 1) {
            let places: Vec<_> = lines.iter().filter_map(|line| places.get(line)).collect();
            let inversions = places.windows(2).filter(|pair| pair[0] > pair[1]).count();
            if inversions > 0 {
                report.disordered += inversions;
                if lost.is_empty() {
                    report.find(|| format!("nodes {at} and {other} differ {inversions} times"));
                }
            }
        }
    }
}
