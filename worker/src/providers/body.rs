//! The body of a response, in pieces. A compressed body is decompressed, although the request asked
//! for none. The size bound holds for the decompressed bytes, so that a small body cannot grow
//! without limit.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures::{Stream, StreamExt, stream::BoxStream};
use reqwest::{Response, header::CONTENT_ENCODING};

use super::guard::{CallFailure, Guard};

/// Bytes decompressed at once. The format expands a byte to at most 1,032, so a piece has at most 4
/// MB.
const COMPRESSED_PIECE: usize = 4 << 10;

/// A response body that is being read.
pub(super) struct Body<'a> {
    guard: &'a Guard,
    chunks: BoxStream<'static, reqwest::Result<Bytes>>,
    /// Received, and not decompressed yet.
    compressed: Bytes,
    decoder: Option<GzDecoder<Vec<u8>>>,
    most: usize,
    read: usize,
}

impl Guard {
    /// Opens the body of a response. Reading fails beyond `most` bytes.
    pub(super) fn body(&self, response: Response, most: usize) -> Result<Body<'_>, CallFailure> {
        let coding = response
            .headers()
            .get(CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap_or("?").to_owned());
        let decoder = match coding.map(|coding| coding.trim().to_ascii_lowercase()).as_deref() {
            None | Some("" | "identity") => None,
            Some("gzip" | "x-gzip") => Some(GzDecoder::new(Vec::new())),
            Some(other) => {
                return Err(self.bad_answer(&format!(
                    "is compressed as `{other}`, though it was asked not to be"
                )));
            }
        };
        if let Some(length) = response.content_length().filter(|length| *length > most as u64) {
            return Err(self.bad_answer(&format!("is larger than {most} bytes: it has {length}")));
        }
        Ok(Body::new(self, response.bytes_stream(), decoder, most))
    }
}

impl<'a> Body<'a> {
    fn new(
        guard: &'a Guard,
        chunks: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
        decoder: Option<GzDecoder<Vec<u8>>>,
        most: usize,
    ) -> Self {
        Self { guard, chunks: chunks.boxed(), compressed: Bytes::new(), decoder, most, read: 0 }
    }

    /// Returns the next piece, or nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, CallFailure> {
        let piece = match self.decoder.is_some() {
            true => self.decompressed().await?,
            false => self.received().await?,
        };
        self.read += piece.as_ref().map_or(0, Bytes::len);
        if self.read > self.most {
            return Err(self.guard.bad_answer(&format!("is larger than {} bytes", self.most)));
        }
        Ok(piece)
    }

    async fn received(&mut self) -> Result<Option<Bytes>, CallFailure> {
        let chunk = self.chunks.next().await.transpose();
        chunk.map_err(|error| CallFailure::transient(self.guard.unreachable(error)))
    }

    async fn decompressed(&mut self) -> Result<Option<Bytes>, CallFailure> {
        while self.compressed.is_empty() {
            match self.received().await? {
                Some(chunk) => self.compressed = chunk,
                None => return self.rest(),
            }
        }
        let piece = self.compressed.split_to(self.compressed.len().min(COMPRESSED_PIECE));
        let Some(decoder) = &mut self.decoder else { return Ok(Some(piece)) };
        let broken = |error| self.guard.bad_answer(&format!("is compressed wrongly: {error}"));
        decoder.write_all(&piece).map_err(broken)?;
        Ok(Some(std::mem::take(decoder.get_mut()).into()))
    }

    /// Returns the last bytes of the decompressor. If it expects more, the body was cut off.
    fn rest(&mut self) -> Result<Option<Bytes>, CallFailure> {
        let Some(decoder) = self.decoder.take() else { return Ok(None) };
        let rest = decoder.finish().map_err(|_| self.guard.cut())?;
        Ok((!rest.is_empty()).then(|| rest.into()))
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::providers::{config::Service as ServiceConfig, metrics::Metrics};

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("compresses");
        encoder.finish().expect("compresses")
    }

    /// Reads a body that arrives in these pieces, or returns the sentence of the failure.
    async fn read(pieces: Vec<Vec<u8>>, most: usize) -> Result<Vec<u8>, String> {
        let metrics = Metrics::new(&prometheus::Registry::new()).expect("metrics");
        let guard = Guard::new("mine", &ServiceConfig::default(), &metrics).expect("a service");
        let chunks = futures::stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from(piece))));
        let mut body = Body::new(&guard, chunks, Some(GzDecoder::new(Vec::new())), most);
        let mut text = Vec::new();
        while let Some(piece) = body.next().await.map_err(|failure| failure.error.detail)? {
            assert!(piece.len() <= COMPRESSED_PIECE * 1_032, "no piece is a bomb by itself");
            text.extend_from_slice(&piece);
        }
        Ok(text)
    }

    #[tokio::test]
    async fn a_compressed_body_is_decompressed_however_it_is_split() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(|number| number.to_le_bytes()).collect();
        let whole = compressed(&text);
        assert_eq!(read(vec![whole.clone()], 1 << 20).await.as_ref(), Ok(&text));
        assert_eq!(read(whole.chunks(7).map(<[u8]>::to_vec).collect(), 1 << 20).await, Ok(text));
    }

    #[tokio::test]
    async fn a_bomb_a_cut_body_and_noise_are_refused() {
        let bomb = compressed(&vec![b' '; 64 << 20]);
        assert!(bomb.len() < 1 << 17);
        let fault = |read: Result<Vec<u8>, String>| read.expect_err("a fault");
        assert!(fault(read(vec![bomb], 1 << 20).await).contains("larger than 1048576 bytes"));
        let mut part = compressed(b"an answer that is whole");
        part.truncate(part.len() - 4);
        assert!(fault(read(vec![part], 1 << 20).await).contains("broke off"));
        assert!(
            fault(read(vec![b"{\"not\": \"compressed\"}".to_vec()], 1 << 20).await)
                .contains("compressed wrongly")
        );
    }
}
