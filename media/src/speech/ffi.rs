//! Wraps espeak-ng's C interface (`espeak-ng/speak_lib.h`, API revision 12). This is the only file
//! for it with `unsafe`.
//!
//! The library keeps its state in globals, so one lock guards all of it. It is used synchronously:
//! the callback runs on the calling thread, within `espeak_Synth`, so a thread-local can collect
//! its results.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_short, c_uint, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Samples, and words with times from the first sample.
#[derive(Debug, Default)]
pub(super) struct SynthesizedSpeech {
    pub samples: Vec<i16>,
    pub words: Vec<WordEvent>,
}

/// The start of a word, as the library splits words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WordEvent {
    /// Its first character, counted from 0. It may be slightly beside the word.
    pub character: usize,
    pub at_ms: u64,
}

/// The initialised library, held by one user at a time. It is never terminated: 1.51 hangs if it is
/// initialised again.
pub(super) struct Synthesizer {
    _lock: MutexGuard<'static, Option<u32>>,
    sample_rate: u32,
}

/// The sample rate, once the library is initialised.
static LIBRARY: Mutex<Option<u32>> = Mutex::new(None);

thread_local! {
    static COLLECTED: RefCell<SynthesizedSpeech> = RefCell::default();
}

impl Synthesizer {
    /// Takes the library, and initialises it the first time. None if its voice data can't be found.
    pub(super) fn take() -> Option<Self> {
        let mut lock = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            // SAFETY: a null path means the default location; no other call is running, as the lock
            // is held.
            let rate = unsafe {
                espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, std::ptr::null(), DONT_EXIT)
            };
            *lock = u32::try_from(rate).ok().filter(|rate| *rate > 0);
        }
        let sample_rate = (*lock)?;
        Some(Self { _lock: lock, sample_rate })
    }

    /// Returns samples a second.
    pub(super) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Chooses a voice by name or language; false if there is none.
    pub(super) fn set_voice(&mut self, name: &CStr) -> bool {
        // SAFETY: the string ends with a zero byte and is only read.
        unsafe { espeak_SetVoiceByName(name.as_ptr()) == EE_OK }
    }

    /// Sets words a minute and pitch (0 to 99).
    pub(super) fn set_rate_and_pitch(&mut self, rate: u32, pitch: u32) {
        let number = |value: u32| c_int::try_from(value).unwrap_or(c_int::MAX);
        // SAFETY: plain numbers; the library clamps them.
        unsafe {
            espeak_SetParameter(PARAMETER_RATE, number(rate), 0);
            espeak_SetParameter(PARAMETER_PITCH, number(pitch), 0);
        }
    }

    /// Speaks a text in UTF-8. None if the library refuses.
    pub(super) fn speak(&mut self, text: &CStr) -> Option<SynthesizedSpeech> {
        COLLECTED.replace(SynthesizedSpeech::default());
        // SAFETY: the callback has the declared signature and lives for ever; the text ends with a
        // zero byte, its size counts that, and it is only read until the call returns.
        let outcome = unsafe {
            // Breath and hiss come from the C library's random numbers: each text gets the same
            // ones.
            srand(1);
            espeak_SetSynthCallback(collect);
            espeak_Synth(
                text.as_ptr().cast(),
                text.to_bytes_with_nul().len(),
                0,
                POS_CHARACTER,
                0,
                CHARS_UTF8,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
        };
        let spoken = COLLECTED.take();
        (outcome == EE_OK).then_some(spoken)
    }
}

/// Collects samples and events. It returns zero, which means: continue.
extern "C" fn collect(samples: *mut c_short, count: c_int, events: *mut RawEvent) -> c_int {
    COLLECTED.with_borrow_mut(|spoken| {
        if let (false, Ok(count)) = (samples.is_null(), usize::try_from(count)) {
            // SAFETY: the library passes `count` samples at `samples`, valid during this call.
            let fresh = unsafe { std::slice::from_raw_parts(samples, count) };
            spoken.samples.extend_from_slice(fresh);
        }
        let mut next = events;
        while !next.is_null() {
            // SAFETY: the library passes a list of events that ends with one of type 0, valid
            // during this call.
            let event = unsafe { &*next };
            match event.kind {
                EVENT_LIST_TERMINATED => break,
                EVENT_WORD => spoken.words.push(WordEvent {
                    character: usize::try_from(event.text_position - 1).unwrap_or(0),
                    at_ms: u64::try_from(event.audio_position).unwrap_or(0),
                }),
                _ => {}
            }
            // SAFETY: this was not the last one.
            next = unsafe { next.add(1) };
        }
    });
    0
}

const AUDIO_OUTPUT_SYNCHRONOUS: c_int = 2;
const DONT_EXIT: c_int = 0x8000;
const EE_OK: c_int = 0;
const POS_CHARACTER: c_int = 1;
const CHARS_UTF8: c_uint = 1;
const PARAMETER_RATE: c_int = 1;
const PARAMETER_PITCH: c_int = 3;
const EVENT_LIST_TERMINATED: c_int = 0;
const EVENT_WORD: c_int = 1;

/// The C struct `espeak_EVENT`.
#[repr(C)]
struct RawEvent {
    kind: c_int,
    unique_identifier: c_uint,
    text_position: c_int,
    length: c_int,
    audio_position: c_int,
    sample: c_int,
    user_data: *mut c_void,
    /// A union of a number, a pointer and eight characters.
    id: u64,
}

unsafe extern "C" {
    fn srand(seed: c_uint);
}

#[link(name = "espeak-ng")]
unsafe extern "C" {
    fn espeak_Initialize(
        output: c_int,
        buflength: c_int,
        path: *const c_char,
        options: c_int,
    ) -> c_int;
    fn espeak_SetSynthCallback(
        callback: extern "C" fn(*mut c_short, c_int, *mut RawEvent) -> c_int,
    );
    fn espeak_SetVoiceByName(name: *const c_char) -> c_int;
    fn espeak_SetParameter(parameter: c_int, value: c_int, relative: c_int) -> c_int;
    fn espeak_Synth(
        text: *const c_void,
        size: usize,
        position: c_uint,
        position_type: c_int,
        end_position: c_uint,
        flags: c_uint,
        unique_identifier: *mut c_uint,
        user_data: *mut c_void,
    ) -> c_int;
}
