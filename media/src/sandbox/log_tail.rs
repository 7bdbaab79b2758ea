//! The end of a media process's log: enough to see its last complaint, and bounded in size.

use std::collections::VecDeque;

/// One or two screens of text.
const MAX_BYTES: usize = 8 * 1024;

/// The last bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct LogTail {
    bytes: VecDeque<u8>,
}

impl LogTail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(MAX_BYTES)..];
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(MAX_BYTES);
        self.bytes.drain(..surplus);
        self.bytes.extend(bytes);
    }

    /// The text from the first whole line on, without control characters: it is shown on terminals
    /// and web pages.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let whole = match text.split_once('\n') {
            Some((_, rest)) if bytes.len() == MAX_BYTES => rest,
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
    fn the_tail_is_bounded_and_starts_with_a_whole_line() {
        let mut tail = LogTail::default();
        for number in 0..10_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.len() <= MAX_BYTES);
        assert!(text.starts_with("line "));
        assert!(text.ends_with("line 9999"));
    }

    #[test]
    fn escape_sequences_do_not_reach_a_terminal() {
        let mut tail = LogTail::default();
        tail.push(b"\x1b[31mred\x07");
        assert_eq!(tail.text(), "[31mred");
    }
}
