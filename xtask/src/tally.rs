//! Adding up what libtest prints and what tests say they left out.

use std::collections::BTreeSet;
use std::fmt;

/// `N passed, N failed, N skipped`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// Steps such as fmt have no tests to count, so that a failed one counts as one.
    pub(crate) fn with_failed_steps(self, steps: usize) -> Self {
        Self { failed: self.failed + steps, ..self }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Reads the output of `cargo test` line by line.
#[derive(Default)]
pub(crate) struct Reader {
    tally: Tally,
    passed: BTreeSet<String>,
    /// Tests of which libtest said that they take long, and not yet how they ended.
    long: BTreeSet<String>,
    is_running: bool,
    crashed: usize,
}

impl Reader {
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.tally.passed += count_before(result, "passed");
            self.tally.failed += count_before(result, "failed");
            self.tally.skipped += count_before(result, "ignored");
            self.is_running = false;
        } else if is_start(line) {
            self.crashed += usize::from(self.is_running);
            self.is_running = true;
            self.long.clear();
        } else if let Some(line) = line.strip_prefix("test ") {
            self.test(line);
        }
    }

    /// What libtest says of one test: `NAME ... ok`, `NAME has been running for over 60 seconds`.
    fn test(&mut self, line: &str) {
        if let Some((name, outcome)) = line.split_once(" ... ") {
            self.long.remove(name);
            if outcome == "ok" {
                self.passed.insert(name.to_owned());
            }
        } else if let Some((name, _)) = line.split_once(" has been running for over ") {
            self.long.insert(name.to_owned());
        }
    }

    /// Tests that take long and go on.
    pub(crate) fn running(&self) -> impl Iterator<Item = &str> {
        self.long.iter().map(String::as_str)
    }

    /// The sum. A skip that bears the name of a test means that the whole test was left out
    /// although libtest calls it passed; any other is a part of a test and counts besides.
    pub(crate) fn sum(&self, skips: &BTreeSet<Skip>) -> Tally {
        let names: BTreeSet<&str> = skips.iter().map(|skip| skip.name.as_str()).collect();
        let whole = names.iter().filter(|name| self.passed.contains(**name)).count();
        Tally {
            passed: self.tally.passed.saturating_sub(whole),
            skipped: self.tally.skipped + names.len(),
            ..self.tally
        }
    }

    /// How many test binaries began and never said how they ended.
    pub(crate) fn crashed(&self) -> usize {
        self.crashed + usize::from(self.is_running)
    }
}

/// `running 12 tests`, the first line of a test binary.
fn is_start(line: &str) -> bool {
    let words = line.strip_prefix("running ").and_then(|rest| rest.split_once(' '));
    words.is_some_and(|(count, word)| count.parse::<usize>().is_ok() && word.starts_with("test"))
}

/// `ok. 5 passed; 0 failed; ...`: the number before `word`.
fn count_before(result: &str, word: &str) -> usize {
    let words: Vec<&str> = result.split([' ', ';']).filter(|w| !w.is_empty()).collect();
    let found = words.windows(2).find(|pair| pair[1] == word);
    found.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

/// Something that a test left out: `hobnob-skip: NAME: REASON`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Skip {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl Skip {
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (name, reason) = line.trim_end().strip_prefix("hobnob-skip: ")?.split_once(": ")?;
        Some(Self { name: name.to_owned(), reason: reason.to_owned() })
    }

    /// Is it for want of a program, which must not happen in CI?
    pub(crate) fn is_missing_peer(&self, peers: &[&str]) -> bool {
        let mut words = self.reason.split(|c: char| !c.is_alphanumeric());
        self.reason.starts_with("missing") || words.any(|word| peers.contains(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test interop::telnet ... ok
test limits::case_04 ... FAILED
test slow ... ignored, takes an hour

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.12s

   Doc-tests hobnob

running 1 test
test crates/hobnob/src/lib.rs - (line 3) - compile ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    fn read(output: &str) -> Reader {
        let mut reader = Reader::default();
        output.lines().for_each(|line| reader.line(line));
        reader
    }

    fn skips(lines: &[&str]) -> BTreeSet<Skip> {
        lines.iter().filter_map(|line| Skip::parse(line)).collect()
    }

    #[test]
    fn result_lines_add_up() {
        let sum = read(OUTPUT).sum(&BTreeSet::new());
        assert_eq!(sum, Tally { passed: 2, failed: 1, skipped: 1 });
        assert_eq!(sum.to_string(), "2 passed, 1 failed, 1 skipped");
        assert_eq!(sum.with_failed_steps(2).failed, 3);
    }

    #[test]
    fn no_output_is_nothing_at_all() {
        assert_eq!(read("").sum(&BTreeSet::new()), Tally::default());
        assert_eq!(read("test result: a line that somebody prints").tally, Tally::default());
    }

    #[test]
    fn a_test_left_out_is_not_passed() {
        let skips = skips(&["hobnob-skip: interop::telnet: missing telnet"]);
        assert_eq!(read(OUTPUT).sum(&skips), Tally { passed: 1, failed: 1, skipped: 2 });
    }

    #[test]
    fn a_part_left_out_counts_besides_and_once() {
        let line = "hobnob-skip: grid::tcp6 x echo: no IPv6 here";
        assert_eq!(
            read(OUTPUT).sum(&skips(&[line, line])),
            Tally { passed: 2, failed: 1, skipped: 2 }
        );
    }

    #[test]
    fn a_binary_that_crashed_is_noticed() {
        assert_eq!(read(OUTPUT).crashed(), 0);
        assert_eq!(read("running 3 tests\ntest a ... ok\n").crashed(), 1);
        assert_eq!(read(&format!("running 3 tests\n{OUTPUT}")).crashed(), 1);
    }

    #[test]
    fn what_takes_long_is_known_until_it_ends() {
        let long = |name: &str| format!("test {name} has been running for over 60 seconds\n");
        let output = format!("running 3 tests\n{}{}test a::b ... ok\n", long("a::b"), long("a::c"));
        assert_eq!(read(&output).running().collect::<Vec<_>>(), ["a::c"]);
        assert_eq!(read(&format!("{output}running 1 test\n")).running().count(), 0);
    }

    #[test]
    fn skip_lines_keep_their_colons() {
        let skip = Skip::parse("hobnob-skip: interop::nc: bind: no\n").unwrap();
        assert_eq!((skip.name.as_str(), skip.reason.as_str()), ("interop::nc", "bind: no"));
        assert_eq!(Skip::parse("hobnob-skip: no reason"), None);
        assert_eq!(Skip::parse("skip: a: b"), None);
    }

    #[test]
    fn a_missing_peer_is_recognised() {
        let missing = |reason: &str| {
            Skip { name: String::new(), reason: reason.to_owned() }
                .is_missing_peer(&["nc", "socat"])
        };
        assert!(missing("missing openssl"));
        assert!(missing("socat is not installed"));
        assert!(!missing("no IPv6 on this machine"));
        assert!(!missing("needs synchronous frobs"));
    }
}
