-- The tables of the store. Rules that the functions of the later files keep are restated here, so that a bug is refused and not stored.
--
-- Hot and cold apart: `tasks` holds what is open and nothing else, so it stays as small as the backlog; a settled task's row moves to
-- `history`, whose partitions are dropped whole. `jobs` is written at the accept and at the end (and by what happens to plans).
--
-- There are no foreign keys: each would lock the row it refers to at every insert, in an order of its own, and the functions are the
-- only writers. Times are milliseconds since the epoch by this server's clock. JSON is kept as text: it is never looked into here,
-- and jsonb would refuse some of it (\u0000) and respell the rest.

CREATE SCHEMA spool;

CREATE TYPE spool.queue AS ENUM ('render', 'generate', 'light');
CREATE TYPE spool.task_state AS ENUM ('waiting', 'ready', 'queued', 'running', 'succeeded', 'failed', 'cancelled');
CREATE TYPE spool.job_status AS ENUM ('queued', 'running', 'succeeded', 'failed', 'cancelled');

-- What an accept makes of a call. `status` is 'queued' until the row is next written, even while its first task runs: a reader looks at
-- the tasks too. For a job that never had but one task ("solo") all that changes is in the task's row and then in its history.
--
-- No index refers to a column that a success changes, and half of each page is left free: so the update at the end of a job stays in
-- its page and writes to no index. `ill` is apart from `status` for that reason: only what goes wrong pays for being found by it.
CREATE TABLE spool.jobs (
    id           uuid NOT NULL,
    batch        uuid,
    result_task  uuid NOT NULL,
    created_at   bigint NOT NULL,
    run_at       bigint,
    timeout_ms   bigint,
    item         integer,
    total_tasks  integer NOT NULL CHECK (total_tasks > 0),
    priority     smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    max_attempts smallint,
    -- What changes.
    version      bigint NOT NULL DEFAULT 1,
    finished_at  bigint,
    started_at   bigint,
    open_tasks   integer NOT NULL CHECK (open_tasks BETWEEN 0 AND total_tasks),
    attempts     integer NOT NULL DEFAULT 0,
    generation   integer NOT NULL DEFAULT 0,
    status       spool.job_status NOT NULL DEFAULT 'queued',
    ill          boolean NOT NULL DEFAULT false,
    cancelling   boolean NOT NULL DEFAULT false,
    solo         boolean NOT NULL,
    error        text,
    -- What does not.
    tenant       text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    tags         text,
    metadata     text,
    input        text NOT NULL,
    CONSTRAINT jobs_pkey PRIMARY KEY (id),
    CONSTRAINT jobs_item_with_batch CHECK ((batch IS NULL) = (item IS NULL)),
    CONSTRAINT jobs_final_has_no_open_task
        CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed', 'cancelled')) AND (finished_at IS NULL OR open_tasks = 0)),
    CONSTRAINT jobs_ill_says_what_status_says CHECK (ill = (status IN ('failed', 'cancelled')))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1);
CREATE INDEX jobs_of_tenant ON spool.jobs (tenant, id);
CREATE UNIQUE INDEX jobs_of_batch ON spool.jobs (batch, item) WHERE batch IS NOT NULL;
CREATE INDEX jobs_ill ON spool.jobs (tenant, id) WHERE ill;

-- What is open. `lane` is what the indexes sort by: 0 waits for others, 1 may be dispatched, 2 is dispatched or runs, 3 waits for its time. It does
-- not change at a claim or a heartbeat, so those write to no index.
CREATE TABLE spool.tasks (
    id            uuid NOT NULL,
    job           uuid NOT NULL,
    batch         uuid,
    limited_batch uuid, -- the batch, if that has a limit
    worker        uuid,
    created_at    bigint NOT NULL,
    run_at        bigint NOT NULL,
    timeout_ms    bigint NOT NULL,
    fence         bigint NOT NULL DEFAULT 0,
    queued_at     bigint,
    begun_at      bigint, -- its first claim
    started_at    bigint, -- its newest claim
    lease_until   bigint,
    kind_version  integer NOT NULL,
    place         integer NOT NULL,
    needs_left    integer NOT NULL DEFAULT 0 CHECK (needs_left >= 0),
    progress      real,
    queue         spool.queue NOT NULL,
    state         spool.task_state NOT NULL,
    lane          smallint NOT NULL,
    priority      smallint NOT NULL,
    attempt       smallint NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    counted       smallint NOT NULL DEFAULT 0, -- attempts that the row of its plan's job counts already
    max_attempts  smallint NOT NULL,
    losses        smallint NOT NULL DEFAULT 0,
    solo          boolean NOT NULL,
    leads         boolean NOT NULL DEFAULT false,
    cancelling    boolean NOT NULL DEFAULT false,
    tenant        text COLLATE "C" NOT NULL,
    name          text COLLATE "C" NOT NULL,
    kind          text COLLATE "C" NOT NULL,
    stage         text,
    input_key     bytea,
    key           bytea,
    needs         uuid[],
    proceeds      boolean[],
    input         text, -- none where it is the job's
    errors        text, -- a JSON array: one member for each attempt that failed
    CONSTRAINT tasks_pkey PRIMARY KEY (id),
    CONSTRAINT tasks_open CHECK (state IN ('waiting', 'ready', 'queued', 'running')),
    CONSTRAINT tasks_lane CHECK (
        CASE state WHEN 'waiting' THEN lane = 0 WHEN 'ready' THEN lane IN (1, 3) ELSE lane = 2 END),
    CONSTRAINT tasks_lease CHECK ((state = 'running') = (lease_until IS NOT NULL) AND (state <> 'running' OR worker IS NOT NULL)),
    CONSTRAINT tasks_needs CHECK (needs_left = 0 OR state = 'waiting'),
    CONSTRAINT tasks_leader_has_a_key CHECK (NOT leads OR (key IS NOT NULL AND state <> 'waiting'))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.5, autovacuum_analyze_threshold = 5000);
CREATE INDEX tasks_to_dispatch ON spool.tasks (queue, priority DESC, tenant, run_at, id) WHERE lane = 1 AND limited_batch IS NULL;
CREATE INDEX tasks_to_dispatch_of_batch ON spool.tasks (queue, limited_batch, priority DESC, run_at, id)
    WHERE lane = 1 AND limited_batch IS NOT NULL;
CREATE INDEX tasks_later ON spool.tasks (queue, run_at) WHERE lane = 3;
CREATE INDEX tasks_taken ON spool.tasks (queue) WHERE lane = 2;
CREATE INDEX tasks_taken_of_batch ON spool.tasks (limited_batch) WHERE lane = 2 AND limited_batch IS NOT NULL;
CREATE INDEX tasks_of_plan ON spool.tasks (job, lane) WHERE NOT solo;
-- Single-flight: one leader for each key of a tenant; the others wait behind it.
CREATE UNIQUE INDEX tasks_leader ON spool.tasks (tenant, key) WHERE leads;
CREATE INDEX tasks_followers ON spool.tasks (tenant, key, priority DESC, created_at, id) WHERE key IS NOT NULL AND NOT leads;
-- Whether it may share an output is decided when it is due, or a job for tomorrow would lead those of today.
CREATE INDEX tasks_undecided ON spool.tasks (queue, run_at) WHERE lane = 0 AND key IS NULL AND needs_left = 0;

-- Who waits for whom; an edge goes when the need settles.
CREATE TABLE spool.edges (
    need    uuid NOT NULL,
    task    uuid NOT NULL,
    proceed boolean NOT NULL,
    CONSTRAINT edges_pkey PRIMARY KEY (need, task)
);

-- What has settled. Ids begin with the time of their job, so a range of ids is a range of days.
CREATE TABLE spool.history (
    id           uuid NOT NULL,
    job          uuid NOT NULL,
    worker       uuid,
    cause        uuid, -- the task whose failure ended this one, by way of however many others; itself if it failed
    created_at   bigint NOT NULL,
    begun_at     bigint,
    started_at   bigint,
    finished_at  bigint NOT NULL,
    fence        bigint NOT NULL,
    timeout_ms   bigint NOT NULL,
    kind_version integer NOT NULL,
    place        integer NOT NULL,
    queue        spool.queue NOT NULL,
    state        spool.task_state NOT NULL CHECK (state IN ('succeeded', 'failed', 'cancelled')),
    attempt      smallint NOT NULL,
    counted      smallint NOT NULL,
    max_attempts smallint NOT NULL,
    losses       smallint NOT NULL,
    solo         boolean NOT NULL,
    cached     boolean NOT NULL,
    superseded   boolean NOT NULL DEFAULT false, -- a later generation has taken its place
    tenant       text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    kind         text COLLATE "C" NOT NULL,
    input_key    bytea,
    hash         bytea,
    needs        uuid[],
    proceeds     boolean[],
    artifacts    text,
    error        text,
    errors       text,
    output       text,
    input        text, -- kept for what may be tried again
    CONSTRAINT history_pkey PRIMARY KEY (id),
    CONSTRAINT history_output CHECK ((state = 'succeeded') = (output IS NOT NULL))
) PARTITION BY RANGE (id);
CREATE INDEX history_of_plan ON spool.history (job) WHERE NOT solo;
CREATE INDEX history_dead ON spool.history (tenant, id) WHERE state = 'failed';
CREATE TABLE spool.history_rest PARTITION OF spool.history DEFAULT;

-- A plan's tasks by kind: counters, so that no view counts rows.
CREATE TABLE spool.plan_kinds (
    job      uuid NOT NULL,
    kind     text COLLATE "C" NOT NULL,
    total    integer NOT NULL,
    settled  integer NOT NULL DEFAULT 0,
    cached integer NOT NULL DEFAULT 0,
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
    halting        boolean NOT NULL DEFAULT false, -- the first failure asked for the rest to be cancelled
    tenant         text COLLATE "C" NOT NULL,
    CONSTRAINT batches_pkey PRIMARY KEY (id),
    CONSTRAINT batches_add_up CHECK (fulfilled >= 0 AND rejected >= 0 AND fulfilled + rejected <= total),
    CONSTRAINT batches_settled CHECK ((settled_at IS NOT NULL) = (fulfilled + rejected = total))
) WITH (fillfactor = 50);
CREATE INDEX batches_halting ON spool.batches (id) WHERE halting;
CREATE INDEX batches_by_age ON spool.batches (settled_at) WHERE settled_at IS NOT NULL;

-- Items of a batch that never became a job.
CREATE TABLE spool.refusals (
    batch uuid NOT NULL,
    item  integer NOT NULL,
    error text NOT NULL,
    CONSTRAINT refusals_pkey PRIMARY KEY (batch, item)
);

-- Locked by whoever queues tasks of a batch with a limit, so that two dispatchers can't both take the last place.
CREATE TABLE spool.batch_limits (
    batch uuid NOT NULL,
    CONSTRAINT batch_limits_pkey PRIMARY KEY (batch)
);

CREATE TABLE spool.memos (
    key        bytea NOT NULL,
    hash       bytea NOT NULL,
    created_at bigint NOT NULL,
    used_at    bigint NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    artifacts  text,
    output     text NOT NULL,
    CONSTRAINT memos_pkey PRIMARY KEY (tenant, key)
);
CREATE INDEX memos_by_age ON spool.memos (used_at);

CREATE TABLE spool.idempotency (
    tenant      text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    target      uuid NOT NULL,
    created_at  bigint NOT NULL,
    answer      text NOT NULL,
    CONSTRAINT idempotency_pkey PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_by_age ON spool.idempotency (created_at);

CREATE TABLE spool.workers (
    id       uuid NOT NULL,
    seen_at  bigint NOT NULL,
    render   integer NOT NULL DEFAULT 0,
    generate integer NOT NULL DEFAULT 0,
    light    integer NOT NULL DEFAULT 0,
    draining boolean NOT NULL,
    name     text NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (id)
) WITH (fillfactor = 50);
CREATE INDEX workers_by_age ON spool.workers (seen_at);

-- Attempts ended, by worker and queue: a row of its own for each, so that no two workers wait for each other's commit.
CREATE TABLE spool.tallies (
    worker uuid NOT NULL,
    queue  spool.queue NOT NULL,
    ended  bigint NOT NULL,
    CONSTRAINT tallies_pkey PRIMARY KEY (worker, queue)
) WITH (fillfactor = 50);

-- Where the turn is among the tenants of a band.
CREATE TABLE spool.turns (
    queue    spool.queue NOT NULL,
    priority smallint NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    CONSTRAINT turns_pkey PRIMARY KEY (queue, priority)
) WITH (fillfactor = 50);

-- When leases were last judged: a long silence means that this server was away, and that nobody could heartbeat.
CREATE TABLE spool.vigil (
    only_row    boolean NOT NULL DEFAULT true CHECK (only_row),
    swept_at    bigint NOT NULL,
    grace_until bigint NOT NULL,
    CONSTRAINT vigil_pkey PRIMARY KEY (only_row)
) WITH (fillfactor = 50);
INSERT INTO spool.vigil (swept_at, grace_until) VALUES (0, 0);
