//! The end of a child's log: enough to tell what it last complained of, bounded whatever it writes.

use std::collections::VecDeque;

/// A screenful or two.
const KEPT: usize = 8 * 1024;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(KEPT);
        self.bytes.drain(..surplus);
        self.bytes.extend(bytes);
    }

    /// As text, without control characters (it is shown on terminals and pages), from the first whole line on.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let whole = match text.split_once('\n') {
            Some((_, rest)) if bytes.len() == KEPT => rest,
            _ => &text,
        };
        whole
            .chars()
            .filter(|c| *c == '\n' || *c == '\t' || !c.is_control())
            .collect::<String>()
            .trim_end()
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept_and_it_starts_with_a_whole_line() {
        let mut tail = Tail::default();
        for number in 0..10_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.len() <= KEPT);
        assert!(text.starts_with("line "));
        assert!(text.ends_with("line 9999"));
    }

    #[test]
    fn escape_sequences_do_not_reach_a_terminal() {
        let mut tail = Tail::default();
        tail.push(b"\x1b[31mred\x07");
        assert_eq!(tail.text(), "[31mred");
    }
}
