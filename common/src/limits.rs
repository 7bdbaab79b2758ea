//! Bounds that more than one part relies on, each with the reason for its number.

use std::time::Duration;

/// A worker's right to a task ends this long after its last heartbeat. It is short enough for a
/// dead worker's tasks to run elsewhere within 15 s (with [`SWEEP_EVERY`] and a dispatch), and long
/// enough to outlast a pause of a busy machine.
pub const LEASE: Duration = Duration::from_secs(10);
/// The interval of heartbeats. Three fit into a lease, so two may be lost.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
/// The interval of the search for expired leases and lost task messages.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// A clock that is set back by more is put right. Time services correct less than this now and then
/// on a healthy machine, and nothing waits for longer because of it.
pub const CLOCK_STEP: Duration = Duration::from_secs(1);
/// A worker counts as alive this long after its last heartbeat, which is as long as its leases
/// last.
pub const WORKER_ALIVE: Duration = LEASE;
/// A worker's registration is removed this long after its last heartbeat.
pub const WORKER_KEPT: Duration = Duration::from_secs(24 * 3600);
/// A task is failed as poison after this many workers died with it (`SPOOL_QUARANTINE_AFTER`).
pub const QUARANTINE_AFTER: u16 = 5;
/// From this many lost workers on, a task runs with no other beside it.
pub const EXCLUSIVE_AFTER: u16 = 2;

/// Attempts of a task unless its kind or its job sets another number.
pub const MAX_ATTEMPTS: u16 = 3;
/// The most attempts a job may ask for: beyond that a person should look.
pub const MAX_ATTEMPTS_CEILING: u16 = 25;
/// The longest pause between attempts that a job may ask for: with the most attempts, a task is
/// final within a month.
pub const MAX_RETRY_PAUSE: Duration = Duration::from_secs(24 * 3600);
/// The longest timeout of a single attempt: a day.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);
/// The longest delay by `runAt`: a year.
pub const MAX_DELAY: Duration = Duration::from_secs(365 * 24 * 3600);

/// A firing later than this counts as missed, and `catchUp` decides about it. Sweepers look every
/// second, and restarting all of them takes less than this.
pub const MISSED_AFTER: Duration = Duration::from_secs(60);
/// The most missed firings of one schedule that are made up for, latest first.
pub const MAX_CATCH_UP: usize = 100;
/// Bytes of a cron line: the longest list of minutes takes 170.
pub const MAX_CRON_BYTES: usize = 256;
/// Bytes of a schedule's name, which is one line in a list.
pub const MAX_NAME_BYTES: usize = 200;

/// The longest time a job may be given to start: as long as it may be delayed.
pub const MAX_QUEUE_TIMEOUT: Duration = MAX_DELAY;

/// Jobs in one batch: about 10 MB of small inputs, and one transaction of a second.
pub const MAX_BATCH_JOBS: usize = 10_000;
/// Bytes of one request's body: a long composition is under 1 MB, a full batch under 32 MB.
pub const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a job's input as canonical JSON: a worker must hold it, and a row of the store must
/// take it.
pub const MAX_INPUT_BYTES: usize = 4 * 1024 * 1024;
/// The nesting at which JSON from outside is refused: half of the parser's own bound, so that a
/// stored document can be read with others around it.
pub const MAX_JSON_DEPTH: usize = 64;
/// Estimated memory of the values in one JSON text: a full batch of compositions of 8 MB. With the
/// text, its canonical form and the plan that is made of it, one request takes some 300 MB at most.
pub const MAX_JSON_MEMORY: usize = 128 * 1024 * 1024;
/// Members that `?fields=` may name: more than any answer of this server has.
pub const MAX_FIELDS: usize = 100;
/// Levels of a path in `?fields=`: enough for any result, and few for the call stack.
pub const MAX_FIELD_DEPTH: usize = 16;
/// Faults listed in one answer: more than anyone mends in one sitting.
pub const MAX_FAULTS: usize = 200;
/// Connections that are open at a time: some thousands may wait for jobs, each at the cost of a
/// handle and of tens of KB. Fewer where the process may not open as many files.
pub const MAX_CONNECTIONS: usize = 10_000;
/// A request's head must arrive within this time after its first byte, or after connecting.
pub const REQUEST_HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A connection without a request is closed after this long: a little more than common proxies keep
/// theirs (60 s), so that none sends a request into a connection that is being closed.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(75);
/// A client that takes nothing of its response for this long is gone.
pub const RESPONSE_STALL: Duration = Duration::from_secs(60);
/// Bytes of a task's output as JSON: anything larger is an artifact.
pub const MAX_OUTPUT_BYTES: usize = 4 * 1024 * 1024;
/// Tasks of a job, grown ones included: two hours of video in segments of 2 s are 3,600.
pub const MAX_JOB_TASKS: usize = 5_000;
/// Tags of a job: they are filters, not a document.
pub const MAX_TAGS: usize = 16;
/// Bytes of one tag.
pub const MAX_TAG_BYTES: usize = 64;
/// Bytes of a job's `metadata` as JSON, which is returned with every view.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;
/// Bytes of an `Idempotency-Key`: room for a UUID and a prefix.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;
/// Bytes of the caller's key of a unique job: as long as an idempotency key.
pub const MAX_UNIQUE_KEY_BYTES: usize = MAX_IDEMPOTENCY_KEY_BYTES;
/// The longest period in which a job is unique: for as long jobs are kept unless an operator says
/// otherwise.
pub const MAX_UNIQUE_PERIOD: Duration = Duration::from_secs(30 * 24 * 3600);
/// An idempotency key returns its first response for this long.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Items of a page unless the caller asks for another number.
pub const PAGE: usize = 20;
/// The most items of a page.
pub const MAX_PAGE: usize = 100;
/// Rows that one read of a filtered list may look at, which takes some milliseconds.
pub const LIST_SCAN: usize = 10_000;
/// Reads for one page of a filtered list, a million rows. Beyond that the page is short and says
/// where to continue.
pub const LIST_STEPS: usize = 100;
/// The longest that `?wait=` may hold a request: under the idle limits of common proxies (30 s).
pub const MAX_WAIT: Duration = Duration::from_secs(25);
/// Besides being notified, a waiting request reads the store this often, so a lost notification
/// costs two seconds.
pub const WAITER_READS_EVERY: Duration = Duration::from_secs(2);

/// The time to live of a view that is not final, in the view cache: a lost update shows old data
/// for no longer.
pub const LIVE_VIEW_TTL: Duration = Duration::from_secs(5);
/// The most ready tasks that are counted per queue: a count must not take longer as the backlog
/// grows. So no bound on the backlog can be higher.
pub const COUNTED_BACKLOG: u64 = 10_000;
/// Tasks that are counted ahead of a waiting one: behind more, the exact number says nothing.
pub const COUNTED_PLACES: u64 = 2_000;
/// The time to live of a final view in the view cache; after that the store answers.
pub const FINAL_VIEW_TTL: Duration = Duration::from_secs(3600);
/// The least time between two progress reports of a task to the view cache.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// The time in which the backlog should be done, given enough workers: as long as a new worker
/// takes to start.
pub const DRAIN_WITHIN: Duration = Duration::from_secs(30);

/// Tasks that finished within this time count as free slots already: the dispatcher replaces them
/// ahead of the workers' reports.
pub const LOOKBACK: Duration = Duration::from_millis(100);
/// A dispatcher looks for ready tasks this often even if nothing woke it.
pub const DISPATCH_EVERY: Duration = Duration::from_millis(250);
/// A task that a worker can't run is dispatched again after this time: as long as a dispatcher's
/// own interval, so that an older worker with free slots does not get it back at once.
pub const UNFIT_PAUSE: Duration = DISPATCH_EVERY;
/// A delivery is acked within this time: claimed, or handed back.
pub const ACK_WITHIN: Duration = Duration::from_secs(1);
/// A published task message must be confirmed within this time, or its task is made ready again.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a task message.
pub const MAX_TASK_MESSAGE_BYTES: usize = 1024;
/// Rows in one batched statement: beyond a few hundred it gains nothing and makes callers wait.
pub const MAX_GROUP: usize = 500;
