//! A command line that is not finished: which verb it has, which flag waits for its value, and how many words there are.

use clap::{Arg, Command};

/// What stands before the word that is to be completed.
pub(super) struct Unfinished<'p> {
    /// The verb, once there is one; before that the whole program.
    pub(super) scope: &'p Command,
    pub(super) verb: Option<&'p str>,
    /// The flag whose value the last word is.
    pub(super) flag: Option<&'p Arg>,
    /// The words before the last that are no flags and no values of flags, without the verb.
    pub(super) words: Vec<&'p str>,
    /// The last word, as far as it is a value or a word.
    pub(super) last: &'p str,
    /// What stands before it in the same word: `--color=`.
    pub(super) before: &'p str,
    /// No flags come any more.
    pub(super) is_plain: bool,
}

impl<'p> Unfinished<'p> {
    pub(super) fn of(program: &'p Command, words: &'p [String]) -> Self {
        let (last, earlier) = words.split_last().map_or(("", words), |(last, all)| (last, all));
        let (scope, words) = (program, Vec::new());
        let mut typed =
            Unfinished { scope, verb: None, flag: None, words, last, before: "", is_plain: false };
        for word in earlier {
            typed.pass(word);
        }
        if typed.flag.is_none()
            && !typed.is_plain
            && let Some(equals) = last.find('=').filter(|_| last.starts_with("--"))
        {
            typed.flag = typed.named(&last[..equals]).filter(|flag| takes_value(flag));
            if typed.flag.is_some() {
                (typed.before, typed.last) = last.split_at(equals + 1);
            }
        }
        typed
    }

    fn pass(&mut self, word: &'p str) {
        if self.flag.take().is_some() {
            return;
        }
        if word == "--" {
            self.is_plain = true;
        } else if word.starts_with('-') && word.len() > 1 && !self.is_plain {
            self.flag = self.named(word).filter(|flag| takes_value(flag));
        } else if self.verb.is_none() {
            self.verb = Some(word);
            self.scope = self.scope.find_subcommand(word).unwrap_or(self.scope);
        } else {
            self.words.push(word);
        }
    }

    /// The flag that is spelt so.
    fn named(&self, spelt: &str) -> Option<&'p Arg> {
        let is_it = |flag: &&Arg| match (spelt.strip_prefix("--"), spelt.strip_prefix('-')) {
            (Some(long), _) => flag.get_long() == Some(long),
            (None, short) => flag.get_short().map(String::from).as_deref() == short,
        };
        self.scope.get_arguments().find(is_it)
    }
}

pub(super) fn takes_value(flag: &Arg) -> bool {
    flag.get_action().takes_values()
}

/// The words as they were typed, which bash hands on cut at `:` and `=`.
pub(super) fn joined(words: &[String]) -> Vec<String> {
    let is_mark = |word: &str| !word.is_empty() && word.chars().all(|c| c == ':' || c == '=');
    let mut all: Vec<String> = Vec::new();
    let mut joins = false;
    for word in words {
        match all.last_mut() {
            Some(last) if joins || is_mark(word) => last.push_str(word),
            _ => all.push(word.clone()),
        }
        joins = is_mark(word);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bash_cuts_is_one_word_again() {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let cut = words(&["relay", ":", "9001", "--fault", "up", ":", "latency", "=", "1s", ""]);
        // Where one word ends and the next begins with a mark, bash does not tell.
        assert_eq!(joined(&cut), words(&["relay:9001", "--fault", "up:latency=1s", ""]));
        assert_eq!(joined(&words(&["talk", "--color", "=", ""])), words(&["talk", "--color="]));
    }
}
