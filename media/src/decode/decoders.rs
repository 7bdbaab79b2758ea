//! The decoders that may be opened: one list, for libav's probing and for every stream that the
//! engine reads.

use crate::error::{MediaError, Result};
use ffmpeg_next::{Codec, codec, decoder};
use std::path::Path;

/// Codecs that may be decoded, as libav names its decoders.
pub(crate) const DECODERS: &str = "h264,hevc,av1,libdav1d,libaom-av1,vp8,vp9,libvpx,libvpx-vp9,\
    mpeg4,mpeg2video,mpeg1video,h263,flv,msmpeg4v3,wmv1,wmv2,wmv3,vc1,theora,prores,dnxhd,cfhd,\
    mjpeg,png,apng,gif,webp,bmp,tiff,ffv1,huffyuv,ffvhuff,utvideo,rawvideo,\
    qtrle,jpeg2000,libopenjpeg,libjxl,dvvideo,\
    aac,aac_latm,mp3,mp3float,mp2,mp2float,ac3,eac3,dca,opus,libopus,vorbis,flac,alac,\
    wmav1,wmav2,wmapro,amrnb,amrwb,\
    pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_u8,pcm_s8,pcm_f32le,pcm_f32be,\
    pcm_f64le,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt";

/// Returns the decoder for a codec: libav's first choice, or the first of the list that reads the
/// codec.
///
/// # Errors
/// Unsupported if no decoder of the list reads it. `path` names the file in the sentence.
pub(crate) fn listed_decoder(path: &Path, id: codec::Id) -> Result<Codec> {
    let on_list = || DECODERS.split(',').filter_map(decoder::find_by_name);
    decoder::find(id)
        .filter(is_listed)
        .or_else(|| on_list().find(|found| found.id() == id))
        .ok_or_else(|| {
            MediaError::Unsupported(format!(
                "{} is coded as {}, which is not read here: convert it to a common codec, such as \
                 H.264, ProRes, AAC or PCM",
                path.display(),
                id.name()
            ))
        })
}

fn is_listed(found: &Codec) -> bool {
    DECODERS.split(',').any(|name| name == found.name())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use codec::Id;

    #[test]
    fn a_codec_that_libav_reads_and_the_list_does_not_name_is_unsupported() {
        let names = [Id::MAGICYUV, Id::CINEPAK, Id::V210, Id::TRUEHD, Id::ADPCM_G726, Id::SPEEX];
        for id in names {
            assert!(decoder::find(id).is_some(), "{id:?} would show nothing");
            let error = listed_decoder(Path::new("clip.mkv"), id).err().unwrap();
            assert!(matches!(error, MediaError::Unsupported(_)), "{error:?}");
            assert!(error.to_string().contains(&format!("clip.mkv is coded as {}", id.name())));
        }
    }

    #[test]
    fn common_codecs_have_a_decoder_of_the_list() {
        for id in [Id::H264, Id::HEVC, Id::AV1, Id::VP9, Id::PNG, Id::AAC, Id::MP3, Id::OPUS] {
            let found = listed_decoder(Path::new("clip.mkv"), id).unwrap();
            assert!(found.id() == id && is_listed(&found), "{}", found.name());
        }
    }
}
