//! The dialogue that delivered a letter, as it is kept with it.

/// Lines of a dialogue at most, and bytes of a line.
const MAX_LINES: usize = 250;
const MAX_LINE: usize = 512;

/// What both sides said. A secret is not in it.
#[derive(Debug, Default)]
pub(super) struct MailScript {
    lines: Vec<String>,
    /// Lines that all letters of the conn share: its greeting, EHLO, AUTH.
    shared: usize,
}

impl MailScript {
    /// The client said this.
    pub(super) fn heard(&mut self, line: &[u8]) {
        let line = &line[..line.len().min(MAX_LINE)];
        self.add("> ", &String::from_utf8_lossy(line));
    }

    /// We answered this, with a line end behind each line.
    pub(super) fn said(&mut self, reply: &[u8]) {
        for line in String::from_utf8_lossy(reply).lines() {
            self.add("< ", line);
        }
    }

    /// A letter begins: what the letter before had of its own goes.
    pub(super) fn begin_letter(&mut self) {
        if self.shared == 0 {
            self.shared = self.lines.len();
        }
        self.lines.truncate(self.shared);
    }

    /// The lines, each with `> ` or `< ` before it.
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    fn add(&mut self, mark: &str, line: &str) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(format!("{mark}{line}"));
        } else if self.lines.len() == MAX_LINES {
            self.lines.push("...".to_owned());
        }
    }
}
