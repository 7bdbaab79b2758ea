//! Still pictures as telephones, cameras and editors write them: with more behind the picture, in
//! colours of their own, turned, clear in places, and very large.

use super::finished::make;
use super::segments::{SegmentFixture, picture_of};
use crate::picture::planes::{Chroma, rgb_of};
use crate::probe::probe;
use composition::plan::*;
use std::path::Path;

/// The colours in the middle of each of `columns` equal columns of the picture's frame.
fn columns(fixture: &mut SegmentFixture, path: &Path, frame: u64, columns: usize) -> Vec<[u8; 3]> {
    let source = fixture.add(path);
    assert!(probe(path, &source).unwrap().image, "{} is a still", path.display());
    fixture.layers().clear();
    fixture.layer(Asset::Colour(Rgba([0, 0, 255, 255])));
    fixture.layer(Asset::Image(picture_of(source)));
    let picture = fixture.frame(frame);
    assert_eq!(picture.chroma, Chroma::Halved);
    let (width, row) = (picture.width, picture.height / 2);
    (0..columns)
        .map(|column| {
            let x = (2 * column + 1) * width / (2 * columns);
            let chroma = row / 2 * width.div_ceil(2) + x / 2;
            rgb_of(picture.y[row * width + x], picture.u[chroma], picture.v[chroma])
        })
        .collect()
}

fn near(found: [u8; 3], right: [u8; 3], tolerance: u8) -> bool {
    found.iter().zip(right).all(|(found, right)| found.abs_diff(right) <= tolerance)
}

/// Makes a picture of one colour by ffmpeg and returns its bytes.
fn flat(fixture: &SegmentFixture, name: &str, arguments: &str, filters: &str) -> Vec<u8> {
    let path = fixture.path(name);
    make(&path, &format!("-f lavfi -i {arguments}{filters} -frames:v 1"));
    std::fs::read(path).unwrap()
}

#[test]
fn a_still_is_its_first_image_whatever_lies_behind() {
    let mut fixture = SegmentFixture::new(64, 48);
    let gain_map = flat(&fixture, "gain.jpg", "color=0x5a5a5a:s=16x12", ",format=yuvj420p");
    make(&fixture.path("film.mp4"), "-f lavfi -i color=blue:s=64x48:r=25:d=0.4 -pix_fmt yuv420p");
    let film = std::fs::read(fixture.path("film.mp4")).unwrap();
    // A second picture of the same size, as in MPO, would be a film's second frame.
    let second = flat(&fixture, "second.jpg", "color=0x1ec828:s=64x48", ",format=yuvj420p");
    // Noise makes a file of more than one block.
    for (size, filters, all_behind) in [
        ("64x48", "", vec![&gain_map, &second, &film]),
        ("1600x1200", ",noise=alls=20:allf=t", vec![&second]),
    ] {
        for format in ["jpg", "png", "webp", "bmp"] {
            let colour = format!("color=0xc83232:s={size}");
            let pixels = if format == "jpg" { "yuvj444p" } else { "bgr24" };
            let filters = format!("{filters},format={pixels} -q:v 2");
            let first = flat(&fixture, &format!("first.{format}"), &colour, &filters);
            for behind in all_behind.iter().chain([&&first]) {
                let path = fixture.path(&format!("both.{format}"));
                std::fs::write(&path, [first.as_slice(), behind].concat()).unwrap();
                for frame in [0, 3] {
                    let [seen] = columns(&mut fixture, &path, frame, 1)[..] else { panic!() };
                    // Noise is averaged where the picture shrinks, and not quite.
                    assert!(near(seen, [200, 50, 50], 24), "{format} {size} {frame}: {seen:?}");
                }
            }
        }
    }
}

/// The profile of a display with the primaries of P3 and the transfer function of sRGB.
fn display_p3() -> Vec<u8> {
    moxcms::ColorProfile::new_display_p3().encode().unwrap()
}

/// Returns data in a zlib stream that does not compress it (RFC 1950, RFC 1951 §3.2.4).
fn stored_zlib(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let (low, high) = data.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    let sum = (high << 16 | low).to_be_bytes();
    [&[0x78, 1, 1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), data, &sum].concat()
}

/// Returns a little-endian TIFF with one more entry in its directory, and `data` at its end.
fn with_entry(tiff: &[u8], tag: u16, kind: u16, count: u32, data: &[u8]) -> Vec<u8> {
    let number = |at: usize, bytes: usize| -> usize {
        tiff[at..at + bytes].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let directory = number(4, 4);
    let entries = (0..number(directory, 2)).map(|entry| directory + 2 + entry * 12);
    let mut entries: Vec<Vec<u8>> = entries.map(|at| tiff[at..at + 12].to_vec()).collect();
    let mut value = (tiff.len() as u32).to_le_bytes().to_vec();
    let behind = if data.len() <= 4 {
        value = [data, &[0; 4][data.len()..]].concat();
        &[][..]
    } else {
        data
    };
    entries.retain(|entry| entry[..2] != tag.to_le_bytes());
    entries
        .push([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value].concat());
    entries.sort_by_key(|entry| u16::from_le_bytes([entry[0], entry[1]]));
    let mut file = [tiff, behind].concat();
    file.resize(file.len().next_multiple_of(2), 0);
    let at = file.len() as u32;
    file[4..8].copy_from_slice(&at.to_le_bytes());
    file.extend((entries.len() as u16).to_le_bytes());
    file.extend(entries.concat());
    file.extend([0; 4]);
    file
}

/// Returns a picture's file with a colour profile.
fn with_profile(format: &str, plain: &[u8], profile: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| bytes.len() as u32;
    match format {
        "jpg" => {
            let body = [b"ICC_PROFILE\0\x01\x01".as_slice(), profile].concat();
            let size = (body.len() as u16 + 2).to_be_bytes();
            [&plain[..2], b"\xff\xe2", &size, &body, &plain[2..]].concat()
        }
        "png" => {
            let body = [b"screen\0\0".as_slice(), &stored_zlib(profile)].concat();
            let size = length(&body).to_be_bytes();
            [&plain[..33], &size, b"iCCP", &body, &[0; 4], &plain[33..]].concat()
        }
        "tiff" => with_entry(plain, 34_675, 7, length(profile), profile),
        _ => {
            let extended = b"VP8X\x0a\0\0\0\x20\0\0\0\x3f\0\0\x2f\0\0";
            let padding = &[0][..profile.len() % 2];
            let chunk = [b"ICCP".as_slice(), &length(profile).to_le_bytes(), profile, padding];
            let rest = [b"WEBP".as_slice(), extended, &chunk.concat(), &plain[12..]].concat();
            [b"RIFF", &length(&rest).to_le_bytes()[..], &rest].concat()
        }
    }
}

#[test]
fn the_colours_of_a_profile_become_those_of_srgb() {
    let mut fixture = SegmentFixture::new(64, 48);
    // As littleCMS computes them.
    for (stored, right) in [("0xc8503c", [216, 69, 50]), ("0x3c5ac8", [50, 91, 207])] {
        for (format, pixels) in [
            ("jpg", "yuvj444p -q:v 2"),
            ("png", "rgb24"),
            ("png", "rgba"),
            ("png", "rgb48be"),
            ("webp", "bgra -lossless 1"),
            ("tiff", "rgb24"),
        ] {
            let colour = format!("color={stored}:s=64x48");
            let plain =
                flat(&fixture, &format!("plain.{format}"), &colour, &format!(",format={pixels}"));
            let path = fixture.path(&format!("profile.{format}"));
            std::fs::write(&path, with_profile(format, &plain, &display_p3())).unwrap();
            let seen = columns(&mut fixture, &path, 0, 1)[0];
            assert!(near(seen, right, 6), "{format} {pixels}: {seen:?} and not {right:?}");
        }
    }
}

#[test]
fn a_grey_profile_changes_only_the_levels_of_a_grey_picture() {
    let mut fixture = SegmentFixture::new(64, 48);
    // Light in proportion to the code: half of it is 188 in sRGB.
    let profile = moxcms::ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    let plain = flat(&fixture, "grey.png", "color=0x808080:s=64x48", ",format=gray");
    let path = fixture.path("profile.png");
    std::fs::write(&path, with_profile("png", &plain, &profile)).unwrap();
    let seen = columns(&mut fixture, &path, 0, 1)[0];
    assert!(near(seen, [188; 3], 3), "{seen:?}");
}

#[test]
fn an_animated_webp_has_the_colours_of_its_profile() {
    let mut fixture = SegmentFixture::new(64, 48);
    let path = fixture.path("film.webp");
    let colour = "color=0xc8503c:s=64x48:r=10:d=0.3,drawbox=w=8:h=8:c=black:enable=eq(n\\,1)";
    make(&path, &format!("-f lavfi -i {colour},format=bgra -c:v libwebp_anim -lossless 1"));
    let mut file = std::fs::read(&path).unwrap();
    let profile = display_p3();
    // Behind the VP8X chunk, which ends at byte 30 and says that there is one.
    file[20] |= 0x20;
    let padding = &[0][..profile.len() % 2];
    let chunk = [b"ICCP", &(profile.len() as u32).to_le_bytes()[..], &profile, padding].concat();
    file.splice(30..30, chunk);
    let length = (file.len() as u32 - 8).to_le_bytes();
    file[4..8].copy_from_slice(&length);
    std::fs::write(&path, file).unwrap();
    let source = fixture.add(&path);
    fixture.layer(Asset::Video(super::segments::video_of(picture_of(source))));
    let frame = fixture.frame(1);
    let at = 40 * 64 + 32;
    let seen = rgb_of(frame.y[at], frame.u[20 * 32 + 16], frame.v[20 * 32 + 16]);
    assert!(near(seen, [216, 69, 50], 6), "{seen:?}");
}

/// A box of an ISO file.
fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
}

/// Joins two AV1 images, colours and alpha, into an AVIF. `properties` are those of the colours.
fn avif(colours: &[u8], alpha: Option<&[u8]>, properties: &[Vec<u8>]) -> Vec<u8> {
    let items: Vec<&[u8]> = std::iter::once(colours).chain(alpha).collect();
    let count = (items.len() as u16).to_be_bytes();
    let kinds = (1..=items.len() as u8)
        .flat_map(|id| boxed(b"infe", &[2, 0, 0, 0, 0, id, 0, 0, b'a', b'v', b'0', b'1', 0]));
    let kinds = [&[0; 4], &count[..], &kinds.collect::<Vec<u8>>()].concat();
    let name = b"\0\0\0\0urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0";
    let all = [properties, &[boxed(b"auxC", name)]].concat();
    let own = (1..=properties.len() as u8).collect::<Vec<u8>>();
    let auxiliary = all.len() as u8;
    let uses = [&[0, 0, 0, 0, 0, 0, 0, 2, 0, 1, own.len() as u8], &own[..], &[0, 2, 1, auxiliary]];
    let described =
        boxed(b"iprp", &[boxed(b"ipco", &all.concat()), boxed(b"ipma", &uses.concat())].concat());
    let reference = boxed(b"iref", &[&[0; 4], &boxed(b"auxl", &[0, 2, 0, 1, 0, 1])[..]].concat());
    let start = boxed(b"ftyp", b"avif\0\0\0\0avifmif1");
    let meta = |at: usize| {
        let mut at = at as u32;
        let mut places = [&[0; 4], &[0x44, 0][..], &count].concat();
        for (id, item) in (1_u16..).zip(&items) {
            places.extend([&id.to_be_bytes()[..], &[0, 0, 0, 1], &at.to_be_bytes()].concat());
            places.extend((item.len() as u32).to_be_bytes());
            at += item.len() as u32;
        }
        let mut parts = vec![
            boxed(b"hdlr", b"\0\0\0\0\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            boxed(b"pitm", &[0, 0, 0, 0, 0, 1]),
            boxed(b"iloc", &places),
            boxed(b"iinf", &kinds),
            described.clone(),
        ];
        parts.extend(alpha.map(|_| reference.clone()));
        boxed(b"meta", &[vec![0; 4], parts.concat()].concat())
    };
    let data_at = start.len() + meta(0).len() + 8;
    [start, meta(data_at), boxed(b"mdat", &items.concat())].concat()
}

/// Encodes one image of AV1, lossless.
fn av1(fixture: &SegmentFixture, filters: &str, pixels: &str) -> Vec<u8> {
    let path = fixture.path("image.obu");
    make(
        &path,
        &format!(
            "-f lavfi -i color=black:s=192x96,format=gbrp,{filters},scale=out_range=pc,\
             format={pixels} -color_range pc -frames:v 1 -c:v libaom-av1 -still-picture 1 -crf 5 \
             -cpu-used 8"
        ),
    );
    std::fs::read(path).unwrap()
}

const THIRDS: &str = "drawbox=w=128:h=96:c=red:t=fill,drawbox=x=128:w=64:h=96:c=lime:t=fill";

#[test]
fn an_avif_shows_what_is_below_its_clear_pixels() {
    let mut fixture = SegmentFixture::new(192, 96);
    let colours = av1(&fixture, THIRDS, "yuv444p");
    let coverage = "drawbox=w=64:h=96:c=white:t=fill,drawbox=x=64:w=64:h=96:c=0x808080:t=fill";
    for pixels in ["gray", "gray10le", "yuv420p"] {
        let alpha = av1(&fixture, coverage, pixels);
        let path = fixture.path("clear.avif");
        std::fs::write(&path, avif(&colours, Some(&alpha), &[])).unwrap();
        let facts = probe(&path, &SourceHash("00".into())).unwrap();
        assert!(facts.video[0].alpha && facts.container == "avif", "{facts:?}");
        let seen = columns(&mut fixture, &path, 0, 3);
        for (seen, right) in seen.iter().zip([[255, 0, 0], [127, 0, 128], [0, 0, 255]]) {
            assert!(near(*seen, right, 8), "{pixels}: {seen:?} and not {right:?}");
        }
    }
}

#[test]
fn an_avif_is_turned_mirrored_and_coloured_as_it_says() {
    let mut fixture = SegmentFixture::new(192, 96);
    let halves = "drawbox=w=96:h=96:c=red:t=fill,drawbox=x=96:w=96:h=96:c=lime:t=fill";
    let colours = av1(&fixture, halves, "yuv444p");
    let (red, green) = ([255, 0, 0], [0, 255, 0]);
    let turn = |quarters: u8| boxed(b"irot", &[quarters]);
    let mirror = |axis: u8| boxed(b"imir", &[axis]);
    for (properties, degrees, right) in [
        (vec![], 0, Some([red, green])),
        (vec![turn(2)], 180, Some([green, red])),
        (vec![turn(3)], 90, None),
        (vec![turn(1)], 270, None),
        (vec![mirror(1)], 0, Some([green, red])),
        // Top and bottom are exchanged, which leaves left and right.
        (vec![mirror(0)], 180, Some([red, green])),
        (vec![turn(2), mirror(1)], 180, Some([red, green])),
    ] {
        let path = fixture.path("turned.avif");
        std::fs::write(&path, avif(&colours, None, &properties)).unwrap();
        let facts = probe(&path, &SourceHash("00".into())).unwrap();
        assert_eq!(facts.video[0].rotation, degrees, "{properties:?}");
        let seen = columns(&mut fixture, &path, 0, 2);
        let close = |right: [[u8; 3]; 2]| seen.iter().zip(right).all(|(a, b)| near(*a, b, 8));
        assert!(right.is_none_or(close), "{properties:?}: {seen:?}");
    }
    let profile = boxed(b"colr", &[b"prof".as_slice(), &display_p3()].concat());
    let flat = av1(&fixture, "drawbox=w=192:h=96:c=0xc8503c:t=fill", "yuv444p");
    let path = fixture.path("profile.avif");
    std::fs::write(&path, avif(&flat, None, &[profile])).unwrap();
    let seen = columns(&mut fixture, &path, 0, 1)[0];
    assert!(near(seen, [216, 69, 50], 8), "{seen:?}");
}

#[test]
fn a_quarter_turn_of_an_avif_is_clockwise_for_three_quarters() {
    let mut fixture = SegmentFixture::new(96, 192);
    let halves = "drawbox=w=96:h=96:c=red:t=fill,drawbox=x=96:w=96:h=96:c=lime:t=fill";
    let colours = av1(&fixture, halves, "yuv444p");
    let path = fixture.path("upright.avif");
    std::fs::write(&path, avif(&colours, None, &[boxed(b"irot", &[3])])).unwrap();
    let source = fixture.add(&path);
    fixture.layer(Asset::Image(picture_of(source)));
    let frame = fixture.frame(0);
    let luma = [40, 150].map(|row| frame.y[row * 96 + 48]);
    // The left half is red, which is darker than green, and comes to the top.
    assert!(luma[0] < 90 && luma[1] > 150, "{luma:?}");
}

/// Joins two images of AV1 into an AVIF whose picture is a grid of one row.
fn avif_grid(tiles: [&[u8]; 2], (width, height): (u16, u16)) -> Vec<u8> {
    let descriptor = [&[0, 0, 0, 1][..], &width.to_be_bytes(), &height.to_be_bytes()].concat();
    let items = [descriptor.as_slice(), tiles[0], tiles[1]];
    let kinds: Vec<u8> = [b"grid", b"av01", b"av01"]
        .into_iter()
        .zip(1..)
        .flat_map(|(kind, id)| {
            boxed(b"infe", &[&[2, 0, 0, 0, 0, id, 0, 0], &kind[..], &[0]].concat())
        })
        .collect();
    let reference = boxed(b"dimg", &[0, 1, 0, 2, 0, 2, 0, 3]);
    let start = boxed(b"ftyp", b"avif\0\0\0\0avifmif1");
    let meta = |mut at: usize| {
        let mut places = vec![0, 0, 0, 0, 0x44, 0, 0, 3];
        for (id, item) in (1_u16..).zip(items) {
            places.extend([&id.to_be_bytes()[..], &[0, 0, 0, 1]].concat());
            places.extend((at as u32).to_be_bytes());
            places.extend((item.len() as u32).to_be_bytes());
            at += item.len();
        }
        let parts = [
            boxed(b"pitm", &[0, 0, 0, 0, 0, 1]),
            boxed(b"iloc", &places),
            boxed(b"iinf", &[&[0, 0, 0, 0, 0, 3], kinds.as_slice()].concat()),
            boxed(b"iref", &[&[0; 4], reference.as_slice()].concat()),
        ];
        boxed(b"meta", &[vec![0; 4], parts.concat()].concat())
    };
    let data_at = start.len() + meta(0).len() + 8;
    [start, meta(data_at), boxed(b"mdat", &items.concat())].concat()
}

#[test]
fn the_tiles_of_an_avif_are_put_side_by_side() {
    let mut fixture = SegmentFixture::new(192, 96);
    let tile =
        |colour: &str| av1(&fixture, &format!("drawbox=w=192:h=96:c={colour}:t=fill"), "yuv420p");
    let (red, green) = (tile("red"), tile("lime"));
    let path = fixture.path("grid.avif");
    // The second tile reaches beyond the picture.
    std::fs::write(&path, avif_grid([&red, &green], (300, 90))).unwrap();
    let facts = probe(&path, &SourceHash("00".into())).unwrap();
    assert_eq!((facts.video[0].width, facts.video[0].height), (300, 90));
    let seen = columns(&mut fixture, &path, 0, 5);
    let right = [[255, 0, 0], [255, 0, 0], [255, 0, 0], [0, 255, 0], [0, 255, 0]];
    let close = seen.iter().zip(right).all(|(seen, right)| near(*seen, right, 8));
    assert!(close, "{seen:?}");
}

#[test]
fn a_damaged_avif_is_bad_input() {
    let fixture = SegmentFixture::new(192, 96);
    let whole = avif(&av1(&fixture, THIRDS, "yuv444p"), None, &[boxed(b"irot", &[1])]);
    let path = fixture.path("cut.avif");
    for length in (16..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = probe(&path, &SourceHash("00".into())).map(|facts| facts.container);
        let expected = matches!(
            &error,
            Err(crate::MediaError::BadInput(_) | crate::MediaError::Unsupported(_)) | Ok(_)
        );
        assert!(expected, "{length}: {error:?}");
    }
}

#[test]
fn a_tiff_is_turned_as_its_directory_says() {
    let mut fixture = SegmentFixture::new(64, 48);
    let halves = "color=red:s=64x48,format=rgb24,drawbox=x=32:w=32:h=48:c=lime:t=fill";
    let plain = flat(&fixture, "plain.tiff", halves, "");
    let (red, green) = ([255, 0, 0], [0, 255, 0]);
    for (orientation, right) in
        [(1_u16, [red, green]), (2, [green, red]), (3, [green, red]), (4, [red, green])]
    {
        let path = fixture.path("turned.tiff");
        let file = with_entry(&plain, 0x0112, 3, 1, &orientation.to_le_bytes());
        std::fs::write(&path, file).unwrap();
        let seen = columns(&mut fixture, &path, 0, 2);
        let close = seen.iter().zip(right).all(|(seen, right)| near(*seen, right, 4));
        assert!(close, "orientation {orientation}: {seen:?}");
    }
    let path = fixture.path("upright.tiff");
    std::fs::write(&path, with_entry(&plain, 0x0112, 3, 1, &6_u16.to_le_bytes())).unwrap();
    assert_eq!(probe(&path, &SourceHash("00".into())).unwrap().video[0].rotation, 90);
}

#[test]
fn a_photograph_of_a_hundred_megapixels_is_placed_like_any_other() {
    let mut fixture = SegmentFixture::new(64, 48);
    // A picture with alpha is converted a few rows at a time from 16 megapixels on.
    for (name, pixels, (width, height)) in
        [("large.jpg", "yuvj420p -q:v 2", (10_400, 10_000)), ("large.png", "rgba", (5_200, 4_000))]
    {
        let half = width / 2;
        let halves = format!(
            "color=red:s={width}x{height},drawbox=x={half}:w={half}:h={height}:c=lime:t=fill"
        );
        flat(&fixture, name, &halves, &format!(",format={pixels}"));
        let path = fixture.path(name);
        let seen = columns(&mut fixture, &path, 0, 2);
        // The JPEG encoder is not exact about its range.
        let close = seen.iter().zip([[255, 0, 0], [0, 255, 0]]).all(|(a, b)| near(*a, b, 20));
        assert!(close, "{name}: {seen:?}");
    }
}
