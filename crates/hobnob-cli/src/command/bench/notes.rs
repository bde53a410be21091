//! What is to be known of a result, said only where it is true.

use std::time::Duration;

use crate::report::benched::{BenchMode, Benched};
use crate::report::show::{count, fine, grouped};

/// A share of our own threads, or of all cores, from which on they were the limit.
const BUSY: f64 = 0.9;
/// What is shorter says nothing of what was busy.
const LEAST: Duration = Duration::from_millis(500);
/// So much slower than the rest, the beginning was a warm-up.
const SLOWER: f64 = 1.5;
/// Tenths of a second of which a first second can be told.
const LONG: usize = 30;
/// Tenths of a second in a second.
const SECOND: usize = 10;
/// So many times the median, the most says that a closed loop was held up.
const TAIL: u32 = 10;

/// The notes of a result.
pub(super) fn notes(result: &Benched) -> Vec<String> {
    let all = [
        broke(result),
        opened(result),
        here(result),
        unbegun(result),
        unanswered(result),
        own_cpu(result),
        shared(result),
        warm_up(result),
        closed_loop(result),
    ];
    all.into_iter().flatten().collect()
}

fn broke(result: &Benched) -> Option<String> {
    let after = result.measured.broke?;
    Some(format!("the server was gone after {}: this is what was measured until then", fine(after)))
}

fn opened(result: &Benched) -> Option<String> {
    let (opened, wanted) = (result.measured.talkers, result.terms.connections);
    let is_less = opened < wanted && result.measured.talkers > 0;
    is_less.then(|| {
        format!("{} of {} were open", grouped(opened as u64), count(wanted as u64, "connection"))
    })
}

/// Limits of this machine, which tell nothing of the server.
fn here(result: &Benched) -> Option<String> {
    let ours = result.figures().failures.iter().find(|failure| failure.is_ours)?;
    let outcome = ours.error.call().map(|call| call.outcome.clone()).unwrap_or_default();
    let rest = if outcome == "EADDRNOTAVAIL" {
        "this machine has no free port left towards that address (net.ipv4.ip_local_port_range)"
    } else {
        "a limit of this machine"
    };
    Some(format!(
        "{} ended here, not at the server: {outcome}, {rest}",
        count(ours.count, singular(result.terms.mode))
    ))
}

fn singular(mode: BenchMode) -> &'static str {
    mode.noun().trim_end_matches('s')
}

fn unbegun(result: &Benched) -> Option<String> {
    let unbegun = result.measured.unbegun;
    let text = || {
        format!(
            "{} due and could not begin, as all connections were waiting: the server does not keep up, or \
             -c {} is too few",
            were(unbegun, singular(result.terms.mode)),
            result.terms.connections
        )
    };
    (unbegun > 0).then(text)
}

fn unanswered(result: &Benched) -> Option<String> {
    let unanswered = result.measured.unanswered;
    let noun = singular(result.terms.mode);
    (unanswered > 0).then(|| format!("{} still unanswered at the end", were(unanswered, noun)))
}

fn were(number: u64, noun: &str) -> String {
    format!("{} {}", count(number, noun), if number == 1 { "was" } else { "were" })
}

fn own_cpu(result: &Benched) -> Option<String> {
    let text = || {
        let percent = (result.own_cpu * 100.0).min(100.0);
        let threads = count(result.workers as u64, "thread");
        format!("our cpu was {percent:.0} % of {threads}: this measured hobnob")
    };
    (result.own_cpu >= BUSY && is_long(result)).then(text)
}

/// Whether it lasted long enough to say what was busy meanwhile.
fn is_long(result: &Benched) -> bool {
    result.measured.lasted >= LEAST
}

fn shared(result: &Benched) -> Option<String> {
    let busy = result.busy.filter(|busy| result.is_local && *busy >= BUSY && is_long(result))?;
    let percent = busy * 100.0;
    Some(format!("the server and the bench share this machine, which was {percent:.0} % busy"))
}

fn warm_up(result: &Benched) -> Option<String> {
    if result.turns > 1 || result.terms.rate.is_some() {
        return None;
    }
    let done: Vec<u64> = result.course.measured().map(|slot| slot.done).collect();
    if done.len() < LONG {
        return None;
    }
    let mut seconds: Vec<u64> =
        done.chunks_exact(SECOND).map(|tenths| tenths.iter().sum()).collect();
    let first = seconds.remove(0);
    seconds.sort_unstable();
    // A machine that is slow now and then is no warm-up: all that follow are faster.
    let is_slowest = seconds.first().is_some_and(|least| first < *least);
    #[allow(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
    let slower = seconds[seconds.len() / 2] as f64 / first as f64;
    let is_slower = is_slowest && slower.is_finite() && slower >= SLOWER;
    is_slower.then(|| format!("the first second was {slower:.1}x slower: --warmup 3s"))
}

fn closed_loop(result: &Benched) -> Option<String> {
    let has_questions = matches!(result.terms.mode, BenchMode::PingPong | BenchMode::Requests);
    let latencies = &result.figures().latencies;
    let was_held_up = latencies.most() > latencies.share(0.5) * TAIL;
    if result.terms.rate.is_some() || !has_questions || !was_held_up || latencies.count() < 100 {
        return None;
    }
    let rate = tried(result.rate())?;
    Some(format!(
        "closed loop: a slow reply delays the next question, so the tail looks better than users see it. For the \
         honest tail: --rate {rate}"
    ))
}

/// Some seven tenths of a rate, in one digit: `300k/s`.
fn tried(rate: f64) -> Option<String> {
    let rate = rate * 0.7;
    if rate < 1.0 {
        return None;
    }
    let unit = 10_f64.powf(rate.log10().floor());
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is over one")]
    let rate = ((rate / unit).floor() * unit) as u64;
    Some(match rate {
        1_000.. if rate.is_multiple_of(1_000) => format!("{}k/s", rate / 1_000),
        rate => format!("{rate}/s"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_to_try_has_one_digit() {
        let tries = [418_237.0, 1_500.0, 99.0, 14.0, 1.0].map(tried);
        let tries: Vec<_> = tries.iter().map(Option::as_deref).collect();
        assert_eq!(tries, [Some("200k/s"), Some("1k/s"), Some("60/s"), Some("9/s"), None]);
    }
}
