//! Bounds the processor time of work on input from outside that cannot be estimated beforehand.

use crate::error::{MediaError, Result};
use nix::time::{ClockId, clock_gettime};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The time between two looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Stack for parsers that follow the nesting of their input, as large as a main thread's.
const STACK: usize = 8 << 20;

/// The end of work that has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CostError {
    /// It used up its processor time. It goes on until the process ends, so the job must end.
    TooCostly,
    Panicked,
}

/// Does work in a thread of its own, for at most `bound` of this process's processor time. Time in
/// which a busy machine gives it none does not count.
///
/// # Errors
/// Internal if no thread can be started. The inner error says that the work came to no end.
pub(crate) fn within<T: Send + 'static>(
    bound: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Result<T, CostError>> {
    let (sender, receiver) = channel();
    let begun = processor_time();
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            // The receiver is gone if the work took too long.
            let _ = sender.send(catch_unwind(AssertUnwindSafe(work)).ok());
        })
        .map_err(|error| MediaError::from_io("starting a thread", &error))?;
    loop {
        match receiver.recv_timeout(LOOK_EVERY) {
            Ok(result) => return Ok(result.ok_or(CostError::Panicked)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Err(CostError::Panicked)),
            Err(RecvTimeoutError::Timeout) if processor_time().saturating_sub(begun) > bound => {
                return Ok(Err(CostError::TooCostly));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Returns the processor time of all threads of this process.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_has_its_result_and_endless_work_is_too_costly() {
        assert_eq!(within(Duration::from_secs(60), || 7).expect("a thread"), Ok(7));
        let panic = within(Duration::from_secs(60), || panic!("as asked"));
        assert_eq!(panic.expect("a thread"), Err::<(), _>(CostError::Panicked));
        let endless = within(Duration::from_millis(100), || {
            loop {
                std::hint::spin_loop();
            }
        });
        assert_eq!(endless.expect("a thread"), Err::<(), _>(CostError::TooCostly));
    }
}
