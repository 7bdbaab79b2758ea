//! Frames are picked by their own time, in any order of requests.

use super::clips::{Clip, number_at};
use crate::decode::reader::VideoReader;
use composition::plan::{Rate, Ratio};
use std::path::Path;

fn number(reader: &mut VideoReader, time: Ratio) -> usize {
    let frame = reader.frame_at(time).expect("a frame").frame;
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    number_at(frame.data(0), frame.stride(0), width, height / 2)
}

fn make_file(clip: &Clip, folder: &Path) -> std::path::PathBuf {
    let path = folder.join(format!("clip.{}", clip.format));
    clip.make(&path);
    path
}

#[test]
fn every_frame_of_every_rate_is_found_at_its_own_time() {
    for (num, den) in [(24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1)] {
        for format in ["mp4", "matroska"] {
            let folder = tempfile::tempdir().expect("a folder");
            let clip = Clip { format, ..Clip::even((num, den), 40) };
            let mut reader =
                VideoReader::open(&make_file(&clip, folder.path()), 0).expect("it opens");
            let rate = Rate { num: num as u32, den: den as u32 };
            for frame in 0..40 {
                assert_eq!(
                    number(&mut reader, rate.seconds(frame)),
                    frame as usize,
                    "{num}/{den} in {format}"
                );
            }
        }
    }
}

#[test]
fn uneven_frames_hold_until_the_next_one_begins() {
    let folder = tempfile::tempdir().expect("a folder");
    let times = vec![0, 40, 41, 300, 1000, 1001, 2500];
    let clip = Clip {
        times: times.clone(),
        time_base: (1, 1000),
        format: "matroska",
        ..Clip::even((25, 1), 0)
    };
    let mut reader = VideoReader::open(&make_file(&clip, folder.path()), 0).expect("it opens");
    for ms in [0, 39, 40, 41, 42, 299, 300, 999, 1000, 1001, 2000, 2499, 2500, 9000] {
        let expected =
            times.iter().rposition(|time| *time <= ms).expect("the first begins at zero");
        // A millisecond early counts as begun: Matroska rounds to it.
        let early = times.iter().rposition(|time| *time <= ms + 1).expect("as above");
        let found = number(&mut reader, Ratio::new(ms, 1000).expect("a time"));
        assert!(found == expected || found == early, "at {ms} ms: {found}");
    }
}

#[test]
fn a_seek_finds_the_frames_that_reading_from_the_start_finds() {
    for open_gop in [false, true] {
        for format in ["mp4", "matroska", "mpegts"] {
            let folder = tempfile::tempdir().expect("a folder");
            let clip = Clip { format, open_gop, ..Clip::even((25, 1), 200) };
            let path = make_file(&clip, folder.path());
            let mut reader = VideoReader::open(&path, 0).expect("it opens");
            let rate = Rate { num: 25, den: 1 };
            for frame in [150, 3, 199, 60, 61, 62, 0, 75, 74, 73, 188, 12, 11, 13, 100, 36, 35] {
                let found = number(&mut reader, rate.seconds(frame));
                assert_eq!(found, frame as usize, "{format}, open {open_gop}");
            }
            for start in [26, 49, 50, 51, 98, 131] {
                let mut fresh = VideoReader::open(&path, 0).expect("it opens");
                assert_eq!(
                    number(&mut fresh, rate.seconds(start)),
                    start as usize,
                    "{format}, open {open_gop}"
                );
            }
        }
    }
}

#[test]
fn frames_without_a_time_follow_those_before_them() {
    // A program stream gives a time to the first frame of each of its packets; the small frames of
    // these pictures share one by the dozen.
    for options in [&[("bf", "0"), ("b", "400000")][..], &[("bf", "2"), ("b", "400000")]] {
        let options: &'static [(&str, &str)] = options;
        let folder = tempfile::tempdir().expect("a folder");
        let clip = Clip {
            codec: "mpeg2video",
            format: "vob",
            options,
            open_gop: true,
            ..Clip::even((25, 1), 200)
        };
        let path = make_file(&clip, folder.path());
        let rate = Rate { num: 25, den: 1 };
        let mut forward = VideoReader::open(&path, 0).expect("it opens");
        let found: Vec<usize> =
            (0..200).map(|frame| number(&mut forward, rate.seconds(frame))).collect();
        assert_eq!(found, (0..200).collect::<Vec<usize>>(), "{options:?}");
        for frame in [199, 150, 3, 60, 61, 0, 75, 74, 188, 12, 100] {
            assert_eq!(number(&mut forward, rate.seconds(frame)), frame as usize, "{options:?}");
            let mut fresh = VideoReader::open(&path, 0).expect("it opens");
            assert_eq!(
                number(&mut fresh, rate.seconds(frame)),
                frame as usize,
                "fresh, {options:?}"
            );
        }
        let facts =
            crate::probe::probe(&path, &composition::plan::SourceHash("00".into())).expect("facts");
        let video = &facts.video[0];
        assert_eq!(
            (video.frames, video.variable_rate, facts.duration),
            (Some(200), false, Some(Ratio::whole(8)))
        );
    }
}

#[test]
fn the_pixels_after_a_seek_are_those_of_a_sequential_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = Clip { open_gop: true, ..Clip::even((25, 1), 120) };
    let path = make_file(&clip, folder.path());
    let rate = Rate { num: 25, den: 1 };
    let mut forward = VideoReader::open(&path, 0).expect("it opens");
    let digest = |reader: &mut VideoReader, frame: u64| {
        let frame = reader.frame_at(rate.seconds(frame)).expect("a frame").frame;
        blake3::hash(frame.data(0))
    };
    let sequential: Vec<_> = (0..120).map(|frame| digest(&mut forward, frame)).collect();
    let mut seeking = VideoReader::open(&path, 0).expect("it opens");
    for frame in (0..120).rev().step_by(7) {
        assert_eq!(digest(&mut seeking, frame), sequential[frame as usize], "frame {frame}");
    }
}

#[test]
fn a_truncated_file_shows_its_frames_and_holds_the_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = Clip { format: "matroska", ..Clip::even((25, 1), 60) };
    let path = make_file(&clip, folder.path());
    let bytes = std::fs::read(&path).expect("read");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("written");
    let mut reader = VideoReader::open(&path, 0).expect("it opens");
    let last = number(&mut reader, Ratio::whole(100));
    assert!(last > 5 && last < 59, "{last}");
    assert_eq!(number(&mut reader, Ratio::ZERO), 0);
}

#[test]
fn a_playlist_with_a_video_extension_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = Clip::even((25, 1), 5);
    let inner = make_file(&clip, folder.path());
    for text in [
        format!("ffconcat version 1.0\nfile '{}'\n", inner.display()),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n", inner.display()),
    ] {
        let path = folder.path().join("video.mp4");
        std::fs::write(&path, text).expect("written");
        assert!(matches!(VideoReader::open(&path, 0), Err(crate::MediaError::BadInput(_))));
    }
}
