//! The tutorials' temperature server: Celsius to Fahrenheit, and back.

use super::{Ask, Door, Made, Reply, Responder, ServiceRow};
use crate::codec::float;
use crate::codec::template::Template;
use crate::spec::{OptionSpec, Options, Shape, Spec, ValueKind};

/// The row of the table.
pub(crate) static ROW: ServiceRow = ServiceRow {
    spec: &Spec {
        name: "temp",
        summary: "20 C -> 68 F, 68 F -> 20 C",
        options: &[OptionSpec {
            name: "reply",
            kind: ValueKind::Escaped,
            default: "{}",
            help: "its answer; the other temperature goes in place of each {}",
        }],
        examples: &["hobnob serve temp udp://:9998", "hobnob serve temp --reply 'That is {}.'"],
        is_built_in: true,
    },
    doors: &[Door::only(9000, &[Shape::Bytes, Shape::Packets])],
    is_loud: false,
    make: Some(|options| Ok(Made::Responder(Box::new(Temperature::new(options))))),
};

/// The answer to anything that is no temperature. It repeats nothing of what came.
const UNDERSTOOD: &[u8] = b"I understand 20 (Celsius), 20C and 68F.";

/// The most bytes of a temperature. No person writes a longer one.
const LONGEST: usize = 64;

struct Temperature {
    reply: Template,
}

impl Temperature {
    fn new(options: &Options) -> Self {
        Temperature { reply: Template::new(options.bytes("reply").unwrap_or_default()) }
    }
}

impl Responder for Temperature {
    fn answer(&self, ask: &Ask<'_>, out: &mut Reply) {
        match convert(ask.message) {
            Some(answer) => self.reply.fill(answer.as_bytes(), |part| out.push(part)),
            None => out.push(UNDERSTOOD),
        }
    }

    fn says_lines(&self) -> bool {
        self.reply.is_one_line()
    }
}

/// The other temperature. A bare number is Celsius and gets a bare number, as the tutorials have it.
fn convert(message: &[u8]) -> Option<String> {
    if message.len() > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(message).ok()?.trim();
    let (number, scale) = match text.strip_suffix(['C', 'c', '℃']) {
        Some(number) => (number, Scale::Celsius),
        None => match text.strip_suffix(['F', 'f', '℉']) {
            Some(number) => (number, Scale::Fahrenheit),
            None => (text, Scale::Unsaid),
        },
    };
    let number = match scale {
        Scale::Unsaid => number,
        _ => number.trim_end().trim_end_matches('°').trim_end(),
    };
    let number = read(number)?;
    // In this order of operations, so that every digit is the tutorials'.
    let (converted, unit) = match scale {
        Scale::Unsaid => (number * 1.8 + 32.0, ""),
        Scale::Celsius => (number * 1.8 + 32.0, " F"),
        Scale::Fahrenheit => ((number - 32.0) / 1.8, " C"),
    };
    converted.is_finite().then(|| float::python(converted) + unit)
}

#[derive(Clone, Copy)]
enum Scale {
    Unsaid,
    Celsius,
    Fahrenheit,
}

/// A number in digits: `inf` and `nan`, which Rust would read too, are no temperatures.
fn read(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    text.parse().ok().filter(|number: &f64| is_plain && number.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{answer, make};
    use super::*;

    fn convert(message: &str) -> Option<String> {
        super::convert(message.as_bytes())
    }

    #[test]
    fn a_bare_number_is_celsius_as_python_would_print_it() {
        for (celsius, fahrenheit) in [
            ("20", "68.0"),
            ("37.7", "99.86000000000001"),
            ("-40", "-40.0"),
            ("-0", "32.0"),
            (" 20\r", "68.0"),
            ("1e22", "1.8e+22"),
            (".5", "32.9"),
        ] {
            assert_eq!(convert(celsius).as_deref(), Some(fahrenheit), "{celsius}");
        }
    }

    #[test]
    fn a_unit_goes_either_way() {
        for (asked, answer) in [
            ("20C", "68.0 F"),
            ("20 c", "68.0 F"),
            ("20°C", "68.0 F"),
            ("20 ° C", "68.0 F"),
            ("20℃", "68.0 F"),
            ("68F", "20.0 C"),
            ("68 °f", "20.0 C"),
            ("98.6F", "36.99999999999999 C"),
        ] {
            assert_eq!(convert(asked).as_deref(), Some(answer), "{asked}");
        }
    }

    #[test]
    fn anything_else_is_told_what_is_understood() {
        let temp = make(&ROW, &[("reply", "That is {}.")]);
        let long = "1".repeat(LONGEST + 1);
        for asked in
            ["", "hot", "inf", "nan", "1e400", "1e308", "20K", "C", "°", "20°", "--1", &long]
        {
            let reply = answer(&*temp, Shape::Bytes, asked.as_bytes());
            assert_eq!(reply.bytes(), UNDERSTOOD, "{asked}");
        }
        assert_eq!(answer(&*temp, Shape::Packets, b"20").bytes(), b"That is 68.0.");
    }

    proptest! {
        #[test]
        fn any_bytes_get_one_short_line(message in proptest::collection::vec(any::<u8>(), 0..80)) {
            let temp = make(&ROW, &[]);
            let reply = answer(&*temp, Shape::Bytes, &message);
            prop_assert!(reply.is_said() && reply.bytes().len() <= 64);
            prop_assert!(!reply.bytes().contains(&b'\n'));
        }
    }
}
