//! Lines of a stream of server-sent events, as far as the OpenAI protocol uses them: `data: {…}` and `data: [DONE]`.

/// Cuts bytes into the data of events, however they arrive.
#[derive(Debug, Default)]
pub(super) struct Events {
    left: Vec<u8>,
    /// How much of what is left is known to end no line: each byte is looked at once, however long a line is and however many there are.
    looked_at: usize,
}

impl Events {
    /// The data that these bytes complete, in order.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.left.extend_from_slice(bytes);
        let (mut found, mut begin) = (Vec::new(), 0);
        while let Some(length) = self.left[self.looked_at..].iter().position(|byte| *byte == b'\n')
        {
            let end = self.looked_at + length;
            found.extend(data(&self.left[begin..end]));
            begin = end + 1;
            self.looked_at = begin;
        }
        self.left.drain(..begin);
        self.looked_at = self.left.len();
        found
    }

    /// The data of a last line that nothing ended.
    pub fn rest(&mut self) -> Option<String> {
        self.looked_at = 0;
        data(&std::mem::take(&mut self.left))
    }
}

/// The data that a line holds, if it is one of data.
fn data(line: &[u8]) -> Option<String> {
    String::from_utf8_lossy(line).trim().strip_prefix("data:").map(|data| data.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_may_arrive_in_pieces() {
        let mut events = Events::default();
        assert_eq!(events.feed(b": hello\n\ndata: {\"a\""), Vec::<String>::new());
        assert_eq!(events.feed(b":1}\r\n\ndata: [DO"), ["{\"a\":1}"]);
        assert_eq!(events.feed(b"NE]\n"), ["[DONE]"]);
        assert_eq!(
            (events.feed(b"data:x"), events.rest(), events.rest()),
            (vec![], Some("x".to_owned()), None)
        );
    }
}
