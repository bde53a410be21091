//! HTML of a letter, made harmless. The answer that carries it forbids scripts and loads already; what a browser does before
//! it asks any policy, or beside it, is taken out here: a name that is looked up, a conn that is opened ahead of time.

/// Elements that act without being looked at.
const ACTING: [&str; 11] = [
    "applet", "base", "embed", "form", "frame", "frameset", "iframe", "link", "meta", "object",
    "script",
];

/// The same HTML, in which no such element begins: it has another name, which no browser knows.
pub(super) fn harmless(html: &str) -> String {
    let mut out = String::with_capacity(html.len() + 16);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, after) = rest.split_at(at + 1);
        out.push_str(before);
        let is_end = |c: char| !c.is_ascii_alphanumeric();
        let name = after.strip_prefix('/').unwrap_or(after);
        let name = &name[..name.find(is_end).unwrap_or(name.len())];
        if ACTING.iter().any(|acting| name.eq_ignore_ascii_case(acting)) {
            let slash = if after.starts_with('/') { "/" } else { "" };
            out.push_str(slash);
            out.push_str("x-");
            out.push_str(name);
            if slash.is_empty() && name.eq_ignore_ascii_case("script") {
                // What is in it is no text to be read.
                out.push_str(" hidden");
            }
            rest = &after[slash.len() + name.len()..];
        } else {
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_that_act_have_another_name_and_the_rest_stays() {
        for (html, shown) in [
            ("<p>1 < 2 <b>x</b></p>", "<p>1 < 2 <b>x</b></p>"),
            ("<script>x()</script>", "<x-script hidden>x()</x-script>"),
            ("<LINK rel=preconnect href=//a>", "<x-LINK rel=preconnect href=//a>"),
            ("<meta\nhttp-equiv=refresh>", "<x-meta\nhttp-equiv=refresh>"),
            ("<<script/src=x>", "<<x-script hidden/src=x>"),
            ("<metadata><linker>", "<metadata><linker>"),
            ("<svg><script>1</script></svg><", "<svg><x-script hidden>1</x-script></svg><"),
            ("<ifr\u{4f60}><iframe", "<ifr\u{4f60}><x-iframe"),
        ] {
            assert_eq!(harmless(html), shown);
        }
    }
}
