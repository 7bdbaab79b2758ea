-- The store of `spool dev` and `spool render`: one file, one writer.
-- It is applied once and never edited: a change is a file `0002_….sql`.
--
-- Times are milliseconds since the epoch by the store's clock, ids are 16 bytes, payloads are JSON
-- text. One table holds a task for all of its life: SQLite updates in place, so moving a settled
-- row elsewhere gains nothing. Inputs are rows of their own, written once, so the rows of tasks
-- stay narrow, and every index over open work is partial.

-- The major version of this schema. A program refuses a file of a later major. Changes within one
-- major must not break a program that does not know them.
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

CREATE INDEX batches_by_age ON batches (settled_at) WHERE settled_at IS NOT NULL;

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
    status           TEXT    NOT NULL
        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Grows with every change of this row.
    version          INTEGER NOT NULL DEFAULT 1,
    -- Grows with every retry of the job.
    generation       INTEGER NOT NULL DEFAULT 0,
    batch            BLOB,
    item             INTEGER,
    tags             TEXT,
    metadata         TEXT,
    overrides        TEXT,
    -- The task whose output is the job's result. A growth may hand this on.
    result_task      BLOB    NOT NULL,
    open_tasks       INTEGER NOT NULL CHECK (open_tasks >= 0),
    total_tasks      INTEGER NOT NULL,
    -- {kind: [total, settled, cached]}
    kinds            TEXT    NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    -- A client asked for it, or its batch stopped.
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    -- No task may start any more: it is cancelled, or its result can't come.
    no_result        INTEGER NOT NULL DEFAULT 0,
    error            TEXT,
    created_at       INTEGER NOT NULL,
    run_at           INTEGER,
    started_at       INTEGER,
    finished_at      INTEGER,
    -- The W3C `traceparent` that the client sent, if any.
    traceparent      TEXT,
    CHECK ((batch IS NULL) = (item IS NULL)),
    CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled'))),
    CHECK (finished_at IS NULL OR open_tasks = 0),
    CHECK (error IS NULL OR status IN ('failed', 'cancelled'))
) WITHOUT ROWID;

CREATE UNIQUE INDEX jobs_of_batch ON jobs (batch, item) WHERE batch IS NOT NULL;
CREATE INDEX jobs_open_of_batch ON jobs (batch, item)
    WHERE finished_at IS NULL AND batch IS NOT NULL;
CREATE INDEX jobs_of_tenant ON jobs (tenant, id);
CREATE INDEX jobs_by_status ON jobs (tenant, status, id);
CREATE INDEX jobs_by_kind ON jobs (tenant, kind, id);
CREATE INDEX jobs_by_age ON jobs (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE job_tags (
    tenant TEXT NOT NULL,
    tag    TEXT NOT NULL,
    job    BLOB NOT NULL,
    PRIMARY KEY (tenant, tag, job)
) WITHOUT ROWID;

-- One input for each job, and one for each task whose input is not its job's.
CREATE TABLE inputs (
    owner BLOB NOT NULL PRIMARY KEY,
    input TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE tasks (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    job              BLOB    NOT NULL REFERENCES jobs (id),
    tenant           TEXT    NOT NULL,
    -- The order of insertion within the job. A retry's task takes the place that it supersedes.
    place            INTEGER NOT NULL,
    name             TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    kind_version     INTEGER NOT NULL,
    queue            TEXT    NOT NULL CHECK (queue IN ('render', 'generate', 'light')),
    -- Its job's, or that of a waiter of its key.
    priority         INTEGER NOT NULL,
    -- Its batch if that has a limit, else empty: such tasks are a sub-queue of their own.
    limited_batch    BLOB    NOT NULL,
    state            TEXT    NOT NULL
        CHECK (state IN
            ('waiting', 'ready', 'queued', 'running', 'succeeded', 'failed', 'cancelled')),
    -- Its row in `inputs`.
    input_of         BLOB    NOT NULL,
    input_key        BLOB,
    -- Known when the last need settled; NULL before, and for a task that is not memoised.
    key              BLOB,
    needs_left       INTEGER NOT NULL CHECK (needs_left >= 0),
    needs            INTEGER NOT NULL,
    -- Set if a task needs it.
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
    -- Settled by a memo or a leader, without a run of its own.
    cached           INTEGER NOT NULL DEFAULT 0,
    -- A retry runs a later generation in its place.
    superseded       INTEGER NOT NULL DEFAULT 0,
    progress         TEXT,
    output           TEXT,
    output_hash      BLOB,
    artifacts        TEXT,
    error            TEXT,
    -- The need whose failure cancelled it; following it leads to the first failure.
    failed_need      BLOB,
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

CREATE INDEX tasks_of_job ON tasks (job, place);
CREATE INDEX tasks_running_of_job ON tasks (job) WHERE state = 'running';
CREATE INDEX tasks_next_of_job ON tasks (job, run_at) WHERE state IN ('ready', 'queued');
-- The order of a dispatch. A sub-queue that a limit or a pause holds back is skipped as a whole.
CREATE INDEX tasks_ready ON tasks
    (queue, priority, tenant, kind, limited_batch, run_at, job, place) WHERE state = 'ready';
CREATE INDEX tasks_due ON tasks (queue, run_at) WHERE state = 'ready';
CREATE INDEX tasks_queued ON tasks (queue, queued_at) WHERE state = 'queued';
CREATE INDEX tasks_running ON tasks (queue, lease_until) WHERE state = 'running';
CREATE INDEX tasks_taken_of_batch ON tasks (limited_batch)
    WHERE state IN ('queued', 'running') AND limited_batch <> x'';
-- One task with a key leads, and the waiting ones wait for its output.
CREATE UNIQUE INDEX tasks_leader ON tasks (tenant, key)
    WHERE key IS NOT NULL AND state IN ('ready', 'queued', 'running');
CREATE INDEX tasks_waiters ON tasks (tenant, key, priority)
    WHERE key IS NOT NULL AND state = 'waiting';
-- The latest attempts that succeeded, for the median of their durations.
CREATE INDEX tasks_ended ON tasks (queue, finished_at) WHERE state = 'succeeded' AND NOT cached;
-- Failed tasks, in the order of the list of dead work.
CREATE INDEX tasks_dead ON tasks (tenant, id) WHERE state = 'failed';

-- `task` takes the output of `need`, in the order of `place`.
CREATE TABLE edges (
    task    BLOB    NOT NULL REFERENCES tasks (id),
    place   INTEGER NOT NULL,
    need    BLOB    NOT NULL REFERENCES tasks (id),
    -- Set if the task runs although the need did not succeed.
    proceed INTEGER NOT NULL,
    PRIMARY KEY (task, place)
) WITHOUT ROWID;

CREATE INDEX edges_of_need ON edges (need);

CREATE TABLE memos (
    tenant      TEXT    NOT NULL,
    key         BLOB    NOT NULL,
    output      TEXT    NOT NULL,
    output_hash BLOB    NOT NULL,
    artifacts   TEXT    NOT NULL,
    -- Time of its last use, to the hour.
    used_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE INDEX memos_by_age ON memos (used_at);

CREATE TABLE idempotency_keys (
    tenant      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    -- The job or batch of the first call.
    target      BLOB    NOT NULL,
    expires_at  INTEGER NOT NULL,
    response    TEXT    NOT NULL,
    PRIMARY KEY (tenant, key)
) WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (expires_at);

CREATE TABLE workers (
    id           BLOB    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    draining     INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE worker_slots (
    worker BLOB    NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    queue  TEXT    NOT NULL,
    slots  INTEGER NOT NULL,
    PRIMARY KEY (worker, queue)
) WITHOUT ROWID;

-- Attempts that live workers have ended, a running total.
CREATE TABLE attempt_counts (
    queue TEXT    NOT NULL PRIMARY KEY,
    ended INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO attempt_counts (queue, ended) VALUES ('render', 0), ('generate', 0), ('light', 0);

-- The limits and pauses that operators set: few rows, read by each dispatch.

CREATE TABLE limits (
    scope TEXT    NOT NULL CHECK (scope IN ('tenant', 'kind', 'provider')),
    -- A tenant ('*': each that has no limit of its own), a kind, a provider.
    name  TEXT    NOT NULL,
    most  INTEGER NOT NULL CHECK (most >= 0),
    -- A JSON list: the kinds that a limit of a kind or a provider counts.
    kinds TEXT    NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE pauses (
    scope TEXT    NOT NULL CHECK (scope IN ('queue', 'tenant')),
    name  TEXT    NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

-- Jobs that recur.
CREATE TABLE schedules (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant     TEXT    NOT NULL,
    name       TEXT,
    cron       TEXT    NOT NULL,
    timezone   TEXT    NOT NULL,
    catch_up   TEXT    NOT NULL CHECK (catch_up IN ('skip', 'latest', 'all')),
    starts_at  INTEGER,
    ends_at    INTEGER,
    paused     INTEGER NOT NULL,
    -- The job to post, as JSON.
    job        TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    -- Grows with every write of the row.
    revision   INTEGER NOT NULL,
    next_at    INTEGER,
    last_at    INTEGER,
    last_job   BLOB,
    -- {at, error}: the latest firing whose job was refused.
    refusal    TEXT,
    CHECK (NOT paused OR next_at IS NULL)
) WITHOUT ROWID;

CREATE INDEX schedules_due ON schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_of_tenant ON schedules (tenant, id);

-- The time until which the first tasks of a job may wait for its start, where the job has a limit.
-- A row goes at its time, in whichever state its task is.
CREATE TABLE deadlines (
    task       BLOB    NOT NULL PRIMARY KEY,
    due_at     INTEGER NOT NULL,
    allowed_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX deadlines_due ON deadlines (due_at);

-- References to artifacts: by stored jobs (in outputs of their tasks, and as `artifact://` in their
-- input) and by memos. Triggers keep them, so no way of settling can forget one.
CREATE TABLE job_artifacts (
    hash BLOB NOT NULL,
    job  BLOB NOT NULL,
    PRIMARY KEY (hash, job)
) WITHOUT ROWID;
CREATE INDEX job_artifacts_of_job ON job_artifacts (job);

CREATE TABLE memo_artifacts (
    hash   BLOB NOT NULL,
    tenant TEXT NOT NULL,
    key    BLOB NOT NULL,
    PRIMARY KEY (hash, tenant, key)
) WITHOUT ROWID;
CREATE INDEX memo_artifacts_of_memo ON memo_artifacts (tenant, key);

-- Artifacts that were found without a reference, and the time of the first such look.
CREATE TABLE unreferenced_artifacts (
    hash  BLOB    NOT NULL PRIMARY KEY,
    since INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TRIGGER task_references AFTER UPDATE OF artifacts ON tasks WHEN NEW.artifacts <> '[]' BEGIN
    INSERT OR IGNORE INTO job_artifacts (hash, job)
    SELECT unhex(json_extract(value, '$.hash')), NEW.job FROM json_each(NEW.artifacts);
END;
CREATE TRIGGER cached_task_names_artifacts AFTER INSERT ON tasks WHEN NEW.artifacts <> '[]' BEGIN
    INSERT OR IGNORE INTO job_artifacts (hash, job)
    SELECT unhex(json_extract(value, '$.hash')), NEW.job FROM json_each(NEW.artifacts);
END;
-- Every text in a job's input that is an address of an artifact. A task's own input references
-- outputs of its job's tasks.
CREATE TRIGGER input_references AFTER INSERT ON inputs WHEN instr(NEW.input, 'artifact://') BEGIN
    INSERT OR IGNORE INTO job_artifacts (hash, job)
    SELECT unhex(substr(value, 12)), NEW.owner FROM json_tree(NEW.input)
    WHERE type = 'text' AND value LIKE 'artifact://%' AND length(value) = 75
        AND unhex(substr(value, 12)) IS NOT NULL
        AND EXISTS (SELECT 1 FROM jobs WHERE id = NEW.owner);
END;
CREATE TRIGGER job_references_end AFTER DELETE ON jobs BEGIN
    DELETE FROM job_artifacts WHERE job = OLD.id;
END;
CREATE TRIGGER memo_references AFTER INSERT ON memos WHEN NEW.artifacts <> '[]' BEGIN
    INSERT OR IGNORE INTO memo_artifacts (hash, tenant, key)
    SELECT unhex(json_extract(value, '$.hash')), NEW.tenant, NEW.key FROM json_each(NEW.artifacts);
END;
CREATE TRIGGER memo_references_change AFTER UPDATE OF artifacts ON memos
WHEN NEW.artifacts <> OLD.artifacts BEGIN
    DELETE FROM memo_artifacts WHERE tenant = OLD.tenant AND key = OLD.key;
    INSERT OR IGNORE INTO memo_artifacts (hash, tenant, key)
    SELECT unhex(json_extract(value, '$.hash')), NEW.tenant, NEW.key FROM json_each(NEW.artifacts);
END;
CREATE TRIGGER memo_references_end AFTER DELETE ON memos WHEN OLD.artifacts <> '[]' BEGIN
    DELETE FROM memo_artifacts WHERE tenant = OLD.tenant AND key = OLD.key;
END;
