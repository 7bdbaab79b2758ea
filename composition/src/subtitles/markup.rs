//! Removes markup from subtitle text.

/// The text without its angle-bracket tags; a bracket that begins no tag stays. Calls `tag` with
/// the inside of each tag and the plain text before it.
pub(super) fn without_tags(text: &str, mut tag: impl FnMut(&str, &str)) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once('<') {
        plain.push_str(before);
        let inside = opened.split_once('>').filter(|(inside, _)| is_tag(inside));
        match inside {
            Some((inside, after)) => {
                tag(inside, &plain);
                rest = after;
            }
            None => {
                plain.push('<');
                rest = opened;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// Recognises a tag by its start: `i`, `/i`, `c.yellow`, `v Ann`, `00:01.500`.
fn is_tag(inside: &str) -> bool {
    let name = inside.strip_prefix('/').unwrap_or(inside);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !inside.contains(['<', '\n'])
}

/// The text without `{…}` blocks that hold overrides. Calls `block` with the inside of each and
/// the plain text before it.
pub(super) fn without_overrides(text: &str, mut block: impl FnMut(&str, &str)) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, opened)) = rest.split_once('{') {
        plain.push_str(before);
        match opened.split_once('}').filter(|(inside, _)| inside.starts_with('\\')) {
            Some((inside, after)) => {
                block(inside, &plain);
                rest = after;
            }
            None => {
                plain.push('{');
                rest = opened;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// WebVTT's character references.
const REFERENCES: [(&str, &str); 6] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&nbsp;", "\u{a0}"),
    ("&lrm;", "\u{200e}"),
    ("&rlm;", "\u{200f}"),
    ("&amp;", "&"),
];

/// Replaces character references by their characters.
pub(super) fn unescaped(text: &str) -> String {
    REFERENCES
        .iter()
        .fold(text.to_owned(), |text, (reference, character)| text.replace(reference, character))
}

/// Escapes the characters that would begin a tag or a reference.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
