-- The tables of the store. The rules that the functions keep are stated here again as constraints,
-- so that a bug is refused and not stored.
--
-- Open and settled work are apart: `tasks` holds open tasks and nothing else, so it stays as small
-- as the backlog. The row of a settled task moves to `history`, whose partitions are dropped whole.
-- `jobs` is written when a job is accepted and when it ends (and when a plan changes).
--
-- There are no foreign keys: each would lock the row it refers to at every insert, in an order of
-- its own, and the functions are the only writers. Times are milliseconds since the epoch by this
-- server's clock. JSON is kept as text: no function looks into it, and jsonb would refuse some of
-- it (\u0000) and respell the rest.
--
-- `spool migrate` makes the schema `spool` and the functions in `functions/triggers`, which the
-- triggers here name, before it applies this file.

CREATE TYPE spool.queue AS ENUM ('render', 'generate', 'light');
CREATE TYPE spool.task_state AS ENUM
    ('waiting', 'ready', 'queued', 'running', 'succeeded', 'failed', 'cancelled');
CREATE TYPE spool.job_status AS ENUM ('queued', 'running', 'succeeded', 'failed', 'cancelled');

-- The major version of this schema: a later file that an older program cannot live with raises it.
CREATE TABLE spool.schema_major (
    major integer NOT NULL
);
INSERT INTO spool.schema_major (major) VALUES (1);

-- Accepted jobs. `status` is 'queued' until the row is next written, even while the first task
-- runs: readers look at the tasks too. For a job that never had but one task (`solo`) everything
-- that changes is in the task's row and then in its history.
--
-- No index refers to a column that a success changes, and half of each page is left free, so the
-- update at the end of a job stays in its page and writes to no index. `unsuccessful` is apart from
-- `status` for that reason: only a job that fails or is cancelled pays for being found by it.
CREATE TABLE spool.jobs (
    id               uuid NOT NULL,
    batch            uuid,
    result_task      uuid NOT NULL,
    created_at       bigint NOT NULL,
    run_at           bigint,
    timeout_ms       bigint,
    item             integer,
    total_tasks      integer NOT NULL CHECK (total_tasks > 0),
    priority         smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    max_attempts     smallint,
    -- Columns that change.
    version          bigint NOT NULL DEFAULT 1,
    finished_at      bigint,
    started_at       bigint,
    open_tasks       integer NOT NULL CHECK (open_tasks BETWEEN 0 AND total_tasks),
    attempts         integer NOT NULL DEFAULT 0,
    generation       integer NOT NULL DEFAULT 0,
    status           spool.job_status NOT NULL DEFAULT 'queued',
    unsuccessful     boolean NOT NULL DEFAULT false,
    cancel_requested boolean NOT NULL DEFAULT false,
    solo             boolean NOT NULL,
    error            text,
    -- Columns that do not.
    tenant           text COLLATE "C" NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    tags             text,
    metadata         text,
    input            text NOT NULL,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_item_with_batch CHECK ((batch IS NULL) = (item IS NULL)),
    CONSTRAINT jobs_final_has_no_open_task CHECK (
        (finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))
        AND (finished_at IS NULL OR open_tasks = 0)),
    CONSTRAINT jobs_unsuccessful_follows_status
        CHECK (unsuccessful = (status IN ('failed', 'cancelled')))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05,
        autovacuum_vacuum_insert_scale_factor = 0.1);
CREATE INDEX jobs_of_tenant ON spool.jobs (tenant, id);
CREATE UNIQUE INDEX jobs_of_batch ON spool.jobs (batch, item) WHERE batch IS NOT NULL;
CREATE INDEX jobs_unsuccessful ON spool.jobs (tenant, id) WHERE unsuccessful;

-- Open tasks. The indexes sort by `phase`: 0 waits for needs or for a decision on its key, 1 may be
-- dispatched, 2 is queued or running, 3 waits for its time. A claim or a heartbeat does not change
-- it, so those write to no index.
CREATE TABLE spool.tasks (
    id               uuid NOT NULL,
    job              uuid NOT NULL,
    batch            uuid,
    limited_batch    uuid, -- the batch, if that has a limit
    worker           uuid,
    created_at       bigint NOT NULL,
    run_at           bigint NOT NULL,
    timeout_ms       bigint NOT NULL,
    fence            bigint NOT NULL DEFAULT 0,
    queued_at        bigint,
    first_started_at bigint, -- the first claim
    started_at       bigint, -- the newest claim
    lease_until      bigint,
    kind_version     integer NOT NULL,
    place            integer NOT NULL,
    needs_left       integer NOT NULL DEFAULT 0 CHECK (needs_left >= 0),
    progress         real,
    queue            spool.queue NOT NULL,
    state            spool.task_state NOT NULL,
    phase            smallint NOT NULL,
    priority         smallint NOT NULL,
    attempt          smallint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    attempts_counted smallint NOT NULL DEFAULT 0, -- attempts that the row of a plan's job includes
    max_attempts     smallint NOT NULL,
    losses           smallint NOT NULL DEFAULT 0,
    solo             boolean NOT NULL,
    is_leader        boolean NOT NULL DEFAULT false,
    cancel_requested boolean NOT NULL DEFAULT false,
    tenant           text COLLATE "C" NOT NULL,
    name             text COLLATE "C" NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    stage            text,
    input_key        bytea,
    key              bytea,
    needs            uuid[],
    proceeds         boolean[],
    input            text, -- NULL if it is the job's
    errors           text, -- a JSON array with a member for each failed attempt
    CONSTRAINT tasks_pkey PRIMARY KEY (id),
    CONSTRAINT tasks_open CHECK (state IN ('waiting', 'ready', 'queued', 'running')),
    CONSTRAINT tasks_phase CHECK (CASE state
        WHEN 'waiting' THEN phase = 0 WHEN 'ready' THEN phase IN (1, 3) ELSE phase = 2 END),
    CONSTRAINT tasks_lease CHECK ((state = 'running') = (lease_until IS NOT NULL)
        AND (state <> 'running' OR worker IS NOT NULL)),
    CONSTRAINT tasks_needs CHECK (needs_left = 0 OR state = 'waiting'),
    CONSTRAINT tasks_leader_has_a_key
        CHECK (NOT is_leader OR (key IS NOT NULL AND state <> 'waiting'))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.5,
        autovacuum_analyze_threshold = 5000);
CREATE INDEX tasks_of_sub_queue ON spool.tasks (queue, priority, tenant, kind,
    (coalesce(limited_batch, '00000000-0000-0000-0000-000000000000'::uuid)), run_at, id)
    WHERE phase = 1;
CREATE INDEX tasks_later ON spool.tasks (queue, run_at) WHERE phase = 3;
CREATE INDEX tasks_taken ON spool.tasks (queue, queued_at) WHERE phase = 2;
CREATE INDEX tasks_taken_of_batch ON spool.tasks (limited_batch)
    WHERE phase = 2 AND limited_batch IS NOT NULL;
CREATE INDEX tasks_of_plan ON spool.tasks (job, phase) WHERE NOT solo;
-- Single-flight: each key of a tenant has one leader; the other tasks with the key wait for it.
CREATE UNIQUE INDEX tasks_leader ON spool.tasks (tenant, key) WHERE is_leader;
CREATE INDEX tasks_waiters ON spool.tasks (tenant, key, priority DESC, created_at, id)
    WHERE key IS NOT NULL AND NOT is_leader;
-- A task gets its key when it is due, or a job for tomorrow would lead those of today.
CREATE INDEX tasks_undecided ON spool.tasks (queue, run_at)
    WHERE phase = 0 AND key IS NULL AND needs_left = 0;

-- `task` waits for `need`; the edge is deleted when the need settles.
CREATE TABLE spool.edges (
    need    uuid NOT NULL,
    task    uuid NOT NULL,
    proceed boolean NOT NULL,
    CONSTRAINT edges_pkey PRIMARY KEY (need, task)
);

-- Settled tasks. An id begins with the time of its job, so a range of ids is a range of days.
CREATE TABLE spool.history (
    id               uuid NOT NULL,
    job              uuid NOT NULL,
    worker           uuid,
    cause            uuid, -- the task whose failure ended this one; itself if it failed
    created_at       bigint NOT NULL,
    first_started_at bigint,
    started_at       bigint,
    finished_at      bigint NOT NULL,
    fence            bigint NOT NULL,
    timeout_ms       bigint NOT NULL,
    kind_version     integer NOT NULL,
    place            integer NOT NULL,
    queue            spool.queue NOT NULL,
    state            spool.task_state NOT NULL
        CHECK (state IN ('succeeded', 'failed', 'cancelled')),
    attempt          smallint NOT NULL,
    attempts_counted smallint NOT NULL,
    max_attempts     smallint NOT NULL,
    losses           smallint NOT NULL,
    solo             boolean NOT NULL,
    cached           boolean NOT NULL,
    superseded       boolean NOT NULL DEFAULT false, -- a later generation has taken its place
    tenant           text COLLATE "C" NOT NULL,
    name             text COLLATE "C" NOT NULL,
    kind             text COLLATE "C" NOT NULL,
    input_key        bytea,
    output_hash      bytea,
    needs            uuid[],
    proceeds         boolean[],
    artifacts        text,
    error            text,
    errors           text,
    output           text,
    input            text, -- kept for tasks that may be retried
    CONSTRAINT history_pkey PRIMARY KEY (id),
    CONSTRAINT history_output CHECK ((state = 'succeeded') = (output IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE INDEX history_of_plan ON spool.history (job) WHERE NOT solo;
CREATE INDEX history_dead ON spool.history (tenant, id) WHERE state = 'failed';
CREATE TABLE spool.history_rest PARTITION OF spool.history DEFAULT;

-- A plan's tasks by kind, as counters, so that no view counts rows.
CREATE TABLE spool.plan_kinds (
    job     uuid NOT NULL,
    kind    text COLLATE "C" NOT NULL,
    total   integer NOT NULL,
    settled integer NOT NULL DEFAULT 0,
    cached  integer NOT NULL DEFAULT 0,
    CONSTRAINT plan_kinds_pkey PRIMARY KEY (job, kind),
    CONSTRAINT plan_kinds_add_up CHECK (cached BETWEEN 0 AND settled AND settled <= total)
) WITH (fillfactor = 50);

CREATE TABLE spool.batches (
    id             uuid NOT NULL,
    created_at     bigint NOT NULL,
    settled_at     bigint,
    total          integer NOT NULL,
    fulfilled      integer NOT NULL DEFAULT 0,
    rejected       integer NOT NULL DEFAULT 0,
    max_concurrent integer CHECK (max_concurrent > 0),
    stop_on_error  boolean NOT NULL,
    stopping       boolean NOT NULL DEFAULT false, -- the rest is to be cancelled after a failure
    tenant         text COLLATE "C" NOT NULL,
    CONSTRAINT batches_pkey PRIMARY KEY (id),
    CONSTRAINT batches_add_up
        CHECK (fulfilled >= 0 AND rejected >= 0 AND fulfilled + rejected <= total),
    CONSTRAINT batches_settled CHECK ((settled_at IS NOT NULL) = (fulfilled + rejected = total))
) WITH (fillfactor = 50);
CREATE INDEX batches_stopping ON spool.batches (id) WHERE stopping;
CREATE INDEX batches_by_age ON spool.batches (settled_at) WHERE settled_at IS NOT NULL;

-- Items of a batch that never became a job.
CREATE TABLE spool.refused_items (
    batch uuid NOT NULL,
    item  integer NOT NULL,
    error text NOT NULL,
    CONSTRAINT refused_items_pkey PRIMARY KEY (batch, item)
);

-- Locked by a dispatcher that queues tasks of a batch with a limit, so that two dispatchers cannot
-- both take the last place.
CREATE TABLE spool.batch_limits (
    batch uuid NOT NULL,
    CONSTRAINT batch_limits_pkey PRIMARY KEY (batch)
);

CREATE TABLE spool.memos (
    key         bytea NOT NULL,
    output_hash bytea NOT NULL,
    created_at  bigint NOT NULL,
    used_at     bigint NOT NULL,
    tenant      text COLLATE "C" NOT NULL,
    artifacts   text,
    output      text NOT NULL,
    CONSTRAINT memos_pkey PRIMARY KEY (tenant, key)
);
CREATE INDEX memos_by_age ON spool.memos (used_at);

-- `target` is the job or batch that the call with this key made; `response` is replayed.
CREATE TABLE spool.idempotency_keys (
    tenant      text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    target      uuid NOT NULL,
    expires_at  bigint NOT NULL,
    response    text NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_keys_by_age ON spool.idempotency_keys (expires_at);

-- `render`, `generate` and `light` are a worker's slots for each queue.
CREATE TABLE spool.workers (
    id           uuid NOT NULL,
    heartbeat_at bigint NOT NULL,
    render       integer NOT NULL DEFAULT 0,
    generate     integer NOT NULL DEFAULT 0,
    light        integer NOT NULL DEFAULT 0,
    draining     boolean NOT NULL,
    name         text NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (id)
) WITH (fillfactor = 50);
CREATE INDEX workers_by_age ON spool.workers (heartbeat_at);

-- When leases were last swept. A long silence means that this server was away, and that no worker
-- could send a heartbeat.
CREATE TABLE spool.sweep_state (
    only_row    boolean NOT NULL DEFAULT true CHECK (only_row),
    swept_at    bigint NOT NULL,
    grace_until bigint NOT NULL,
    CONSTRAINT sweep_state_pkey PRIMARY KEY (only_row)
) WITH (fillfactor = 50);
INSERT INTO spool.sweep_state (swept_at, grace_until) VALUES (0, 0);

-- How ready and taken (queued or running) tasks are found without reading dead rows, of which an
-- open transaction leaves millions in `tasks`; docs/dispatch.md explains it. A *sub-queue* is the
-- ready tasks of one priority, tenant, kind and (if it has a limit) batch of a queue. A queue's
-- *dispatch cursor* has its sub-queues and where to begin in each. Every transaction that makes a
-- task ready writes a *ready event*, from which the cursor learns of it (triggers do it, so that no
-- way of making one ready can forget it), and holds a shared lock on the *visibility epoch* in
-- which it began until its commit is visible. `taken_since` never passes the `low_water` mark, and
-- tasks that were taken before it and are taken still are in `taken_before`.
CREATE SEQUENCE spool.visibility_epoch;
SELECT nextval('spool.visibility_epoch');

CREATE TABLE spool.ready_events (
    queue    spool.queue NOT NULL,
    priority smallint NOT NULL,
    at       bigint NOT NULL,
    since    bigint NOT NULL, -- the earliest run_at of the tasks that became ready
    batch    uuid NOT NULL,   -- all zeros if no limit of a batch applies
    tenant   text COLLATE "C" NOT NULL,
    kind     text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX ready_events_in_time ON spool.ready_events (queue, at);

-- A sub-queue, and the positions of the limits that apply to it in an array of what each limit
-- leaves (0: none applies).
CREATE TYPE spool.sub_queue AS (
    priority smallint, tenant text COLLATE "C", kind text COLLATE "C", batch uuid, since bigint,
    tenant_gate integer, kind_gate integer, provider_gate integer, batch_gate integer
);

-- Written some times a second by the dispatcher that holds the queue's lock. The row with the
-- highest number counts: a row that is updated is read through all its dead versions, and rows that
-- are appended are read from the end.
CREATE TABLE spool.dispatch_cursors (
    queue         spool.queue NOT NULL,
    number        bigint NOT NULL,
    low_water     bigint NOT NULL, -- every ready event from before it is in `sub_queues`
    epoch         bigint NOT NULL, -- began at epoch_at, the next low-water mark
    epoch_at      bigint NOT NULL,
    drained_below bigint NOT NULL, -- no transaction is in the epochs below
    taken_since   bigint NOT NULL,
    written_at    bigint NOT NULL,
    next_write_at bigint NOT NULL, -- it is not written again before
    full_scan_at  bigint NOT NULL, -- when the whole index is read again, whatever the cursor says
    taken_before  uuid[] NOT NULL,
    sub_queues    spool.sub_queue[] NOT NULL,
    CONSTRAINT dispatch_cursors_pkey PRIMARY KEY (queue, number)
);
INSERT INTO spool.dispatch_cursors (queue, number, low_water, epoch, epoch_at, drained_below,
    taken_since, written_at, next_write_at, full_scan_at, taken_before, sub_queues)
SELECT q, 1, 0, 1, 0, 1, 0, 0, 0, 0, '{}', '{}' FROM unnest(enum_range(NULL::spool.queue)) q;

-- The tenant of each priority that was served last. The row with the highest number counts, as
-- above.
CREATE TABLE spool.fairness_cursors (
    queue    spool.queue NOT NULL,
    priority smallint NOT NULL,
    number   bigint NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    CONSTRAINT fairness_cursors_pkey PRIMARY KEY (queue, priority, number)
);

-- How many attempts have ended, by queue. A row that every settle updates would leave a version
-- behind each time, and a reader would walk through all that cannot be removed yet. A sequence
-- leaves none: it is outside of transactions, which does no harm for a measure of pace.
CREATE SEQUENCE spool.attempt_count_render;
CREATE SEQUENCE spool.attempt_count_generate;
CREATE SEQUENCE spool.attempt_count_light;
SELECT setval('spool.attempt_count_' || q, 1) FROM unnest(enum_range(NULL::spool.queue)) q;

-- How long the latest successful attempts took: the median of each settle, read from the newest on.
CREATE TABLE spool.run_times (
    queue spool.queue NOT NULL,
    at    bigint NOT NULL,
    ms    bigint NOT NULL
);
CREATE INDEX run_times_newest ON spool.run_times (queue, at);

-- Limits and pauses that operators set. They are few rows; each dispatcher reads them, and an
-- accept only checks whether there are any.
--
-- At most `most` tasks queued or running: of a tenant ('*': of each that has no limit of its own),
-- of a kind, or of all kinds that use a provider. `kinds` are those that a limit of a kind or a
-- provider counts.
CREATE TABLE spool.limits (
    most  integer NOT NULL CHECK (most >= 0),
    scope text COLLATE "C" NOT NULL CHECK (scope IN ('tenant', 'kind', 'provider')),
    name  text COLLATE "C" NOT NULL,
    kinds text[] COLLATE "C" NOT NULL,
    CONSTRAINT limits_pkey PRIMARY KEY (scope, name)
);

CREATE TABLE spool.pauses (
    since bigint NOT NULL,
    scope text COLLATE "C" NOT NULL CHECK (scope IN ('queue', 'tenant')),
    name  text COLLATE "C" NOT NULL,
    CONSTRAINT pauses_pkey PRIMARY KEY (scope, name)
);

-- Recurring jobs. They are few rows, read once a second through `schedules_due` and written at each
-- firing and each change.
CREATE TABLE spool.schedules (
    id         uuid NOT NULL,
    revision   bigint NOT NULL,
    created_at bigint NOT NULL,
    next_at    bigint,
    last_at    bigint,
    starts_at  bigint,
    ends_at    bigint,
    last_job   uuid,
    paused     boolean NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    name       text,
    cron       text NOT NULL,
    timezone   text NOT NULL,
    catch_up   text NOT NULL,
    job        text NOT NULL,
    refusal    text,
    CONSTRAINT schedules_pkey PRIMARY KEY (id),
    CONSTRAINT schedules_catch_up CHECK (catch_up IN ('skip', 'latest', 'all')),
    CONSTRAINT schedules_paused_is_not_due CHECK (NOT paused OR next_at IS NULL)
) WITH (fillfactor = 50);
CREATE INDEX schedules_due ON spool.schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_of_tenant ON spool.schedules (tenant, id);

-- Until when the first tasks of a job with a queue timeout may wait for its start. A row is kept
-- beside its task, not in it, so that jobs without a timeout, which are nearly all, pay nothing. It
-- is deleted at its time, whatever became of the task.
CREATE TABLE spool.deadlines (
    task       uuid NOT NULL,
    due_at     bigint NOT NULL,
    allowed_ms bigint NOT NULL,
    CONSTRAINT deadlines_pkey PRIMARY KEY (task)
);
CREATE INDEX deadlines_due ON spool.deadlines (due_at);

-- The trace of the call that made a job, if its caller sent one (W3C `traceparent`). A row is kept
-- beside its job, not in it, so that jobs without a trace, which are most, pay nothing. If it is
-- missing, the work is done all the same and the trace ends here.
CREATE TABLE spool.traces (
    job         uuid NOT NULL,
    traceparent text NOT NULL,
    stored_at   bigint NOT NULL,
    CONSTRAINT traces_pkey PRIMARY KEY (job)
);
CREATE INDEX traces_by_age ON spool.traces (stored_at);

-- The artifacts that kept jobs (through what their tasks made, and through `artifact://` in their
-- input) and memos refer to. Triggers write these rows, so that every way in which a task settles
-- is covered, an older program's too. Work without artifacts pays for a comparison.
CREATE TABLE spool.job_artifacts (
    hash bytea NOT NULL,
    job  uuid NOT NULL,
    CONSTRAINT job_artifacts_pkey PRIMARY KEY (hash, job)
);
CREATE INDEX job_artifacts_of_job ON spool.job_artifacts (job);
CREATE TABLE spool.memo_artifacts (
    hash   bytea NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    key    bytea NOT NULL,
    CONSTRAINT memo_artifacts_pkey PRIMARY KEY (hash, tenant, key)
);
CREATE INDEX memo_artifacts_of_memo ON spool.memo_artifacts (tenant, key);
-- Artifacts that had no reference when they were last looked at, and since when.
CREATE TABLE spool.unreferenced_artifacts (
    hash  bytea NOT NULL,
    since bigint NOT NULL,
    CONSTRAINT unreferenced_artifacts_pkey PRIMARY KEY (hash)
);

-- Rows that callers pass to functions, in arrays. A caller sends every member, in this order. So a
-- function that needs one more takes a new type, as it would take a new name.
CREATE TYPE spool.new_task AS (
    id uuid, name text, kind text, kind_version integer, queue text,
    input text, -- NULL if it is the job's
    input_key bytea, timeout_ms bigint, max_attempts smallint,
    needs uuid[], proceeds boolean[], -- NULL if it has none
    needs_left integer, result boolean,
    enqueue boolean -- it goes straight to `queued`
);
CREATE TYPE spool.new_job AS (
    id uuid, tenant text, kind text, priority smallint, run_at bigint, tags text, metadata text,
    input text, timeout_ms bigint, max_attempts smallint, batch uuid, limited_batch uuid,
    item integer, result_task uuid, tasks spool.new_task[]
);
CREATE TYPE spool.refused_item AS (item integer, error text);
CREATE TYPE spool.new_batch AS (
    id uuid, tenant text, total integer, max_concurrent integer, stop_on_error boolean,
    refused spool.refused_item[]
);
CREATE TYPE spool.idempotent_call AS (
    tenant text, key text, fingerprint bytea, response text, target uuid
);
CREATE TYPE spool.settlement AS (
    task uuid, fence bigint, state text, output text, output_hash bytea, artifacts text, error text,
    grown spool.new_task[]
);

-- The end of a task. `cause` is the task whose failure ended this one.
CREATE TYPE spool.task_end AS (
    task uuid, state spool.task_state, cached boolean, cause uuid, output_hash bytea,
    artifacts text, error text, output text
);

-- The effects of a write, for after its commit: jobs that changed, queues with ready tasks,
-- running tasks to stop, keys to decide on (a tenant and a key at the same position of two arrays),
-- batches whose rest is to be cancelled, and jobs for which the call is to be repeated.
CREATE TYPE spool.effects AS (
    jobs uuid[], ready_queues text[], tasks_to_stop uuid[], tenants text[], keys bytea[],
    batches_to_stop uuid[], jobs_to_repeat uuid[]
);

CREATE TRIGGER tasks_record_ready AFTER INSERT ON spool.tasks REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION spool.record_ready();
CREATE TRIGGER tasks_record_ready_again AFTER UPDATE OF phase, priority, run_at ON spool.tasks
    FOR EACH ROW WHEN (NEW.phase = 1
        AND (OLD.phase <> 1 OR NEW.priority <> OLD.priority OR NEW.run_at < OLD.run_at))
    EXECUTE FUNCTION spool.record_ready_again();
CREATE TRIGGER history_references AFTER INSERT ON spool.history FOR EACH ROW
    WHEN (NEW.artifacts IS NOT NULL) EXECUTE FUNCTION spool.reference_task_artifacts();
CREATE TRIGGER jobs_references AFTER INSERT ON spool.jobs FOR EACH ROW
    WHEN (strpos(NEW.input, 'artifact://') > 0)
    EXECUTE FUNCTION spool.reference_input_artifacts();
CREATE TRIGGER jobs_unreference AFTER DELETE ON spool.jobs REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION spool.unreference_jobs();
CREATE TRIGGER memos_reference AFTER INSERT ON spool.memos FOR EACH ROW
    WHEN (NEW.artifacts IS NOT NULL) EXECUTE FUNCTION spool.reference_memo_artifacts();
CREATE TRIGGER memos_change_references AFTER UPDATE OF artifacts ON spool.memos FOR EACH ROW
    WHEN (NEW.artifacts IS DISTINCT FROM OLD.artifacts)
    EXECUTE FUNCTION spool.reference_memo_artifacts();
CREATE TRIGGER memos_unreference AFTER DELETE ON spool.memos FOR EACH ROW
    WHEN (OLD.artifacts IS NOT NULL) EXECUTE FUNCTION spool.reference_memo_artifacts();
