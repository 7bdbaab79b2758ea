-- The store of `spool dev` and `spool render`: one file, one writer.
--
-- Times are milliseconds since the epoch by the store's clock, ids are 16 bytes, payloads are JSON text.
-- One table holds a task from its first day to its last: SQLite updates in place, so there is nothing to gain from
-- moving a settled row elsewhere. What must stay narrow stays narrow: inputs are rows of their own, written once,
-- and every index over open work is partial.

-- The major version of this schema. A program refuses to open a file whose major it does not know; what is added
-- within one major must not break a program that does not know of it.
CREATE TABLE schema_major (major INTEGER NOT NULL);
INSERT INTO schema_major (major) VALUES (1);

CREATE TABLE batches (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant         TEXT    NOT NULL,
    total          INTEGER NOT NULL,
    fulfilled      INTEGER NOT NULL DEFAULT 0,
    rejected       INTEGER NOT NULL DEFAULT 0,
    max_concurrent INTEGER,
    stop_on_error  INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    settled_at     INTEGER,
    CHECK (fulfilled >= 0 AND rejected >= 0 AND fulfilled + rejected <= total),
    CHECK ((settled_at IS NOT NULL) = (fulfilled + rejected = total))
) WITHOUT ROWID;

CREATE INDEX batches_old ON batches (settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE refused_items (
    batch BLOB    NOT NULL REFERENCES batches (id),
    item  INTEGER NOT NULL,
    error TEXT    NOT NULL,
    PRIMARY KEY (batch, item)
) WITHOUT ROWID;

CREATE TABLE jobs (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant           TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    priority         INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    status           TEXT    NOT NULL CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Grows with every change of this row.
    version          INTEGER NOT NULL DEFAULT 1,
    -- Grows with every retry of the job.
    generation       INTEGER NOT NULL DEFAULT 0,
    batch            BLOB,
    item             INTEGER,
    tags             TEXT,
    metadata         TEXT,
    overrides        TEXT,
    -- The task whose output is the job's; a growth may hand this on.
    result_task      BLOB    NOT NULL,
    open_tasks       INTEGER NOT NULL CHECK (open_tasks >= 0),
    total_tasks      INTEGER NOT NULL,
    -- {kind: [total, settled, cached]}
    kinds            TEXT    NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    -- Someone asked for it.
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    -- Nothing of it is to start any more: cancelled, or without hope of its result.
    doomed           INTEGER NOT NULL DEFAULT 0,
    error            TEXT,
    created_at       INTEGER NOT NULL,
    run_at           INTEGER,
    started_at       INTEGER,
    finished_at      INTEGER,
    CHECK ((batch IS NULL) = (item IS NULL)),
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))),
    CHECK (finished_at IS NULL OR open_tasks = 0),
    CHECK (error IS NULL OR status IN ('failed', 'cancelled'))
) WITHOUT ROWID;

CREATE UNIQUE INDEX jobs_of_a_batch ON jobs (batch, item) WHERE batch IS NOT NULL;
CREATE INDEX jobs_open_of_a_batch ON jobs (batch, item) WHERE finished_at IS NULL AND batch IS NOT NULL;
CREATE INDEX jobs_newest ON jobs (tenant, id);
CREATE INDEX jobs_newest_by_status ON jobs (tenant, status, id);
CREATE INDEX jobs_newest_by_kind ON jobs (tenant, kind, id);
CREATE INDEX jobs_old ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE job_tags (
    tenant TEXT NOT NULL,
    tag    TEXT NOT NULL,
    job    BLOB NOT NULL,
    PRIMARY KEY (tenant, tag, job)
) WITHOUT ROWID;

-- What was asked for, once per job, and once per task whose input is not its job's.
CREATE TABLE inputs (
    owner BLOB NOT NULL PRIMARY KEY,
    input TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE tasks (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    job              BLOB    NOT NULL REFERENCES jobs (id),
    tenant           TEXT    NOT NULL,
    -- The order of insertion within the job; a retried task takes the place of the one it replaces.
    place            INTEGER NOT NULL,
    name             TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    kind_version     INTEGER NOT NULL,
    queue            TEXT    NOT NULL CHECK (queue IN ('render', 'generate', 'light')),
    -- Its band: the job's, or that of a follower of its key.
    priority         INTEGER NOT NULL,
    -- Its batch if that has a limit, else empty: such tasks stand in a line of their own.
    lane             BLOB    NOT NULL,
    state            TEXT    NOT NULL
        CHECK (state IN ('waiting', 'ready', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Its row in `inputs`.
    input_of         BLOB    NOT NULL,
    input_key        BLOB,
    -- Known when the last need settled; NULL before, and for what is not memoised.
    key              BLOB,
    needs_left       INTEGER NOT NULL CHECK (needs_left >= 0),
    needs            INTEGER NOT NULL,
    -- Whether something needs it.
    needed           INTEGER NOT NULL DEFAULT 0,
    run_at           INTEGER NOT NULL,
    queued_at        INTEGER,
    timeout_ms       INTEGER NOT NULL,
    max_attempts     INTEGER NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    losses           INTEGER NOT NULL DEFAULT 0,
    fence            INTEGER NOT NULL DEFAULT 0,
    worker           BLOB,
    lease_until      INTEGER,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    cached         INTEGER NOT NULL DEFAULT 0,
    -- A later generation runs in its place.
    replaced         INTEGER NOT NULL DEFAULT 0,
    progress         TEXT,
    output           TEXT,
    output_hash      BLOB,
    artifacts        TEXT,
    error            TEXT,
    -- The need whose failure cancelled it: the way back to the first failure.
    blamed           BLOB,
    -- Every failed attempt: [{attempt, worker, at, error}]
    errors           TEXT,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER,
    CHECK ((lease_until IS NOT NULL) = (state = 'running')),
    CHECK (state <> 'running' OR worker IS NOT NULL),
    CHECK ((output_hash IS NOT NULL) = (state = 'succeeded')),
    CHECK (state IN ('waiting', 'cancelled') OR needs_left = 0),
    CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled')))
) WITHOUT ROWID;

CREATE INDEX tasks_of_a_job ON tasks (job, place);
CREATE INDEX tasks_running_of_a_job ON tasks (job) WHERE state = 'running';
CREATE INDEX tasks_next_of_a_job ON tasks (job, run_at) WHERE state IN ('ready', 'queued');
CREATE INDEX tasks_to_dispatch ON tasks (queue, priority, tenant, lane, run_at, job, place) WHERE state = 'ready';
CREATE INDEX tasks_due ON tasks (queue, run_at) WHERE state = 'ready';
CREATE INDEX tasks_dispatched ON tasks (queue, queued_at) WHERE state = 'queued';
CREATE INDEX tasks_running ON tasks (queue, lease_until) WHERE state = 'running';
CREATE INDEX tasks_under_a_limit ON tasks (lane) WHERE state IN ('queued', 'running') AND lane <> x'';
-- One of those with a key leads; those that wait with a key follow it.
CREATE UNIQUE INDEX tasks_leading ON tasks (tenant, key)
    WHERE key IS NOT NULL AND state IN ('ready', 'queued', 'running');
CREATE INDEX tasks_following ON tasks (tenant, key, priority) WHERE key IS NOT NULL AND state = 'waiting';

-- `task` takes the output of `need`, in the order of `place`.
CREATE TABLE edges (
    task       BLOB    NOT NULL REFERENCES tasks (id),
    place      INTEGER NOT NULL,
    need       BLOB    NOT NULL REFERENCES tasks (id),
    on_failure TEXT    NOT NULL CHECK (on_failure IN ('cancel', 'proceed')),
    PRIMARY KEY (task, place)
) WITHOUT ROWID;

CREATE INDEX edges_of_a_need ON edges (need);

CREATE TABLE memos (
    tenant    TEXT    NOT NULL,
    key       BLOB    NOT NULL,
    output    TEXT    NOT NULL,
    hash      BLOB    NOT NULL,
    artifacts TEXT    NOT NULL,
    -- When it last answered, to the hour.
    used_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE INDEX memos_unused ON memos (used_at);

CREATE TABLE idempotency_keys (
    tenant      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    answer      TEXT    NOT NULL,
    -- The job or batch that it made.
    made        BLOB    NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE INDEX idempotency_keys_old ON idempotency_keys (expires_at);

CREATE TABLE workers (
    id       BLOB    NOT NULL PRIMARY KEY,
    name     TEXT    NOT NULL,
    draining INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE worker_slots (
    worker BLOB    NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    queue  TEXT    NOT NULL,
    slots  INTEGER NOT NULL,
    PRIMARY KEY (worker, queue)
) WITHOUT ROWID;

-- Attempts that live workers ended, by queue, since the file was made.
CREATE TABLE attempts_ended (
    queue TEXT    NOT NULL PRIMARY KEY,
    ended INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO attempts_ended (queue, ended) VALUES ('render', 0), ('generate', 0), ('light', 0);
