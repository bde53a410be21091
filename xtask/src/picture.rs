//! The README's picture: `hobnob demo` in a terminal of 80 by 24, as it was written there and when.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use crate::steps::cargo;

const PATH: &str = "docs/picture.svg";
const TITLE: &str = "hobnob demo playing by itself: a real run";
/// The last thing that is shown before it waits.
const LAST: &str = "hobnob fault lossy loss=50%\r\n";
const COLUMNS: usize = 80;
const ROWS: usize = 24;
/// Pixels of a cell, of the frame, and how far a letter's foot is below the top of its line.
const CELL: (f64, f64) = (7.8, 17.0);
const FRAME: f64 = 12.0;
const FOOT: f64 = 13.0;
/// How long the end stays before it begins again.
const STAY: Duration = Duration::from_secs(6);

/// A line with the time when it was written.
struct Line {
    at: Duration,
    text: String,
}

/// Makes it anew, from this program where one is named, else from one that is built now.
pub(crate) fn run(program: Option<&str>) -> ExitCode {
    let build = || Command::new(cargo()).args(["build", "-p", "hobnob-cli"]).status();
    if program.is_none() && !build().is_ok_and(|status| status.success()) {
        return ExitCode::FAILURE;
    }
    match record(program.unwrap_or("target/debug/hobnob"))
        .and_then(|lines| std::fs::write(PATH, drawn(&lines)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: picture: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays it in a terminal of script(1).
fn record(program: &str) -> std::io::Result<Vec<Line>> {
    let home = std::env::temp_dir().join(format!("hobnob-picture-{}", std::process::id()));
    std::fs::create_dir_all(&home)?;
    let play = format!("stty cols {COLUMNS} rows {ROWS}; exec {program} demo");
    let mut child = Command::new("script")
        .args(["-qfec", &play, "/dev/null"])
        .env("HOME", &home)
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env_remove("XDG_STATE_HOME")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (began, mut buffer) = (Instant::now(), [0; 4_096]);
    let (mut lines, mut open, mut all) = (Vec::new(), String::new(), String::new());
    while !all.contains(LAST) {
        let length = screen.read(&mut buffer)?;
        if length == 0 {
            return Err(std::io::Error::other(format!("it ended before it waited:\n{all}")));
        }
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        all.push_str(&text);
        open.push_str(&text);
        while let Some(end) = open.find("\r\n") {
            lines.push(Line { at: began.elapsed(), text: open[..end].to_owned() });
            open.drain(..end + 2);
        }
    }
    // Ctrl-C, as a person types it.
    keys.write_all(b"\x03")?;
    std::io::copy(&mut screen, &mut std::io::sink())?;
    child.wait()?;
    let _ = std::fs::remove_dir_all(home);
    Ok(lines)
}

/// The picture. Without animation the end of it is seen.
fn drawn(lines: &[Line]) -> String {
    let length = lines.last().map_or(STAY, |last| last.at + STAY).as_secs_f64();
    let ((cell, height), rows) = (CELL, ROWS + 1);
    #[allow(clippy::cast_precision_loss, reason = "a few dozen lines")]
    let (width, tall) = (COLUMNS as f64 * cell + 2.0 * FRAME, rows as f64 * height + 2.0 * FRAME);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{tall:.0}\" \
         viewBox=\"0 0 {width:.0} {tall:.0}\" font-family=\"ui-monospace, SFMono-Regular, Menlo, \
         Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\">\n<title>{TITLE}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1c1f24\"/>\n\
         <clipPath id=\"screen\"><rect x=\"0\" y=\"{FRAME}\" width=\"{width:.0}\" \
         height=\"{:.0}\"/></clipPath>\n<g clip-path=\"url(#screen)\"><g>\n",
        tall - 2.0 * FRAME
    );
    scroll(&mut out, lines, length);
    let command = Line { at: Duration::ZERO, text: "$ hobnob demo".to_owned() };
    for (row, line) in [&command].into_iter().chain(lines).enumerate() {
        #[allow(clippy::cast_precision_loss, reason = "a few dozen lines")]
        let y = FRAME + FOOT + row as f64 * height;
        draw_line(&mut out, line, y, length);
    }
    out.push_str("</g></g>\n</svg>\n");
    out
}

/// What moves the lines up once the screen is full.
fn scroll(out: &mut String, lines: &[Line], length: f64) {
    let (mut places, mut times) = ("0 0".to_owned(), "0".to_owned());
    for (row, line) in lines.iter().enumerate().filter(|(row, _)| *row >= ROWS) {
        #[allow(clippy::cast_precision_loss, reason = "a few dozen lines")]
        let up = (row + 1 - ROWS) as f64 * CELL.1;
        let _ = write!(places, ";0 -{up:.0}");
        let _ = write!(times, ";{:.4}", line.at.as_secs_f64() / length);
    }
    let last = places.rsplit(';').next().unwrap_or_default();
    // The last place is also where it stands without animation.
    let stand = format!("<g transform=\"translate({last})\">\n");
    out.truncate(out.trim_end().len() - "<g>".len());
    out.push_str(&stand);
    let _ = writeln!(
        out,
        "<animateTransform attributeName=\"transform\" type=\"translate\" calcMode=\"discrete\" \
         values=\"{places}\" keyTimes=\"{times}\" dur=\"{length:.2}s\" repeatCount=\"indefinite\"/>"
    );
}

fn draw_line(out: &mut String, line: &Line, y: f64, length: f64) {
    let mut drawn = String::new();
    let mut column = 0;
    for (paint, text) in runs(&line.text) {
        #[allow(clippy::cast_precision_loss, reason = "eighty columns")]
        let x = FRAME + column as f64 * CELL.0;
        column += text.chars().count();
        if text.trim().is_empty() {
            continue;
        }
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(
            drawn,
            "<text x=\"{x:.1}\" y=\"{y:.0}\" {paint} xml:space=\"preserve\">{text}</text>"
        );
    }
    if drawn.is_empty() {
        return;
    }
    let at = line.at.as_secs_f64() / length;
    let _ = writeln!(
        out,
        "<g>{drawn}<animate attributeName=\"visibility\" values=\"hidden;visible\" \
         keyTimes=\"0;{at:.4}\" calcMode=\"discrete\" dur=\"{length:.2}s\" \
         repeatCount=\"indefinite\"/></g>"
    );
}

/// The text in its colours, which are those that `report/look.rs` has.
fn runs(text: &str) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    for (number, piece) in text.split("\x1b[").enumerate() {
        let (code, rest) = match (number, piece.split_once('m')) {
            (0, _) | (_, None) => ("0", piece),
            (_, Some(split)) => split,
        };
        let paint = match code {
            "1;31" => "fill=\"#e06c75\" font-weight=\"bold\"",
            "36" => "fill=\"#6cc7d9\"",
            "2" => "fill=\"#8a9099\"",
            "32" => "fill=\"#9ecf7f\"",
            "1" => "fill=\"#ffffff\" font-weight=\"bold\"",
            _ => "fill=\"#d7dae0\"",
        };
        all.push((paint, rest.to_owned()));
    }
    all
}
