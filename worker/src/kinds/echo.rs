//! `echo`: sleeps, fails or uses resources as its input says.

use std::time::Duration;

use common::{
    error::{ErrorClass, JobError},
    kinds::echo::Echo,
};
#[cfg(feature = "test-doubles")]
use media::protocol::{MediaJob, TestJob};

use crate::context::{Context, HandlerError, HandlerOutput};

/// Number of progress reports during a sleep.
const STEPS: u32 = 20;

#[allow(clippy::panic, reason = "panicking on demand is what it is for")]
pub(super) async fn run(context: &Context) -> Result<HandlerOutput, HandlerError> {
    let echo: Echo = context.input()?;
    if echo.in_child() {
        in_child(context, &echo).await?;
    }
    sleep(context, Duration::from_millis(echo.sleep_ms)).await?;
    if echo.panic {
        panic!("asked to panic");
    }
    if context.claimed.attempt <= echo.fail_times {
        let attempt = context.claimed.attempt;
        return Err(
            JobError::transient("echo_failed", format!("asked to fail attempt {attempt}")).into()
        );
    }
    if let Some(sentence) = echo.fail {
        return Err(JobError::new(
            "echo_failed",
            echo.class.unwrap_or(ErrorClass::Permanent),
            sentence,
        )
        .into());
    }
    Ok(HandlerOutput { output: echo.value, artifacts: Vec::new() })
}

async fn sleep(context: &Context, total: Duration) -> Result<(), HandlerError> {
    if total.is_zero() {
        return Ok(());
    }
    for step in 0..STEPS {
        context.reporter.report(f64::from(step) / f64::from(STEPS), "sleeping");
        tokio::select! {
            () = tokio::time::sleep(total / STEPS) => {}
            () = context.lease.stop.asked() => return Err(HandlerError::Stopped),
        }
    }
    Ok(())
}

#[cfg(feature = "test-doubles")]
async fn in_child(context: &Context, echo: &Echo) -> Result<(), HandlerError> {
    let job = MediaJob::Test(TestJob {
        spin_ms: echo.spin_ms,
        progress: true,
        allocate_mb: echo.allocate_mb,
        exit: echo.exit,
        ..TestJob::default()
    });
    let scratch = context.scratch()?;
    context.run_media(&job, &scratch, "spinning").await.map(drop)
}

/// Release builds have no test job, so an echo cannot keep a media process busy there.
#[cfg(not(feature = "test-doubles"))]
async fn in_child(_: &Context, _: &Echo) -> Result<(), HandlerError> {
    let sentence = "`spinMs`, `allocateMb` and `exit` are for tests, and this build has no test \
                    doubles: leave them out, or build with the feature `test-doubles`";
    Err(JobError::permanent("unsupported", sentence).into())
}
