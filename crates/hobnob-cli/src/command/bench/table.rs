//! Results as a table: for a document, or for a program that reads no JSON.

use std::fmt::Write as _;

use super::show::rounded;
use crate::report::benched::{Benched, SHARES};
use crate::report::show::fine;

/// Markdown: a row an address.
pub(super) fn markdown(results: &[Benched]) -> String {
    let mut text = String::from("| address | mode | connections | rate |");
    let shares: Vec<_> = SHARES.iter().map(|(name, _)| *name).collect();
    for name in shares.iter().copied().chain(["max", "lost", "wrong", "failed"]) {
        let _ = write!(text, " {name} |");
    }
    text.push('\n');
    text.push_str(&"| --- ".repeat(4 + shares.len() + 4));
    text.push_str("|\n");
    for result in results {
        let (terms, figures) = (&result.terms, result.figures());
        let _ = write!(
            text,
            "| `{}` | {} | {} | {} /s |",
            terms.address.replace('|', "\\|"),
            terms.mode.word(),
            terms.connections,
            rounded(result.rate())
        );
        for (_, share) in SHARES {
            let _ = write!(text, " {} |", fine(figures.latencies.share(share)));
        }
        let _ = writeln!(
            text,
            " {} | {} | {} | {} |",
            fine(figures.latencies.most()),
            figures.lost,
            figures.wrong,
            figures.failed()
        );
    }
    text
}

/// Comma-separated values (RFC 4180), times in microseconds.
pub(super) fn csv(results: &[Benched]) -> String {
    let mut text = String::from(
        "address,mode,connections,size,pipeline,seconds,done,per_second,sent,received,min_us,mean_us",
    );
    for (name, _) in SHARES {
        let _ = write!(text, ",{name}_us");
    }
    text.push_str(",max_us,lost,late,doubled,strange,wrong,failed,failed_here,unanswered\r\n");
    for result in results {
        let (terms, figures) = (&result.terms, result.figures());
        let latencies = &figures.latencies;
        let micros = |time: std::time::Duration| format!("{:.1}", time.as_secs_f64() * 1e6);
        let _ = write!(
            text,
            "{},{},{},{},{},{:.3},{},{:.1},{},{},{},{}",
            quoted(&terms.address),
            terms.mode.word(),
            terms.connections,
            terms.size,
            terms.depth,
            result.measured.lasted.as_secs_f64(),
            figures.done(),
            result.rate(),
            figures.sent,
            figures.received,
            micros(latencies.least()),
            micros(latencies.mean())
        );
        for (_, share) in SHARES {
            let _ = write!(text, ",{}", micros(latencies.share(share)));
        }
        let _ = write!(text, ",{}", micros(latencies.most()));
        for count in [
            figures.lost,
            figures.late,
            figures.doubled,
            figures.strange,
            figures.wrong,
            figures.failed(),
            figures.failed_here(),
            result.measured.unanswered,
        ] {
            let _ = write!(text, ",{count}");
        }
        text.push_str("\r\n");
    }
    text
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}
