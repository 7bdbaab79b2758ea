//! Wraps the parts of libav that ffmpeg-next lacks. This is the only file for libav with `unsafe`.
//!
//! Each function is a small safe wrapper that makes the checks which the C side omits. They are
//! grouped by their users.
#![allow(unsafe_code)]

// ── pictures: scaling, cropping, seeking ────────────────────────────────────────────────────────

mod pictures {
    use ffmpeg_next as ffmpeg;
    use ffmpeg_next::ffi;
    use ffmpeg_next::{format, frame, software::scaling};

    /// Sets the matrix (an `SWS_CS_*` number) and the range (full or not) of both sides of a
    /// scaler.
    ///
    /// # Errors
    /// Invalid data if the pair of formats has no such setting.
    pub(crate) fn set_scaler_colours(
        scaler: &mut scaling::Context,
        source: (i32, bool),
        target: (i32, bool),
    ) -> Result<(), ffmpeg::Error> {
        // SAFETY: the tables are static arrays of libswscale, which has one for every number; the
        // context is alive while borrowed.
        let done = unsafe {
            let (from, to) =
                (ffi::sws_getCoefficients(source.0), ffi::sws_getCoefficients(target.0));
            let unity = 1 << 16;
            let (source_full, target_full) = (i32::from(source.1), i32::from(target.1));
            ffi::sws_setColorspaceDetails(
                scaler.as_mut_ptr(),
                from,
                source_full,
                to,
                target_full,
                0,
                unity,
                unity,
            )
        };
        if done < 0 {
            return Err(ffmpeg::Error::InvalidData);
        }
        Ok(())
    }

    /// Makes a second reference to a frame's pixels, without copying them.
    ///
    /// # Errors
    /// Out of memory.
    fn share_frame(frame: &frame::Video) -> Result<frame::Video, ffmpeg::Error> {
        let mut shared = frame::Video::empty();
        // SAFETY: both frames are allocated, and the new one is empty as av_frame_ref demands.
        let done = unsafe { ffi::av_frame_ref(shared.as_mut_ptr(), frame.as_ptr()) };
        if done < 0 {
            return Err(ffmpeg::Error::from(done));
        }
        Ok(shared)
    }

    /// Copies a frame's pixels if anyone else holds them, so that writing changes no other frame.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn make_writable(frame: &mut frame::Video) -> Result<(), ffmpeg::Error> {
        // SAFETY: the frame is alive and borrowed for writing.
        let done = unsafe { ffi::av_frame_make_writable(frame.as_mut_ptr()) };
        if done < 0 {
            return Err(ffmpeg::Error::from(done));
        }
        Ok(())
    }

    /// Copies everything but the pixels from one frame to another: time, colour tags and side data.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn copy_properties(
        from: &frame::Video,
        to: &mut frame::Video,
    ) -> Result<(), ffmpeg::Error> {
        // SAFETY: both frames are alive, and the second is borrowed for writing.
        let done = unsafe { ffi::av_frame_copy_props(to.as_mut_ptr(), from.as_ptr()) };
        if done < 0 {
            return Err(ffmpeg::Error::from(done));
        }
        Ok(())
    }

    /// Attaches an ICC profile to a frame, in place of the one that it has.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn attach_profile(
        frame: &mut frame::Video,
        profile: &[u8],
    ) -> Result<(), ffmpeg::Error> {
        const KIND: ffi::AVFrameSideDataType = ffi::AVFrameSideDataType::AV_FRAME_DATA_ICC_PROFILE;
        // SAFETY: the frame is alive and borrowed for writing; libav owns the new block, which has
        // the size of the profile.
        unsafe {
            ffi::av_frame_remove_side_data(frame.as_mut_ptr(), KIND);
            let block = ffi::av_frame_new_side_data(frame.as_mut_ptr(), KIND, profile.len());
            if block.is_null() {
                return Err(ffmpeg::Error::Other { errno: libc::ENOMEM });
            }
            std::ptr::copy_nonoverlapping(profile.as_ptr(), (*block).data, profile.len());
        }
        Ok(())
    }

    /// Sets the quality of a frame for an encoder with a fixed quantiser, in libav's lambda units.
    pub(crate) fn set_quality(frame: &mut frame::Video, quality: i32) {
        // SAFETY: the frame is alive and borrowed for writing.
        unsafe { (*frame.as_mut_ptr()).quality = quality };
    }

    /// Returns a view of part of a frame that shares its pixels. The rectangle must lie inside;
    /// chroma is cropped at the sample that holds the corner. Read the view only through libav: its
    /// last row may end before its stride does.
    ///
    /// # Errors
    /// `InvalidData` if the rectangle leaves the frame or the format cannot be cropped; out of
    /// memory.
    pub(crate) fn crop_frame(
        frame: &frame::Video,
        left: usize,
        top: usize,
        width: usize,
        height: usize,
    ) -> Result<frame::Video, ffmpeg::Error> {
        let (full_width, full_height) = (frame.width() as usize, frame.height() as usize);
        let inside = |from: usize, length: usize, full: usize| {
            length > 0 && from.checked_add(length).is_some_and(|end| end <= full)
        };
        if !inside(left, width, full_width) || !inside(top, height, full_height) {
            return Err(ffmpeg::Error::InvalidData);
        }
        let mut part = share_frame(frame)?;
        // SAFETY: the margins were checked against the frame's size.
        let done = unsafe {
            let raw = part.as_mut_ptr();
            (*raw).crop_left = left;
            (*raw).crop_top = top;
            (*raw).crop_right = full_width - left - width;
            (*raw).crop_bottom = full_height - top - height;
            ffi::av_frame_apply_cropping(raw, ffi::AV_FRAME_CROP_UNALIGNED as i32)
        };
        if done < 0 {
            return Err(ffmpeg::Error::from(done));
        }
        Ok(part)
    }

    /// Seeks to the last position at or before `ticks` (in the stream's time base) at which
    /// decoding can begin.
    ///
    /// # Errors
    /// Errors from a container that cannot seek.
    pub(crate) fn seek_before(
        input: &mut format::context::Input,
        stream: usize,
        ticks: i64,
    ) -> Result<(), ffmpeg::Error> {
        let stream = i32::try_from(stream).map_err(|_| ffmpeg::Error::StreamNotFound)?;
        // SAFETY: the context is alive while borrowed; libav checks the stream's index.
        let done = unsafe {
            ffi::av_seek_frame(input.as_mut_ptr(), stream, ticks, ffi::AVSEEK_FLAG_BACKWARD)
        };
        if done < 0 {
            return Err(ffmpeg::Error::from(done));
        }
        Ok(())
    }

    /// Returns the parameter sets (libav's "extradata") of a stream, empty if it has none.
    pub(crate) fn header_bytes(parameters: &ffmpeg::codec::Parameters) -> Vec<u8> {
        // SAFETY: libav owns `extradata_size` bytes at `extradata` while the parameters live; they
        // are copied at once.
        unsafe {
            let raw = &*parameters.as_ptr();
            match usize::try_from(raw.extradata_size) {
                Ok(size) if size > 0 && !raw.extradata.is_null() => {
                    std::slice::from_raw_parts(raw.extradata, size).to_vec()
                }
                _ => Vec::new(),
            }
        }
    }

    /// Returns the start of a file in microseconds on its streams' common clock, if it is known.
    pub(crate) fn start_time(input: &format::context::Input) -> Option<i64> {
        // SAFETY: the context is alive while borrowed.
        let start = unsafe { (*input.as_ptr()).start_time };
        (start != ffi::AV_NOPTS_VALUE).then_some(without_priming(start))
    }

    /// Returns the start of a sound by the time of its first packet, in microseconds. One shortly
    /// before zero is a codec's priming (Opus in WebM starts at −6.5 ms), which decoding drops.
    pub(crate) fn without_priming(start: i64) -> i64 {
        const MAX_PRIMING: i64 = 100_000;
        if (-MAX_PRIMING..0).contains(&start) { 0 } else { start }
    }

    /// Returns the timestamp of the last key frame at or before `ticks` in the container's index,
    /// if it has one.
    pub(crate) fn indexed_key_before(
        input: &format::context::Input,
        stream: usize,
        ticks: i64,
    ) -> Option<i64> {
        let stream = input.stream(stream)?;
        // SAFETY: the stream is alive while borrowed; the entry is read at once, before any other
        // call.
        unsafe {
            let raw = stream.as_ptr().cast_mut();
            let found = ffi::av_index_search_timestamp(raw, ticks, ffi::AVSEEK_FLAG_BACKWARD);
            let entry = ffi::avformat_index_get_entry(raw, found);
            (found >= 0 && !entry.is_null()).then(|| (*entry).timestamp)
        }
    }
}

pub(crate) use pictures::{
    attach_profile, copy_properties, crop_frame, header_bytes, indexed_key_before, make_writable,
    seek_before, set_quality, set_scaler_colours, start_time, without_priming,
};

// ── facts: properties of packets and formats ────────────────────────────────────────────────────

mod facts {
    use ffmpeg_next::{Packet, Rational, Stream, ffi, format, packet::Ref};

    /// Returns the shape of a stream's pixels as the container states it; 0 if it does not.
    pub(crate) fn stated_pixel_shape(stream: &Stream<'_>) -> Rational {
        // SAFETY: the stream is alive while borrowed.
        unsafe { (*stream.as_ptr()).sample_aspect_ratio }.into()
    }

    /// Returns the samples a second of a sound stream by its header; 0 if unknown.
    pub(crate) fn stated_sample_rate(stream: &Stream<'_>) -> u32 {
        // SAFETY: the stream and its parameters are alive while borrowed.
        let rate = unsafe { (*(*stream.as_ptr()).codecpar).sample_rate };
        u32::try_from(rate).unwrap_or(0)
    }

    /// Returns whether a packet is decoded but not shown, because an edit list excludes it.
    pub(crate) fn is_discarded(packet: &Packet) -> bool {
        // SAFETY: the packet is alive while borrowed.
        unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
    }

    /// Returns the bytes from one pixel to the next in each plane; none for formats whose pixels do
    /// not fill whole bytes.
    pub(crate) fn pixel_bytes(pixel: format::Pixel) -> Option<[usize; 4]> {
        let descriptor = pixel.descriptor()?;
        // SAFETY: descriptors are static.
        let raw = unsafe { &*descriptor.as_ptr() };
        let strange = ffi::AV_PIX_FMT_FLAG_BITSTREAM
            | ffi::AV_PIX_FMT_FLAG_PAL
            | ffi::AV_PIX_FMT_FLAG_HWACCEL;
        if raw.flags & strange as u64 != 0 {
            return None;
        }
        let mut steps = [0; 4];
        for component in raw.comp.iter().take(usize::from(raw.nb_components)) {
            let step = steps.get_mut(usize::try_from(component.plane).ok()?)?;
            *step = usize::try_from(component.step).ok()?;
        }
        Some(steps)
    }

    /// Returns the bits per component of a pixel format, and whether it has alpha.
    pub(crate) fn bits_and_alpha(pixel: format::Pixel) -> (u8, bool) {
        let Some(descriptor) = pixel.descriptor() else {
            return (8, false);
        };
        // SAFETY: descriptors are static.
        let raw = unsafe { &*descriptor.as_ptr() };
        let alpha = raw.flags & ffi::AV_PIX_FMT_FLAG_ALPHA as u64 != 0;
        (u8::try_from(raw.comp[0].depth).unwrap_or(8), alpha)
    }
}

pub(crate) use facts::{
    bits_and_alpha, is_discarded, pixel_bytes, stated_pixel_shape, stated_sample_rate,
};

// ── sound: channels ─────────────────────────────────────────────────────────────────────────────

mod sound {
    use ffmpeg_next::{ChannelLayout, Error, ffi, frame};

    /// Names the channels of a decoded frame. ffmpeg-next sets only the older of the two fields for
    /// it, which libswresample does not read.
    ///
    /// # Errors
    /// Invalid data if the frame has another number of channels.
    pub(crate) fn set_channel_layout(
        frame: &mut frame::Audio,
        layout: ChannelLayout,
    ) -> Result<(), Error> {
        if layout.channels() != i32::from(frame.channels()) {
            return Err(Error::InvalidData);
        }
        frame.set_channel_layout(layout);
        // SAFETY: the frame is alive and borrowed for writing; the layout before owns no memory
        // unless it is a custom one, which `uninit` frees.
        let done = unsafe {
            let stated = &raw mut (*frame.as_mut_ptr()).ch_layout;
            ffi::av_channel_layout_uninit(stated);
            ffi::av_channel_layout_from_mask(stated, layout.bits())
        };
        if done < 0 { Err(Error::from(done)) } else { Ok(()) }
    }
}

pub(crate) use sound::set_channel_layout;

// ── joining: copied streams ─────────────────────────────────────────────────────────────────────

mod joining {
    use ffmpeg_next::{Dictionary, Error, codec::Parameters, ffi, format::context::Input};
    use std::{ffi::CString, os::unix::ffi::OsStrExt, path::Path, ptr};

    /// Opens a file by its header alone. ffmpeg-next would decode frames to learn more.
    ///
    /// # Errors
    /// Errors from libav; invalid data for a path with a zero byte.
    pub(crate) fn open_by_header(path: &Path, options: Dictionary<'_>) -> Result<Input, Error> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::InvalidData)?;
        let mut context = ptr::null_mut();
        // SAFETY: libav takes ownership of the options and returns those that it did not use, which
        // are owned again and freed. If opening fails, it frees the context itself; otherwise
        // `wrap` owns it.
        unsafe {
            let mut left = options.disown();
            let opened =
                ffi::avformat_open_input(&mut context, path.as_ptr(), ptr::null_mut(), &mut left);
            drop(Dictionary::own(left));
            match opened {
                0 => Ok(Input::wrap(context)),
                error => Err(Error::from(error)),
            }
        }
    }

    /// Returns the parameters with another container tag; with 0, the muxer chooses its own.
    pub(crate) fn retagged(parameters: &Parameters, tag: u32) -> Parameters {
        let mut own = parameters.clone();
        // SAFETY: no one else holds the copy.
        unsafe { (*own.as_mut_ptr()).codec_tag = tag };
        own
    }
}

pub(crate) use joining::{open_by_header, retagged};
