//! Every bound that more than one part leans on, each with the reason for its number.

use std::time::Duration;

/// A worker's right to a task lasts this long without a heartbeat: short enough that a dead worker's tasks
/// run elsewhere within 15 s (with [`SWEEP_EVERY`] and a dispatch), long enough for a pause of a busy machine.
pub const LEASE: Duration = Duration::from_secs(10);
/// Three heartbeats fit in a lease, so two may be lost.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
/// How often expired leases and lost task messages are looked for.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// A worker is alive for this long after its last heartbeat; as long as its leases.
pub const WORKER_ALIVE: Duration = LEASE;
/// A worker's registration is removed this long after its last heartbeat.
pub const WORKER_KEPT: Duration = Duration::from_secs(24 * 3600);
/// A task whose workers died this often is failed as poison (`SPOOL_QUARANTINE_AFTER`).
pub const QUARANTINE_AFTER: u16 = 5;
/// From this many lost workers on, a task runs with no neighbour.
pub const EXCLUSIVE_AFTER: u16 = 2;

/// Attempts of a task unless its kind or its job says otherwise.
pub const MAX_ATTEMPTS: u16 = 3;
/// The most attempts a job may ask for: past that, a person should look.
pub const MAX_ATTEMPTS_CEILING: u16 = 25;
/// The longest a single attempt may be asked to take: a day.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// The longest a job may be put off with `runAt`: a year.
pub const MAX_DELAY: Duration = Duration::from_secs(365 * 24 * 3600);

/// A firing that comes later than this was missed, which is what `catchUp` is about: sweepers look every second, and a restart of all of
/// them takes less.
pub const MISSED_AFTER: Duration = Duration::from_secs(60);
/// Missed firings of one schedule that are caught up with; of more, the latest.
pub const MAX_CATCH_UP: usize = 100;
/// A cron line, in bytes: the longest list of minutes takes 170.
pub const MAX_CRON_BYTES: usize = 256;
/// A schedule's name, in bytes: a line in a list.
pub const MAX_NAME_BYTES: usize = 200;

/// The longest a job may allow for its start: as long as it may be put off.
pub const MAX_QUEUE_TIMEOUT: Duration = MAX_DELAY;

/// Jobs in one batch: about 10 MB of small inputs, one transaction of a second.
pub const MAX_BATCH_JOBS: usize = 10_000;
/// Body of one request: a long composition is under 1 MB, a full batch under 32.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Input of one job as canonical JSON: what a worker must hold and a store row can carry.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;
/// A caller's JSON that nests so deep is refused: the parser's own guard against stack overflow.
pub const MAX_JSON_DEPTH: usize = 128;
/// Output of one task as JSON: anything larger is an artifact.
pub const MAX_OUTPUT_BYTES: usize = 4 * 1024 * 1024;
/// Tasks in a job, grown ones included: an hour cut in 4 s segments is 900.
pub const MAX_JOB_TASKS: usize = 5_000;
/// Tags of a job: a filter, not a document.
pub const MAX_TAGS: usize = 16;
/// Length of one tag, in bytes.
pub const MAX_TAG_BYTES: usize = 64;
/// `metadata` of a job as JSON, in bytes: echoed with every view.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;
/// `Idempotency-Key`, in bytes: room for a UUID and a prefix.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;
/// How long an idempotency key replays its answer.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Page size of a list unless asked otherwise.
pub const PAGE: usize = 20;
/// The most a page may hold.
pub const MAX_PAGE: usize = 100;
/// Rows that one page of a filtered list may look at: past that the page is short and says where to
/// continue.
pub const LIST_SCAN: usize = 10_000;
/// The longest a `?wait=` may hold a request, in seconds: under the idle limits of common proxies (30 s).
pub const MAX_WAIT: Duration = Duration::from_secs(25);
/// A waiter reads the store this often besides being told, so a lost notice costs two seconds.
pub const WAITER_READS_EVERY: Duration = Duration::from_secs(2);

/// A view that is not final lives this long in the view cache: a lost write can't lie for longer.
pub const LIVE_VIEW_TTL: Duration = Duration::from_secs(5);
/// What waits in a queue is counted this far and no further: a count must not grow with the backlog. So no bound on it can be higher.
pub const COUNTED_BACKLOG: u64 = 10_000;
/// A final view lives this long in the view cache; the store answers after that.
pub const FINAL_VIEW_TTL: Duration = Duration::from_secs(3600);
/// Progress reaches the view cache at most this often per task.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// What waits is to be done within this time, as far as more workers can do it: as long as one takes to start.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// Window: tasks finished in this time may be replaced ahead of free slots.
pub const LOOKBACK: Duration = Duration::from_millis(100);
/// A dispatcher looks this often even if nothing woke it.
pub const DISPATCH_EVERY: Duration = Duration::from_millis(250);
/// A delivery is acked within this time: claimed, or handed back.
pub const ACK_WITHIN: Duration = Duration::from_secs(1);
/// How long a confirm of a published task message may take before the task is made ready again.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// A task message's message, in bytes.
pub const MAX_TASK_MESSAGE_BYTES: usize = 1024;
/// Rows in one batched statement: past a few hundred the gain is gone and the wait grows.
pub const MAX_GROUP: usize = 500;
