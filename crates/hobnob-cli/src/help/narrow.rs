//! Pages and lists on a terminal of fewer columns than they are made for.

use crate::report::show::{fold, width};

/// Columns before what is said of a name, where it does not fit beside it.
const BELOW: usize = 4;
/// From so many spaces on a line goes on with what stands in a second column.
const SECOND: usize = 12;

/// The page in so few columns: sentences flow, and a second column stands below the first.
pub(super) fn narrowed(text: &str, columns: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    let (mut prose, mut is_fenced) = (String::new(), false);
    for line in text.lines() {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        let line = line.replace('`', "");
        let is_prose = !is_fenced && !line.is_empty() && !line.starts_with([' ', '#']);
        if is_prose && !line.contains("  ") {
            let between = if prose.is_empty() { "" } else { " " };
            prose = format!("{prose}{between}{line}");
            continue;
        }
        if !prose.is_empty() {
            out.extend(fold(&std::mem::take(&mut prose), columns));
        }
        if !is_fence {
            in_columns(&mut out, &line, columns);
        }
    }
    if !prose.is_empty() {
        out.extend(fold(&prose, columns));
    }
    out.join("\n") + "\n"
}

/// A list whose lines have their words in columns, in so few of them: a second column stands below the first.
pub(crate) fn listed(text: &str, columns: usize) -> String {
    let mut out = Vec::new();
    text.lines().for_each(|line| in_columns(&mut out, line, columns));
    out.join("\n") + "\n"
}

/// A line whose words stand in columns.
fn in_columns(out: &mut Vec<String>, line: &str, columns: usize) {
    let words = line.trim_start();
    let indent = line.len() - words.len();
    if indent >= SECOND {
        return indented(out, words, BELOW, columns);
    }
    if width(line) <= columns {
        return out.push(line.to_owned());
    }
    let all = words.split("  ").map(str::trim).filter(|words| !words.is_empty());
    for (at, words) in all.enumerate() {
        indented(out, words, if at == 0 { indent } else { BELOW }, columns);
    }
}

fn indented(out: &mut Vec<String>, text: &str, indent: usize, columns: usize) {
    let lines = fold(text, columns - indent).into_iter();
    out.extend(lines.map(|line| format!("{:indent$}{}", "", line.trim())));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_flow_and_a_second_column_stands_below_the_first() {
        let page = "# Title\n\nhobnob x ADDR\n\n  hobnob x :9000        what it does here\n\n\
            One sentence that goes on\nover `two` lines of the page.\n\n```\n  a=1     says what\n\
            \x20              a is for\n```\n";
        let expected = "# Title\n\nhobnob x ADDR\n\n  hobnob x :9000\n    what it does here\n\n\
            One sentence that goes on over\ntwo lines of the page.\n\n  a=1     says what\n\
            \x20   a is for\n";
        assert_eq!(narrowed(page, 30), expected);
    }
}
