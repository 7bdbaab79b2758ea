//! The body of an answer, piece by piece: unpacked where a service packs it although it was asked not to, and counted as it is then, so that
//! no answer is larger than who reads it allows, however small it was made on its way.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures::{Stream, StreamExt, stream::BoxStream};
use reqwest::{Response, header::CONTENT_ENCODING};

use super::guard::{Failure, Guard};

/// How much is unpacked at once: a byte becomes at most 1,032 by the format, so this at most 4 MB.
const PACKED_PIECE: usize = 4 << 10;

/// A body that is being read.
pub(super) struct Body<'a> {
    guard: &'a Guard,
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    /// Came, and is not unpacked yet.
    packed: Bytes,
    unpacker: Option<GzDecoder<Vec<u8>>>,
    most: usize,
    read: usize,
}

impl Guard {
    /// The body of an answer, of which at most `most` bytes are read.
    pub(super) fn body(&self, response: Response, most: usize) -> Result<Body<'_>, Failure> {
        let coding = response
            .headers()
            .get(CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap_or("?").to_owned());
        let unpacker = match coding.map(|coding| coding.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => None,
            Some("gzip" | "x-gzip") => Some(GzDecoder::new(Vec::new())),
            Some(other) => {
                return Err(self.bad_answer(&format!(
                    "is packed as `{other}`, though it was asked not to be"
                )));
            }
        };
        if let Some(length) = response.content_length().filter(|length| *length > most as u64) {
            return Err(self.bad_answer(&format!("is larger than {most} bytes: it has {length}")));
        }
        Ok(Body::new(self, response.bytes_stream(), unpacker, most))
    }
}

impl<'a> Body<'a> {
    fn new(
        guard: &'a Guard,
        chunks: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
        unpacker: Option<GzDecoder<Vec<u8>>>,
        most: usize,
    ) -> Self {
        Self { guard, chunks: chunks.boxed(), packed: Bytes::new(), unpacker, most, read: 0 }
    }

    /// The next piece; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let piece = match self.unpacker.is_some() {
            true => self.unpacked().await?,
            false => self.came().await?,
        };
        self.read += piece.as_ref().map_or(0, Bytes::len);
        if self.read > self.most {
            return Err(self.guard.bad_answer(&format!("is larger than {} bytes", self.most)));
        }
        Ok(piece)
    }

    async fn came(&mut self) -> Result<Option<Bytes>, Failure> {
        let chunk = self.chunks.next().await.transpose();
        chunk.map_err(|error| Failure::passing(self.guard.unreachable(error)))
    }

    async fn unpacked(&mut self) -> Result<Option<Bytes>, Failure> {
        while self.packed.is_empty() {
            match self.came().await? {
                Some(chunk) => self.packed = chunk,
                None => return self.rest(),
            }
        }
        let piece = self.packed.split_to(self.packed.len().min(PACKED_PIECE));
        let Some(unpacker) = &mut self.unpacker else { return Ok(Some(piece)) };
        let broken = |error| self.guard.bad_answer(&format!("is packed wrongly: {error}"));
        unpacker.write_all(&piece).map_err(broken)?;
        Ok(Some(std::mem::take(unpacker.get_mut()).into()))
    }

    /// What the unpacker held back. One that wants more says that the answer broke off.
    fn rest(&mut self) -> Result<Option<Bytes>, Failure> {
        let Some(unpacker) = self.unpacker.take() else { return Ok(None) };
        let rest = unpacker.finish().map_err(|_| self.guard.cut())?;
        Ok((!rest.is_empty()).then(|| rest.into()))
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::providers::{config::Service as ServiceConfig, metrics::Metrics};

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("packs");
        encoder.finish().expect("packs")
    }

    /// What is read of a body that comes in these pieces, or the sentence of its fault.
    async fn read(pieces: Vec<Vec<u8>>, most: usize) -> Result<Vec<u8>, String> {
        let metrics = Metrics::new(&prometheus::Registry::new()).expect("metrics");
        let guard = Guard::new("mine", &ServiceConfig::default(), &metrics).expect("a service");
        let chunks = futures::stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from(piece))));
        let mut body = Body::new(&guard, chunks, Some(GzDecoder::new(Vec::new())), most);
        let mut text = Vec::new();
        while let Some(piece) = body.next().await.map_err(|failure| failure.error.detail)? {
            assert!(piece.len() <= PACKED_PIECE * 1_032, "no piece is a bomb by itself");
            text.extend_from_slice(&piece);
        }
        Ok(text)
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_however_it_is_cut_up() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        let whole = packed(&text);
        assert_eq!(read(vec![whole.clone()], 1 << 20).await.as_ref(), Ok(&text));
        assert_eq!(read(whole.chunks(7).map(<[u8]>::to_vec).collect(), 1 << 20).await, Ok(text));
    }

    #[tokio::test]
    async fn a_bomb_a_part_and_noise_are_refused() {
        let bomb = packed(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 1 << 17);
        let said = |read: Result<Vec<u8>, String>| read.expect_err("a fault");
        assert!(said(read(vec![bomb], 1 << 20).await).contains("larger than 1048576 bytes"));
        let mut part = packed(b"an answer that is whole");
        part.truncate(part.len() - 4);
        assert!(said(read(vec![part], 1 << 20).await).contains("broke off"));
        assert!(
            said(read(vec![b"{\"not\": \"packed\"}".to_vec()], 1 << 20).await)
                .contains("packed wrongly")
        );
    }
}
