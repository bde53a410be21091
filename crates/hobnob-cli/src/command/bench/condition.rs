//! `--fail-if`: what must not hold of what was measured, as a gate of a build.

use std::time::Duration;

use hobnob::error::Result;
use hobnob::spec::parse_duration;

use crate::advice::Propose as _;
use crate::args;
use crate::report::benched::{Benched, SHARES};
use crate::report::show::{fine, grouped};

/// A figure, how it is compared, and with what: `p99>5ms`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    text: String,
    figure: FigureName,
    compare: Compare,
    limit: f64,
}

/// A figure that can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
enum FigureName {
    /// A latency: the least, the mean, a share, the most.
    Least,
    Mean,
    Share(f64),
    Most,
    /// Rounds a second.
    Rate,
    /// Counts.
    Errors,
    Lost,
    Wrong,
    Unanswered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Over,
    OverOrEqual,
    Under,
    UnderOrEqual,
}

const COMPARES: [(&str, Compare); 4] = [
    (">=", Compare::OverOrEqual),
    ("<=", Compare::UnderOrEqual),
    (">", Compare::Over),
    ("<", Compare::Under),
];

impl FigureName {
    fn of(word: &str) -> Option<Self> {
        let share = SHARES.iter().find(|(name, _)| *name == word);
        Some(match word {
            "min" => FigureName::Least,
            "mean" => FigureName::Mean,
            "median" => FigureName::Share(0.5),
            "max" => FigureName::Most,
            "rate" => FigureName::Rate,
            "errors" => FigureName::Errors,
            "lost" => FigureName::Lost,
            "wrong" => FigureName::Wrong,
            "unanswered" => FigureName::Unanswered,
            _ => FigureName::Share(share?.1),
        })
    }

    fn is_a_time(self) -> bool {
        use FigureName::{Least, Mean, Most, Share};
        matches!(self, Least | Mean | Share(_) | Most)
    }

    fn value(self, of: &Benched) -> f64 {
        let (figures, latencies) = (of.figures(), &of.figures().latencies);
        #[allow(clippy::cast_precision_loss, reason = "a count is compared with another one")]
        let count = |count: u64| count as f64;
        match self {
            FigureName::Least => latencies.least().as_secs_f64(),
            FigureName::Mean => latencies.mean().as_secs_f64(),
            FigureName::Share(share) => latencies.share(share).as_secs_f64(),
            FigureName::Most => latencies.most().as_secs_f64(),
            FigureName::Rate => of.rate(),
            FigureName::Errors => count(of.bad() + figures.failed_here()),
            FigureName::Lost => count(figures.lost),
            FigureName::Wrong => count(figures.wrong),
            FigureName::Unanswered => count(of.measured.unanswered),
        }
    }

    fn shown(self, value: f64) -> String {
        if self.is_a_time() {
            return fine(Duration::try_from_secs_f64(value).unwrap_or_default());
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count or a rate"
        )]
        let whole = grouped(value.round() as u64);
        if self == FigureName::Rate { format!("{whole} /s") } else { whole }
    }
}

impl Condition {
    /// Reads one.
    pub(super) fn read(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            let error = args::bad_value("--fail-if", text, why);
            error.try_flag(
                "--fail-if 'p99>5ms'",
                "figures: min p50 p90 p99 p99.9 max mean rate errors lost wrong",
            )
        };
        let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let found = COMPARES.iter().find_map(|(sign, compare)| {
            let (figure, limit) = bare.split_once(sign)?;
            Some((figure.to_owned(), *compare, limit.to_owned()))
        });
        let Some((figure, compare, limit)) = found else {
            return Err(bad("it takes a figure, > or <, and a limit"));
        };
        let figure = FigureName::of(&figure).ok_or_else(|| bad("there is no such figure"))?;
        let limit = if figure.is_a_time() {
            parse_duration(&limit).map_err(bad)?.as_secs_f64()
        } else {
            let bare = limit.strip_suffix("/s").unwrap_or(&limit);
            bare.parse().map_err(|_| bad("its limit is a number"))?
        };
        Ok(Condition { text: bare, figure, compare, limit })
    }

    /// What to say where it holds. A figure of nothing is over every limit: there is none to be content with.
    pub(super) fn check(&self, result: &Benched, is_one_of_several: bool) -> Option<String> {
        let name =
            if is_one_of_several { format!("{}: ", result.terms.name) } else { String::new() };
        let figure = self.text.split(['<', '>']).next().unwrap_or_default();
        if self.figure.is_a_time() && result.figures().done() == 0 {
            return Some(format!("{name}there is no {figure}, as nothing came back"));
        }
        let value = self.figure.value(result);
        let holds = match self.compare {
            Compare::Over => value > self.limit,
            Compare::OverOrEqual => value >= self.limit,
            Compare::Under => value < self.limit,
            Compare::UnderOrEqual => value <= self.limit,
        };
        let [value, limit] = [value, self.limit].map(|value| self.figure.shown(value));
        holds.then(|| format!("{name}{figure} was {value}, the limit is {limit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_with_and_without_spaces() {
        let read = |text: &str| Condition::read(text).unwrap_or_else(|error| panic!("{error:?}"));
        let p99 = read("p99 > 5ms");
        assert_eq!(
            (p99.figure, p99.compare, p99.limit),
            (FigureName::Share(0.99), Compare::Over, 0.005)
        );
        assert_eq!(read("p99.9>=1s").figure, FigureName::Share(0.999));
        let rate = read("rate<9000/s");
        assert_eq!(
            (rate.figure, rate.compare, rate.limit),
            (FigureName::Rate, Compare::Under, 9e3)
        );
        assert_eq!(read("errors>0").figure, FigureName::Errors);
        for text in ["p99", "p98>1ms", "p99>5", "p99>", "rate<x", "", ">5ms"] {
            let error = Condition::read(text).expect_err(text);
            assert!(!error.hints().is_empty(), "{text}");
        }
    }
}
