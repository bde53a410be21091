//! Floating-point numbers as Python prints them.

/// The shortest digits that read back as the same number, laid out as Python's `repr` does: a point or an
/// exponent always (`68.0`), an exponent below 1e-4 and from 1e16 on, with a sign and two digits at least
/// (`1e-05`, `1e+16`).
///
/// Source: the documentation of Python's `sys.float_repr_style`, and `PyOS_double_to_string` of the C API.
pub(crate) fn python(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let number = number.abs();
    if number.is_infinite() {
        return format!("{sign}inf");
    }
    let (digits, exponent) = shortest(number);
    let places = exponent.unsigned_abs() as usize;
    match exponent {
        -4..0 => format!("{sign}0.{}{digits}", "0".repeat(places - 1)),
        0..16 => {
            let digits = format!("{digits:0<width$}", width = places + 2);
            let (whole, part) = digits.split_at(places + 1);
            format!("{sign}{whole}.{part}")
        }
        _ => {
            let (whole, part) = digits.split_at(1);
            let point = if part.is_empty() { "" } else { "." };
            let way = if exponent < 0 { '-' } else { '+' };
            format!("{sign}{whole}{point}{part}e{way}{places:02}")
        }
    }
}

/// Digits and decimal exponent of the first. Where a number lies half way between two shortest texts, Rust
/// takes the upper one; Python, and Rust's formatting with a precision, take the even one.
fn shortest(number: f64) -> (String, i32) {
    let upper = format!("{number:e}");
    let decimals = split(&upper).0.len() - 1;
    let even = format!("{number:.decimals$e}");
    // Next to a power of two the even one may read back as the neighbour.
    split(if even.parse() == Ok(number) { &even } else { &upper })
}

fn split(scientific: &str) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').expect("`{:e}` writes an exponent");
    (mantissa.replace('.', ""), exponent.parse().expect("of digits"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn known_numbers() {
        for (number, text) in [
            (68.0, "68.0"),
            (37.7 * 1.8 + 32.0, "99.86000000000001"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1e22, "1e+22"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (-1.25e-7, "-1.25e-07"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (1_058_045_044_977_504.0 + 0.25, "1058045044977504.2"),
        ] {
            assert_eq!(python(number), text);
        }
    }

    #[test]
    fn python_itself_agrees() {
        let numbers = samples();
        let Some(theirs) = ask_python(&numbers) else {
            println!("skipped: there is no python3 to compare with");
            return;
        };
        assert_eq!(theirs.lines().count(), numbers.len());
        for (number, theirs) in numbers.iter().zip(theirs.lines()) {
            assert_eq!(python(*number), theirs, "bits {:#x}", number.to_bits());
        }
    }

    /// Any bits, everyday temperatures, and all powers of two and ten, where shortest digits are hardest.
    fn samples() -> Vec<f64> {
        let mut chance = fastrand::Rng::with_seed(20);
        let mut numbers: Vec<f64> = (0..8_000).map(|_| f64::from_bits(chance.u64(..))).collect();
        numbers.extend((0..8_000).map(|_| f64::from(chance.i32(-99_999..99_999)) / 100.0 * 1.8));
        numbers.extend((0..8_000).map(|_| f64::from(chance.u32(..)) + 1e15 + 0.25)); // ties
        numbers.extend((-1_074..1_024).map(|power| 2f64.powi(power)));
        numbers.extend((-323..309).map(|power| format!("1e{power}").parse().unwrap_or(0.0)));
        numbers.retain(|number| number.is_finite());
        numbers
    }

    fn ask_python(numbers: &[f64]) -> Option<String> {
        let script = "import struct, sys\n\
                      for line in sys.stdin:\n    \
                      print(repr(struct.unpack('>d', bytes.fromhex(line))[0]))";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let lines: Vec<_> = numbers.iter().map(|n| format!("{:016x}\n", n.to_bits())).collect();
        let mut stdin = python.stdin.take().expect("it was piped");
        let writer = std::thread::spawn(move || stdin.write_all(lines.concat().as_bytes()));
        let output = python.wait_with_output().expect("python3 ran");
        writer.join().expect("no panic").expect("python3 reads all");
        assert!(output.status.success(), "python3 failed");
        Some(String::from_utf8(output.stdout).expect("digits"))
    }
}
