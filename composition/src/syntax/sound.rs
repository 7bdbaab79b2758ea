//! Sound as it is written.

use crate::document::{Count, Decimal, Flag, Line, Moving, Prose, Src, choice, object};
use crate::limits::{
    DEPTH, LEVEL, LOUDNESS, MILLISECONDS, SECONDS, SOURCE_SECONDS, SPEED, TRUE_PEAK, VOLUME,
};
use common::bounds::{PITCH, RATE};

object! {
    /// A sound under the whole timeline, from its start.
    pub(crate) struct Soundtrack {
        /// The address of the sound.
        src: Src = "src",
        /// Fades at its ends.
        effect: Option<FadeEffect> = "effect",
        /// How loud: 1 leaves it as it is. A number or tweens.
        volume: Option<Moving> = "volume" within VOLUME,
        /// Seconds of it to leave out at the start.
        trim: Option<Decimal> = "trim" within SOURCE_SECONDS,
        /// `true` repeats it until the video ends.
        repeat: Option<Flag> = "repeat",
        /// The part it plays; `music` unless said.
        role: Option<RoleName> = "role",
    }
}

choice! {
    /// Fades at the ends of a sound, two seconds each (less in a short clip).
    pub(crate) enum FadeEffect {
        /// None.
        None = "none",
        /// From silence.
        FadeIn = "fadeIn",
        /// To silence.
        FadeOut = "fadeOut",
        /// Both.
        FadeInFadeOut = "fadeInFadeOut",
    }
}

choice! {
    /// The part a sound plays.
    pub(crate) enum RoleName {
        /// Speech: music gives way to it.
        Voice = "voice",
        /// Gives way to voices.
        Music = "music",
        /// Neither.
        Effect = "effect",
    }
}

object! {
    /// How music gives way to voices.
    pub(crate) struct DuckingForm {
        /// The voice's level from which music gives way, in dBFS; −30 unless said.
        threshold: Option<Decimal> = "threshold" within LEVEL,
        /// How far music is pressed at most, in dB; 12 unless said.
        depth: Option<Decimal> = "depth" within DEPTH,
        /// How fast it gives way, in milliseconds; 20 unless said.
        attack: Option<Count> = "attack" within MILLISECONDS,
        /// How slowly it comes back, in milliseconds; 400 unless said.
        release: Option<Count> = "release" within MILLISECONDS,
    }
}

object! {
    /// The loudness of the whole, by EBU R128.
    pub(crate) struct LoudnessForm {
        /// Integrated loudness, in LUFS; −14 unless said.
        integrated: Option<Decimal> = "integrated" within LOUDNESS,
        /// The highest true peak, in dBTP; −1 unless said.
        true_peak: Option<Decimal> = "truePeak" within TRUE_PEAK,
    }
}

object! {
    /// A sound.
    pub(crate) struct AudioAsset {
        /// The address of the sound.
        src: Src = "src",
        /// Seconds of it to leave out at the start.
        trim: Option<Decimal> = "trim" within SOURCE_SECONDS,
        /// How loud: 1 leaves it as it is. A number or tweens.
        volume: Option<Moving> = "volume" within VOLUME,
        /// How fast it plays, pitch kept; 1 unless said.
        speed: Option<Decimal> = "speed" within SPEED,
        /// Fades at its ends.
        effect: Option<FadeEffect> = "effect",
        /// Seconds of fading in.
        fade_in: Option<Decimal> = "fadeIn" within SECONDS,
        /// Seconds of fading out.
        fade_out: Option<Decimal> = "fadeOut" within SECONDS,
        /// The part it plays; `effect` unless said.
        role: Option<RoleName> = "role",
    }
}

object! {
    /// A text that is spoken.
    pub(crate) struct SpeechAsset {
        /// The words.
        text: Prose = "text",
        /// The voice, as the provider names voices: `en-us` for espeak-ng.
        voice: Option<Line> = "voice",
        /// How fast, in words a minute; 165 unless said.
        rate: Option<Count> = "rate" within RATE,
        /// How high, 0 to 99; 50 unless said.
        pitch: Option<Count> = "pitch" within PITCH,
        /// How loud: 1 leaves it as it is. A number or tweens.
        volume: Option<Moving> = "volume" within VOLUME,
        /// Seconds of fading in.
        fade_in: Option<Decimal> = "fadeIn" within SECONDS,
        /// Seconds of fading out.
        fade_out: Option<Decimal> = "fadeOut" within SECONDS,
        /// The part it plays; `voice` unless said.
        role: Option<RoleName> = "role",
    }
}
