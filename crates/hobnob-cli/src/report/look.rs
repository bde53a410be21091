//! How it looks: colour, glyphs, and the view of bytes.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use hobnob::streams;

use crate::env::Environment;
use crate::report::show::{fold, width};

/// Columns that a page has, and an error.
const COLUMNS: usize = 80;
/// In fewer columns a terminal wraps the lines by itself.
const LEAST: usize = 20;

/// Cells of a line of stdout's terminal, as of now: it may have been made wider or narrower.
pub(crate) fn columns_now() -> usize {
    streams::columns(&std::io::stdout()).unwrap_or(COLUMNS)
}

/// How bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum View {
    /// Text, with what could drive a terminal escaped.
    #[default]
    Text,
    /// A hex dump.
    Hex,
    /// As they are. The person asked for it.
    Raw,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ColorWish {
    /// As the environment and the terminal say.
    #[default]
    Auto,
    /// Also into a pipe.
    Always,
    /// Not at all.
    Never,
}

impl ColorWish {
    /// The wish behind the word; one that is none of them wishes nothing.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "always" => ColorWish::Always,
            "never" => ColorWish::Never,
            _ => ColorWish::Auto,
        }
    }
}

/// One of the sixteen colours, so that every terminal's own palette decides.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paint {
    /// `error[...]`.
    RedBold,
    /// What can be pasted.
    Cyan,
    /// What is secondary: times, escapes, sizes.
    Dim,
    /// What came in.
    Green,
    /// Headings.
    Bold,
}

/// Colour and glyphs of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    /// ANSI colours.
    pub(crate) color: bool,
    /// `>` and `<` for the gutter.
    pub(crate) ascii: bool,
    /// Cells of a line of its terminal, where there is one that says so.
    pub(crate) cells: Option<usize>,
}

impl Look {
    /// The look of a stream: flag, then variable, then whether it is a terminal.
    pub(crate) fn of(
        stream: &(impl IsTerminal + AsFd),
        wish: ColorWish,
        ascii: bool,
        environment: &Environment,
    ) -> Self {
        let color = match wish {
            ColorWish::Always => true,
            ColorWish::Never => false,
            ColorWish::Auto => environment.color.unwrap_or_else(|| stream.is_terminal()),
        };
        let ascii = ascii || environment.ascii.unwrap_or(environment.is_plain);
        Look { color, ascii, cells: streams::columns(stream) }
    }

    /// Columns for what is said: those of a page, or of a terminal that is narrower.
    pub(crate) fn columns(self) -> usize {
        self.cells.map_or(COLUMNS, |cells| cells.clamp(LEAST, COLUMNS))
    }

    /// Lines broken at words where the terminal has not the room for them; elsewhere they stay as they are.
    pub(crate) fn broken(self, text: &str) -> String {
        let cells = self.cells.unwrap_or(usize::MAX);
        let broken = |line: &str| {
            if width(line) <= cells { vec![line.to_owned()] } else { fold(line, cells) }
        };
        text.lines().flat_map(broken).collect::<Vec<_>>().join("\n")
    }

    /// Whether a line of a page does not fit.
    pub(crate) fn is_narrow(self) -> bool {
        self.columns() < COLUMNS
    }

    /// The gutter of what we sent. East-Asian neutral width, so columns hold everywhere.
    pub(crate) fn sent(self) -> &'static str {
        if self.ascii { ">" } else { "»" }
    }

    /// The gutter of what came.
    pub(crate) fn received(self) -> &'static str {
        if self.ascii { "<" } else { "«" }
    }

    /// The text in a colour, where there are colours.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::RedBold => "1;31",
            Paint::Cyan => "36",
            Paint::Dim => "2",
            Paint::Green => "32",
            Paint::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
