//! Two measured in turn: how many times one is the other, with the interval that the true ratio is in, and when the two
//! are to be called equal.

/// Figures of two that were measured in turn, round by round of the contest.
///
/// A machine's speed drifts, so that only what was measured one right after the other can be compared: the ratio is taken
/// in each round, and its spread over the rounds tells how far it can be trusted.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Contest {
    /// The logarithm of each round's ratio, so that twice as much and half as much are as far from equal.
    logs: Vec<f64>,
}

/// How many times one is the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The geometric mean of the rounds.
    pub middle: f64,
    /// The ends of the interval that has the true ratio in it 19 times of 20, as far as the rounds are independent.
    pub least: f64,
    /// The other end.
    pub most: f64,
    /// How many rounds were compared.
    pub rounds: usize,
}

impl Contest {
    /// A round: a figure of one, and the same of the other. Figures that are not positive cannot be compared, and are left
    /// out.
    pub fn add(&mut self, one: f64, other: f64) {
        let log = (one / other).ln();
        if log.is_finite() {
            self.logs.push(log);
        }
    }

    /// How many times one is the other; none before there are two rounds.
    pub fn ratio(&self) -> Option<Ratio> {
        let rounds = self.logs.len();
        if rounds < 2 {
            return None;
        }
        #[allow(clippy::cast_precision_loss, reason = "a contest has some rounds")]
        let count = rounds as f64;
        let mean = self.logs.iter().sum::<f64>() / count;
        let variance =
            self.logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let half = student(rounds - 1) * (variance / count).sqrt();
        let [middle, least, most] = [mean, mean - half, mean + half].map(f64::exp);
        Some(Ratio { middle, least, most, rounds })
    }
}

impl Ratio {
    /// Whether no difference was found: the interval has 1 in it, or the two differ by less than `margin`, as 0.02.
    pub fn is_a_tie(&self, margin: f64) -> bool {
        let is_within = self.least <= 1.0 && self.most >= 1.0;
        is_within || self.middle.ln().abs() < (1.0 + margin).ln()
    }

    /// The same the other way round.
    pub fn inverse(self) -> Self {
        let Ratio { middle, least, most, rounds } = self;
        Ratio { middle: 1.0 / middle, least: 1.0 / most, most: 1.0 / least, rounds }
    }

    /// Half of the interval.
    pub fn spread(&self) -> f64 {
        (self.most - self.least) / 2.0
    }
}

/// The quantile 0.975 of Student's t for so many degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods,
/// 1.3.6.7.2); above thirty it is as good as that of the normal distribution with a correction.
fn student(freedom: usize) -> f64 {
    const TABLE: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    #[allow(clippy::cast_precision_loss, reason = "a contest has some rounds")]
    let beyond = || 1.96 + 2.5 / freedom as f64;
    TABLE.get(freedom.saturating_sub(1)).copied().unwrap_or_else(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures around a true ratio, with noise of so much, from a seed.
    fn contest(seed: u64, truth: f64, noise: f64, rounds: usize) -> Ratio {
        let mut chance = fastrand::Rng::with_seed(seed);
        let mut contest = Contest::default();
        for _ in 0..rounds {
            // The machine drifts by half, both alike.
            let drift = 1.0 + chance.f64() / 2.0;
            let mut noisy = |figure: f64| figure * drift * (1.0 + noise * (chance.f64() - 0.5));
            let (one, other) = (noisy(truth), noisy(1.0));
            contest.add(one, other);
        }
        contest.ratio().expect("enough rounds")
    }

    #[test]
    fn equals_are_called_equal_and_a_tenth_is_told() {
        let ties = (0..200).filter(|seed| contest(*seed, 1.0, 0.1, 10).is_a_tie(0.02)).count();
        assert!(ties >= 190, "{ties} of 200 equals were called equal");
        let told = |seed: &u64| {
            let ratio = contest(*seed, 1.1, 0.1, 10);
            !ratio.is_a_tie(0.02) && ratio.least > 1.0
        };
        let told = (0..200).filter(told).count();
        assert!(told >= 180, "{told} of 200 differences of a tenth were told");
    }

    #[test]
    fn the_interval_holds_the_truth_and_turns_round() {
        let held = (0..200).map(|seed| contest(seed, 2.0, 0.2, 8));
        let held = held.filter(|ratio| ratio.least <= 2.0 && ratio.most >= 2.0).count();
        assert!(held >= 180, "{held} of 200");
        let ratio = contest(1, 2.0, 0.1, 8);
        let inverse = ratio.inverse();
        assert!((inverse.middle * ratio.middle - 1.0).abs() < 1e-9 && inverse.most < 1.0);
    }

    #[test]
    fn one_round_tells_nothing_and_nothing_is_not_compared() {
        let mut contest = Contest::default();
        contest.add(3.0, 0.0);
        contest.add(0.0, 3.0);
        contest.add(3.0, 1.0);
        assert_eq!(contest.ratio(), None);
        contest.add(3.0, 1.0);
        let ratio = contest.ratio().expect("two rounds");
        assert!((ratio.middle - 3.0).abs() < 1e-9 && ratio.spread() < 1e-9 && ratio.rounds == 2);
    }
}
