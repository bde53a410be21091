//! Bars and sparklines in cells of a terminal.

/// Eighths of a cell, by which a bar is finer than its cells.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
/// Heights of a cell of a sparkline, the least first.
const DOTS: [char; 4] = ['⣀', '⣤', '⣶', '⣿'];
const ASCII_DOTS: [char; 4] = ['.', ':', '+', '#'];

/// A bar of a share of so many cells. What is not nothing is seen.
pub(crate) fn bar(share: f64, cells: usize, is_ascii: bool) -> String {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a bar has some cells"
    )]
    let eighths = (share.clamp(0.0, 1.0) * cells as f64 * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1).min(cells * 8) } else { 0 };
    if is_ascii {
        return "=".repeat(eighths.div_ceil(8));
    }
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Values as heights between nothing and the most of them, the latest last; of more than `cells` values each cell shows the
/// most of some neighbours.
pub(crate) fn sparkline(values: &[f64], cells: usize, is_ascii: bool) -> String {
    let heights = if is_ascii { ASCII_DOTS } else { DOTS };
    let most = values.iter().copied().fold(0.0, f64::max);
    if most <= 0.0 || cells == 0 {
        return String::new();
    }
    let each = values.len().div_ceil(cells).max(1);
    let height = |chunk: &[f64]| {
        let value = chunk.iter().copied().fold(0.0, f64::max);
        if value <= 0.0 {
            return ' ';
        }
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "one of four heights"
        )]
        let at = (value / most * 4.0).ceil() as usize;
        heights[at.clamp(1, heights.len()) - 1]
    };
    values.chunks(each).map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_and_what_is_there_is_seen() {
        assert_eq!(bar(1.0, 4, false), "████");
        assert_eq!(bar(0.47, 30, false), "██████████████▏");
        assert_eq!((bar(0.000_1, 30, false), bar(0.0, 30, false)), ("▏".to_owned(), String::new()));
        assert_eq!((bar(1.0, 0, false), bar(1.0, 0, true)), (String::new(), String::new()));
        assert_eq!((bar(0.5, 10, true), bar(0.01, 10, true)), ("=====".to_owned(), "=".to_owned()));
    }

    #[test]
    fn a_sparkline_has_no_more_cells_than_it_may() {
        assert_eq!(sparkline(&[1.0, 2.0, 3.0, 4.0], 10, false), "⣀⣤⣶⣿");
        assert_eq!(sparkline(&[1.0, 2.0, 3.0, 4.0], 2, true), ":#");
        assert_eq!(sparkline(&[0.0, 0.0], 10, false), "");
        assert_eq!(sparkline(&[2.0, 0.0, 1.0], 10, true), "# :");
    }
}
