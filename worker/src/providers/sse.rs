//! The lines of a stream of server-sent events, as far as the OpenAI protocol uses them: `data:
//! {…}` and `data: [DONE]`.

/// Splits bytes into the data of events, however they arrive.
#[derive(Debug, Default)]
pub(super) struct Events {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold no line end. Each byte is read once, however long a line is.
    searched: usize,
}

impl Events {
    /// Returns the data that these bytes complete, in order.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.buffer.extend_from_slice(bytes);
        let (mut found, mut begin) = (Vec::new(), 0);
        while let Some(length) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n')
        {
            let end = self.searched + length;
            found.extend(data(&self.buffer[begin..end]));
            begin = end + 1;
            self.searched = begin;
        }
        self.buffer.drain(..begin);
        self.searched = self.buffer.len();
        found
    }

    /// Returns the data of a last line without a line end.
    pub fn take_rest(&mut self) -> Option<String> {
        self.searched = 0;
        data(&std::mem::take(&mut self.buffer))
    }
}

/// Returns the data of a line, if it has any.
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
            (events.feed(b"data:x"), events.take_rest(), events.take_rest()),
            (vec![], Some("x".to_owned()), None)
        );
    }
}
