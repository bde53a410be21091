//! A text with places for the message: `Hello, {}!`.

/// A text in which each `{}` stands for the message. Read once, so that filling it in is only copying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// The text without its `{}`.
    text: Box<[u8]>,
    /// Where in `text` the message goes, in rising order.
    holes: Box<[usize]>,
}

impl Template {
    /// Reads a template. A text without `{}` is a fixed answer.
    pub(crate) fn new(text: &[u8]) -> Self {
        let (mut kept, mut holes, mut rest) = (Vec::with_capacity(text.len()), Vec::new(), text);
        while let Some(at) = memchr::memmem::find(rest, b"{}") {
            kept.extend_from_slice(&rest[..at]);
            holes.push(kept.len());
            rest = &rest[at + 2..];
        }
        kept.extend_from_slice(rest);
        Template { text: kept.into(), holes: holes.into() }
    }

    /// Whether all of it is one line, whatever line is filled in.
    pub(crate) fn is_one_line(&self) -> bool {
        !self.text.contains(&b'\n')
    }

    /// Hands out the parts of the filled text in their order, at least one, perhaps an empty one.
    pub(crate) fn fill(&self, message: &[u8], mut push: impl FnMut(&[u8])) {
        let mut from = 0;
        for &hole in &self.holes {
            push(&self.text[from..hole]);
            push(message);
            from = hole;
        }
        push(&self.text[from..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str, message: &str) -> String {
        let mut out = Vec::new();
        Template::new(text.as_bytes()).fill(message.as_bytes(), |part| out.extend_from_slice(part));
        String::from_utf8(out).expect("both were text")
    }

    #[test]
    fn each_hole_takes_the_message() {
        assert_eq!(filled("Hello, {}!", "张三"), "Hello, 张三!");
        assert_eq!(filled("{}{} and {}", "x"), "xx and x");
        assert_eq!(filled("{}", ""), "");
    }

    #[test]
    fn without_a_hole_it_is_fixed() {
        assert_eq!(filled("OK", "x"), "OK");
        assert_eq!(filled("", "x"), "");
        assert_eq!(filled("{ } {", "x"), "{ } {");
    }

    #[test]
    fn a_newline_of_its_own_makes_it_more_than_a_line() {
        assert!(Template::new(b"Hello, {}!").is_one_line());
        assert!(!Template::new(b"Hello,\n{}!").is_one_line());
        assert!(!Template::new(b"{}\n").is_one_line());
    }

    #[test]
    fn holes_in_the_message_stay_text() {
        assert_eq!(filled("<{}>", "{}"), "<{}>");
        assert_eq!(filled("{{}}", "x"), "{x}");
    }
}
