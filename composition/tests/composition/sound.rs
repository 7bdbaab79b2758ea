//! Sound: samples, roles, fades, ducking.

use crate::fixtures::{clip, footage, plan, track, video};
use composition::plan::{Curve, Micro, Role, Sound};
use serde_json::{Value, json};

fn sound_of(document: &Value) -> Option<Sound> {
    plan(document).sound
}

fn audio(src: &str) -> Value {
    json!({ "type": "audio", "src": src })
}

#[test]
fn the_sound_is_as_long_as_the_picture_to_the_sample() {
    for (fps, samples) in [
        (json!(30), 480_000),
        (json!(29.97), 480_480),
        (json!(59.94), 479_679),
        (json!(23.976), 480_480),
    ] {
        let mut document = video(json!([track(json!([clip(footage("long"), 0.0, 10.0)]))]));
        document["output"]["fps"] = fps.clone();
        let plan = plan(&document);
        let sound = plan.sound.expect("sound");
        let exact = plan.assemble.rate.samples(plan.assemble.frames, 48_000);
        assert_eq!(sound.samples, exact, "{fps}");
        assert!(sound.samples.abs_diff(samples) <= 2_002, "{fps}: {}", sound.samples);
    }
}

#[test]
fn voice_lowers_music_unless_ducking_is_off() {
    let tracks = json!([
        track(json!([{ "asset": { "type": "speech", "text": "one two three four" }, "start": 0 }])),
        track(json!([clip(json!({ "type": "audio", "src": "m.mp3", "role": "music" }), 0.0, 4.0)])),
    ]);
    let mut document = video(tracks);
    let sound = sound_of(&document).expect("sound");
    assert_eq!(sound.ducking.map(|ducking| ducking.depth), Some(Micro::whole(12)));
    assert_eq!(
        sound.loudness.map(|loudness| (loudness.integrated, loudness.true_peak)),
        Some((Micro::whole(-14), Micro::whole(-1)))
    );
    assert_eq!(
        sound.items.iter().map(|item| item.role).collect::<Vec<_>>(),
        [Role::Voice, Role::Music]
    );
    document["timeline"]["ducking"] = json!(false);
    document["output"]["loudness"] = json!(false);
    let sound = sound_of(&document).expect("sound");
    assert_eq!((sound.ducking, sound.loudness), (None, None));
}

#[test]
fn fades_and_volumes_count_samples() {
    let asset = json!({
        "type": "audio", "src": "a.mp3", "fadeIn": 0.5, "effect": "fadeOut",
        "volume": [{ "from": 0.5, "to": 1, "start": 1, "length": 2 }],
    });
    let sound = sound_of(&video(json!([track(json!([clip(asset, 1.0, 10.0)]))]))).expect("sound");
    let item = &sound.items[0];
    assert_eq!(
        (item.start, item.samples, item.fade_in, item.fade_out),
        (48_000, 480_000, 24_000, 96_000)
    );
    let Curve::Tweens(tweens) = &item.volume else { panic!("{item:?}") };
    assert_eq!((tweens[0].start, tweens[0].length), (48_000, 96_000));
}

/// The composition with clips of this audio from each time to the next, as sound alone at 25 frames
/// a second.
fn cut_at(times: &[f64], format: &str) -> Value {
    let clips: Vec<Value> = times
        .windows(2)
        .map(|part| {
            let asset = json!({ "type": "audio", "src": "a.mp3", "trim": part[0] });
            let length = ((part[1] - part[0]) * 1000.0).round() / 1000.0;
            json!({ "asset": asset, "start": part[0], "length": length })
        })
        .collect();
    json!({
        "timeline": { "tracks": [track(json!(clips))] },
        "output": { "format": format, "fps": 25 },
    })
}

#[test]
fn sound_alone_is_cut_to_the_sample() {
    let sound = sound_of(&cut_at(&[0.507, 1.013, 1.515, 2.021], "wav")).expect("sound");
    let cuts: Vec<(u64, u64, f64)> =
        sound.items.iter().map(|item| (item.start, item.samples, item.trim.to_f64())).collect();
    assert_eq!(cuts, [(24_336, 24_288, 0.507), (48_624, 24_096, 1.013), (72_720, 24_288, 1.515)]);
    assert_eq!(sound.samples, 97_008);

    // Pictures have frames, and their sound begins with them: at 0.52 s.
    let sound = sound_of(&cut_at(&[0.507, 1.013], "mp4")).expect("sound");
    assert_eq!(
        (sound.items[0].start, sound.items[0].samples, sound.samples),
        (24_960, 23_040, 48_000)
    );
}

#[test]
fn a_range_of_sound_alone_is_cut_to_the_sample() {
    let mut document = cut_at(&[0.0, 1.3], "mp3");
    document["output"]["range"] = json!({ "start": 0.507, "length": 0.333 });
    let sound = sound_of(&document).expect("sound");
    assert_eq!((sound.items[0].start, sound.samples), (0, 15_984));
    assert_eq!(sound.items[0].trim.to_f64(), 0.507);

    // Shorter than half a frame, and heard all the same.
    let sound = sound_of(&cut_at(&[0.0, 0.011], "wav")).expect("sound");
    assert_eq!((sound.items[0].samples, sound.samples), (528, 528));
}

#[test]
fn silence_is_no_sound() {
    let muted = json!({ "type": "video", "src": "a.mp4", "volume": 0 });
    assert_eq!(sound_of(&video(json!([track(json!([clip(muted, 0.0, 2.0)]))]))), None);
    assert_eq!(sound_of(&video(json!([track(json!([clip(footage("mute"), 0.0, 2.0)]))]))), None);
    let mut document = video(json!([track(json!([clip(audio("a.mp3"), 0.0, 2.0)]))]));
    document["output"]["mute"] = json!(true);
    assert_eq!(sound_of(&document), None);
}

#[test]
fn a_soundtrack_repeats_to_the_end() {
    let mut document = video(json!([track(json!([clip(footage("mute"), 0.0, 25.0)]))]));
    document["timeline"]["soundtrack"] =
        json!({ "src": "short.mp3", "repeat": true, "effect": "fadeInFadeOut" });
    let items = sound_of(&document).expect("sound").items;
    let rounds: Vec<_> =
        items.iter().map(|item| (item.start, item.samples, item.fade_in, item.fade_out)).collect();
    assert_eq!(
        rounds,
        [(0, 480_000, 96_000, 0), (480_000, 480_000, 0, 0), (960_000, 240_000, 0, 96_000)]
    );
}

#[test]
fn a_sound_cut_by_the_range_continues_from_there() {
    let asset = json!({ "type": "audio", "src": "a.mp3", "fadeIn": 4, "speed": 2, "trim": 1 });
    let mut document = video(json!([track(json!([clip(asset, 0.0, 10.0)]))]));
    document["output"]["range"] = json!({ "start": 1 });
    let sound = sound_of(&document).expect("sound");
    let item = &sound.items[0];
    assert_eq!((item.start, item.samples, item.trim.to_f64()), (0, 432_000, 3.0));
    assert_eq!((item.fade_in, item.fade_in_before), (192_000, 48_000));
}

#[test]
fn a_fade_cut_by_the_range_keeps_its_slope() {
    let falling = json!([{ "from": 1, "to": 0.5, "start": 0, "length": 10 }]);
    let asset =
        json!({ "type": "audio", "src": "a.mp3", "fadeIn": 2, "fadeOut": 4, "volume": falling });
    let mut document = video(json!([track(json!([clip(asset, 0.0, 10.0)]))]));
    document["output"]["range"] = json!({ "start": 1, "length": 8 });
    let sound = sound_of(&document).expect("sound");
    let item = &sound.items[0];
    assert_eq!((item.samples, item.fade_in, item.fade_in_before), (384_000, 96_000, 48_000));
    assert_eq!((item.fade_out, item.fade_out_after), (192_000, 48_000));
    assert!((item.volume.value_at(0) - 0.95).abs() < 1e-6, "{item:?}");
}
