-- What is counted, and the functions that count it: attempts that ended, and how long they took.
--
-- A row that every settle updates leaves a version behind each time, and whoever reads it walks through all that can't be removed yet. A
-- sequence leaves none: it is outside of transactions, which for a measure of pace does no harm.

CREATE SEQUENCE spool.ended_render;
CREATE SEQUENCE spool.ended_generate;
CREATE SEQUENCE spool.ended_light;
SELECT setval('spool.ended_' || c, 1 + coalesce((SELECT sum(a.ended) FROM spool.tallies a WHERE a.queue = c), 0)::bigint)
FROM unnest(enum_range(NULL::spool.queue)) c;

-- How long some of the latest attempts took that succeeded: the median of each settle. Read from the newest on.
CREATE TABLE spool.run_times (
    queue spool.queue NOT NULL,
    at    bigint NOT NULL,
    ms    bigint NOT NULL
);
CREATE INDEX run_times_newest ON spool.run_times (queue, at);

CREATE FUNCTION spool.ended(c spool.queue) RETURNS bigint LANGUAGE sql AS $$
    SELECT CASE c WHEN 'render' THEN (SELECT s.last_value FROM spool.ended_render s)
                  WHEN 'generate' THEN (SELECT s.last_value FROM spool.ended_generate s)
                  ELSE (SELECT s.last_value FROM spool.ended_light s) END
$$;

-- Attempts that ended, for the dispatcher's window, and what they took where they succeeded.
CREATE FUNCTION spool.count_ended(worker_id uuid, queues spool.queue[], took bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT u.queue, count(*) AS n, percentile_disc(0.5) WITHIN GROUP (ORDER BY u.ms) AS ms
        FROM unnest(queues, took) u (queue, ms) WHERE u.queue IS NOT NULL GROUP BY u.queue
    LOOP
        PERFORM nextval(('spool.ended_' || one.queue)::regclass) FROM generate_series(1, one.n);
        IF one.ms IS NOT NULL THEN
            INSERT INTO spool.run_times (queue, at, ms) VALUES (one.queue, spool.now_ms(), greatest(one.ms, 0));
        END IF;
    END LOOP;
END $$;
CREATE OR REPLACE FUNCTION spool.count_ended(worker_id uuid, queues spool.queue[]) RETURNS void LANGUAGE sql AS
    $$ SELECT spool.count_ended(worker_id, queues, NULL) $$;

-- The median of the newest; nothing where nothing has succeeded yet.
CREATE FUNCTION spool.median_ms(c spool.queue) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY r.ms) FROM (
        SELECT x.ms FROM spool.run_times x WHERE x.queue = c ORDER BY x.at DESC LIMIT 101) r
$$;

-- Settles tasks that are their job's only one: most of all work, in one pass without loops. Answers those that it settled, with what
-- their job's view is made of; whatever it leaves out is stale, or of a plan and for `settle_plans`.
--
-- The arrays must be sorted by task: so the rows are locked in that order, before the jobs, before the batches.
CREATE OR REPLACE FUNCTION spool.settle_solo(
    worker_id uuid, task_ids uuid[], a_fences bigint[], states text[], outputs text[], hashes bytea[], artifact_lists text[], own_errors text[]
) RETURNS TABLE (
    task uuid, job uuid, status text, fence bigint, tenant text, kind text, batch uuid, item integer, priority smallint, tags text,
    metadata text, created_at bigint, run_at bigint, version bigint, started_at bigint, finished_at bigint, attempts integer,
    keyed bytea, halted uuid[]
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    at bigint := spool.now_ms();
    held tid[];
    any_key boolean;
    good uuid[];
    bad uuid[];
    stopped uuid[];
    ended spool.queue[];
    took bigint[];
    batches uuid[];
    batch_good integer[];
    batch_bad integer[];
    to_halt uuid[];
    s_task uuid[];
    s_job uuid[];
    s_begun bigint[];
    s_attempt integer[];
    s_key bytea[];
BEGIN
    SELECT array_agg(t.place_of), bool_or(t.key IS NOT NULL) INTO held, any_key
    FROM unnest(task_ids, a_fences) u (id, fence) CROSS JOIN LATERAL (
        SELECT x.ctid AS place_of, x.key FROM spool.tasks x
        WHERE x.id = u.id AND x.state = 'running' AND x.worker = worker_id AND x.fence = u.fence AND x.solo FOR UPDATE) t;
    IF held IS NULL THEN
        RETURN;
    END IF;

    WITH gone AS (
        DELETE FROM spool.tasks t WHERE t.ctid = ANY (held)
        RETURNING t.id, t.job, t.batch, t.worker, t.created_at, t.begun_at, t.started_at, t.fence, t.timeout_ms, t.kind_version, t.place,
            t.queue, t.attempt, t.counted, t.max_attempts, t.losses, t.tenant, t.name, t.kind, t.input_key, t.key, t.input, t.errors,
            t.cancelling),
    ends AS (
        SELECT g.*, v.output, v.hash, v.artifacts, v.error,
            CASE WHEN v.state = 'succeeded' THEN 'succeeded' WHEN g.cancelling THEN 'cancelled' ELSE 'failed' END AS job_state,
            v.state::spool.task_state AS state
        FROM gone g JOIN unnest(task_ids, states, outputs, hashes, artifact_lists, own_errors) v (id, state, output, hash, artifacts, error)
            ON v.id = g.id),
    kept AS (
        INSERT INTO spool.history (id, job, worker, cause, created_at, begun_at, started_at, finished_at, fence, timeout_ms, kind_version,
            place, queue, state, attempt, counted, max_attempts, losses, solo, cached, tenant, name, kind, input_key, hash, artifacts,
            error, errors, output, input)
        SELECT e.id, e.job, e.worker, CASE WHEN e.state = 'failed' THEN e.id END, e.created_at, e.begun_at, e.started_at, at, e.fence,
            e.timeout_ms, e.kind_version, e.place, e.queue, e.state, e.attempt, e.counted, e.max_attempts, e.losses, true, false,
            e.tenant, e.name, e.kind, e.input_key, e.hash, e.artifacts, e.error,
            CASE WHEN e.state = 'failed' THEN spool.chained(e.errors, e.attempt, e.worker, at, e.error) ELSE e.errors END,
            e.output, CASE WHEN e.state <> 'succeeded' THEN e.input END
        FROM ends e)
    SELECT array_agg(e.job) FILTER (WHERE e.job_state = 'succeeded'),
        array_agg(e.job) FILTER (WHERE e.job_state = 'failed'),
        array_agg(e.job) FILTER (WHERE e.job_state = 'cancelled'),
        array_agg(e.queue), array_agg(CASE WHEN e.state = 'succeeded' THEN at - e.started_at END),
        array_agg(e.batch) FILTER (WHERE e.batch IS NOT NULL),
        array_agg((e.job_state = 'succeeded')::integer) FILTER (WHERE e.batch IS NOT NULL),
        array_agg((e.job_state <> 'succeeded')::integer) FILTER (WHERE e.batch IS NOT NULL),
        array_agg(e.id), array_agg(e.job), array_agg(e.begun_at), array_agg(e.attempt), array_agg(e.key)
    INTO good, bad, stopped, ended, took, batches, batch_good, batch_bad, s_task, s_job, s_begun, s_attempt, s_key
    FROM ends e;

    IF any_key THEN
        PERFORM spool.remember(s_task, s_key, at);
    END IF;
    -- Every job here ends alike, so one update in the order of ids does: what differs from job to job is in its task's row.
    IF bad IS NOT NULL OR stopped IS NOT NULL THEN
        UPDATE spool.jobs j SET
            status = (CASE WHEN j.id = ANY (bad) THEN 'failed' ELSE 'cancelled' END)::spool.job_status, ill = true,
            finished_at = at, open_tasks = 0, version = j.version + 1,
            error = CASE WHEN j.id = ANY (bad) THEN h.error ELSE spool.cancelled_error() END
        FROM spool.jobs x CROSS JOIN LATERAL (SELECT y.error FROM spool.history y WHERE y.id = x.result_task OFFSET 0) h
        WHERE j.id = ANY (coalesce(bad, '{}') || coalesce(stopped, '{}')) AND x.id = j.id
            AND x.id = ANY (coalesce(bad, '{}') || coalesce(stopped, '{}'));
    END IF;
    UPDATE spool.jobs j SET status = 'succeeded', finished_at = at, open_tasks = 0, version = j.version + 1
    WHERE j.id = ANY (good);
    IF batches IS NOT NULL THEN
        to_halt := spool.count_items(batches, batch_good, batch_bad, at);
    END IF;
    PERFORM spool.count_ended(worker_id, ended, took);

    RETURN QUERY
    SELECT s.task, s.job, j.status::text, 0::bigint, j.tenant, j.kind, j.batch, j.item, j.priority, j.tags, j.metadata, j.created_at,
        j.run_at, j.version, least(j.started_at, s.begun), j.finished_at, j.attempts + s.attempt, s.key, to_halt
    FROM unnest(s_task, s_job, s_begun, s_attempt, s_key) s (task, job, begun, attempt, key) CROSS JOIN LATERAL (
        SELECT x.status, x.tenant, x.kind, x.batch, x.item, x.priority, x.tags, x.metadata, x.created_at, x.run_at, x.version,
            x.started_at, x.finished_at, x.attempts
        FROM spool.jobs x WHERE x.id = s.job OFFSET 0) j;
END $$;

-- Ends these tasks, which the caller has locked together with the jobs of plans they belong to, and all that follows from it within their
-- jobs: dependents become ready or are cancelled, counters move, jobs and batches end. If an ending is no success, the caller has
-- locked all open tasks of its plan.
CREATE OR REPLACE FUNCTION spool.finish(ends spool.ending[], worker_id uuid, at bigint) RETURNS spool.effects LANGUAGE plpgsql AS $$
DECLARE
    fx spool.effects := spool.no_effects();
    touched uuid[] := '{}';
    this_round uuid[];
    ended spool.queue[];
    all_ended spool.queue[] := '{}';
    took bigint[];
    all_took bigint[] := '{}';
    freed uuid[];
    next_ends spool.ending[];
    ran_tasks uuid[];
    ran_keys bytea[];
    all_keys bytea[];
    all_tenants text[];
BEGIN
    WHILE cardinality(ends) > 0 LOOP
        WITH e AS MATERIALIZED (SELECT * FROM unnest(ends)),
        gone AS (
            DELETE FROM spool.tasks t WHERE t.id = ANY (ARRAY(SELECT x.task FROM e x))
            RETURNING t.id, t.job, t.worker, t.created_at, t.begun_at, t.started_at, t.fence, t.timeout_ms, t.kind_version, t.place,
                t.queue, t.state AS was, t.attempt, t.counted, t.max_attempts, t.losses, t.solo, t.leads, t.tenant, t.name, t.kind,
                t.input_key, t.key, t.needs, t.proceeds, t.input, t.errors),
        kept AS (
            INSERT INTO spool.history (id, job, worker, cause, created_at, begun_at, started_at, finished_at, fence, timeout_ms,
                kind_version, place, queue, state, attempt, counted, max_attempts, losses, solo, cached, tenant, name, kind, input_key,
                hash, needs, proceeds, artifacts, error, errors, output, input)
            SELECT g.id, g.job, g.worker, x.cause, g.created_at, g.begun_at, g.started_at, at, g.fence, g.timeout_ms,
                g.kind_version, g.place, g.queue, x.state, g.attempt, CASE WHEN g.solo THEN g.counted ELSE g.attempt END, g.max_attempts,
                g.losses, g.solo, x.cached, g.tenant, g.name, g.kind, g.input_key,
                x.hash, g.needs, g.proceeds, x.artifacts, x.error,
                CASE WHEN x.state = 'failed' THEN spool.chained(g.errors, g.attempt, g.worker, at, x.error) ELSE g.errors END,
                x.output, CASE WHEN x.state <> 'succeeded' THEN g.input END
            FROM gone g JOIN e x ON x.task = g.id),
        per_kind AS (
            UPDATE spool.plan_kinds k SET settled = k.settled + d.n, cached = k.cached + d.cached
            FROM (SELECT g.job, g.kind, count(*) AS n, count(*) FILTER (WHERE x.cached) AS cached
                  FROM gone g JOIN e x ON x.task = g.id WHERE NOT g.solo GROUP BY g.job, g.kind) d
            WHERE k.job = ANY (ARRAY(SELECT g.job FROM gone g WHERE NOT g.solo)) AND k.job = d.job AND k.kind = d.kind),
        per_job AS (
            UPDATE spool.jobs j SET
                open_tasks = j.open_tasks - d.n, version = j.version + 1,
                attempts = j.attempts + CASE WHEN j.solo THEN 0 ELSE d.ran END,
                started_at = CASE WHEN j.solo THEN j.started_at ELSE least(j.started_at, d.begun) END,
                status = CASE WHEN j.solo OR NOT d.moved_on THEN j.status ELSE 'running' END
            FROM (SELECT g.job, count(*) AS n, sum(g.attempt - g.counted) AS ran, min(g.begun_at) AS begun,
                         bool_or(x.cached OR g.begun_at IS NOT NULL) AS moved_on
                  FROM gone g JOIN e x ON x.task = g.id GROUP BY g.job) d
            WHERE j.id = ANY (ARRAY(SELECT g.job FROM gone g)) AND j.id = d.job)
        SELECT array_agg(DISTINCT g.job), array_agg(g.queue) FILTER (WHERE g.was = 'running'),
            array_agg(CASE WHEN x.state = 'succeeded' THEN at - g.started_at END) FILTER (WHERE g.was = 'running'),
            array_agg(g.id) FILTER (WHERE g.leads AND x.state = 'succeeded' AND NOT x.cached),
            array_agg(g.key) FILTER (WHERE g.leads AND x.state = 'succeeded' AND NOT x.cached),
            array_agg(g.tenant) FILTER (WHERE g.leads), array_agg(g.key) FILTER (WHERE g.leads)
        INTO this_round, ended, took, ran_tasks, ran_keys, all_tenants, all_keys
        FROM gone g JOIN e x ON x.task = g.id;
        EXIT WHEN this_round IS NULL;
        touched := touched || this_round;
        fx.tenants := fx.tenants || coalesce(all_tenants, '{}');
        fx.keys := fx.keys || coalesce(all_keys, '{}');
        IF ran_tasks IS NOT NULL THEN
            PERFORM spool.remember(ran_tasks, ran_keys, at);
        END IF;
        all_ended := all_ended || coalesce(ended, '{}');
        all_took := all_took || coalesce(took, '{}');

        WITH e AS MATERIALIZED (SELECT * FROM unnest(ends)),
        cut AS (DELETE FROM spool.edges d WHERE d.need = ANY (ARRAY(SELECT x.task FROM e x)) RETURNING d.need, d.task, d.proceed),
        judged AS MATERIALIZED (
            SELECT c.task, c.need, x.cause, x.state <> 'succeeded' AND NOT c.proceed AS broken FROM cut c JOIN e x ON x.task = c.need),
        lowered AS (
            UPDATE spool.tasks t SET needs_left = t.needs_left - d.n
            FROM (SELECT j.task, count(*) AS n FROM judged j GROUP BY j.task) d
            WHERE t.id = ANY (ARRAY(SELECT j.task FROM judged j)) AND t.id = d.task
            RETURNING t.id, t.needs_left)
        SELECT array_agg(l.id) FILTER (WHERE l.needs_left = 0 AND NOT EXISTS (SELECT FROM judged j WHERE j.task = l.id AND j.broken)),
            (SELECT array_agg(b.ending) FROM (
                SELECT DISTINCT ON (j.task) ROW(j.task, 'cancelled', false, j.cause, NULL, NULL, 
                    spool.need_failed_error(h.name), NULL)::spool.ending AS ending
                FROM judged j CROSS JOIN LATERAL (SELECT y.name FROM spool.history y WHERE y.id = j.need OFFSET 0) h
                WHERE j.broken ORDER BY j.task, j.need) b)
        INTO freed, next_ends FROM lowered l;
        IF freed IS NOT NULL THEN
            fx := spool.free(freed, at, fx);
        END IF;

        -- Without its result a job has no use for its other tasks.
        SELECT coalesce(next_ends, '{}') || coalesce(array_agg(ROW(t.id, 'cancelled', false, NULL, NULL, NULL, 
                spool.without_result_error(), NULL)::spool.ending), '{}')
        INTO next_ends
        FROM unnest(ends) x CROSS JOIN LATERAL (
            SELECT y.id FROM spool.jobs y JOIN spool.history h ON h.job = y.id
            WHERE h.id = x.task AND y.id = ANY (this_round) AND y.result_task = x.task OFFSET 0) j
        CROSS JOIN LATERAL (
            SELECT y.id FROM spool.tasks y WHERE y.job = j.id AND NOT y.solo AND y.state <> 'running' OFFSET 0) t
        WHERE x.state <> 'succeeded' AND NOT EXISTS (SELECT FROM unnest(next_ends) n WHERE n.task = t.id);
        fx.stopping := fx.stopping || spool.stop_running(ARRAY(
            SELECT x.task FROM unnest(ends) x WHERE x.state <> 'succeeded'));
        ends := next_ends;
    END LOOP;
    fx.jobs := ARRAY(SELECT DISTINCT u FROM unnest(touched) u);
    fx.halted := spool.close_jobs(fx.jobs, at);
    IF worker_id IS NOT NULL AND cardinality(all_ended) > 0 THEN
        PERFORM spool.count_ended(worker_id, all_ended, all_took);
    END IF;
    RETURN fx;
END $$;

-- Leases that ran out. Lost tasks are ready again, here; what is to be failed as poison, or was asked to stop, is handed to the caller,
-- who settles each by itself under the fence that was seen here.
--
-- While this server was away nobody could heartbeat. So a sweep that comes late (its predecessor is more than a lease ago, or the server
-- has just started) judges nothing for the length of a lease.
CREATE OR REPLACE FUNCTION spool.sweep(
    quarantine_after integer, most bigint,
    OUT lost bigint, OUT jobs uuid[], OUT readied text[], OUT doomed uuid[], OUT doomed_fences bigint[], OUT doomed_losses smallint[],
    OUT poisoned boolean[]
) LANGUAGE plpgsql AS $$
DECLARE
    lease_ms CONSTANT bigint := 10000;
    at bigint;
    grace bigint;
    expired uuid[];
BEGIN
    lost := 0;
    SELECT v.grace_until INTO grace FROM spool.vigil v FOR UPDATE;
    at := spool.now_ms();
    UPDATE spool.vigil v SET swept_at = at, grace_until = greatest(
        v.grace_until,
        CASE WHEN v.swept_at > 0 AND at - v.swept_at > lease_ms THEN at + lease_ms ELSE 0 END,
        CASE WHEN v.swept_at > 0 THEN (extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint + lease_ms ELSE 0 END)
    RETURNING v.grace_until INTO grace;
    IF at < grace THEN
        RETURN;
    END IF;
    SELECT array_agg(t.id) INTO expired FROM (
        SELECT x.id FROM spool.taken('render') x WHERE x.state = 'running' AND x.lease_until < at
        UNION ALL SELECT x.id FROM spool.taken('generate') x WHERE x.state = 'running' AND x.lease_until < at
        UNION ALL SELECT x.id FROM spool.taken('light') x WHERE x.state = 'running' AND x.lease_until < at LIMIT most) t;
    IF expired IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(t.id), array_agg(t.fence), array_agg(t.losses), array_agg(NOT t.cancelling)
    INTO doomed, doomed_fences, doomed_losses, poisoned
    FROM spool.tasks t WHERE t.id = ANY (expired) AND t.state = 'running' AND t.lease_until < at
        AND (t.cancelling OR t.losses + 1 >= quarantine_after);
    WITH gone AS MATERIALIZED (
        SELECT t.id FROM spool.tasks t WHERE t.id = ANY (expired) AND t.state = 'running' AND t.lease_until < at AND NOT t.cancelling
            AND t.losses + 1 < quarantine_after FOR UPDATE SKIP LOCKED),
    back AS (
        UPDATE spool.tasks t SET state = 'ready', lane = 1, losses = t.losses + 1, attempt = t.attempt - 1, lease_until = NULL,
            progress = NULL, stage = NULL, queued_at = NULL, run_at = least(t.run_at, at)
        WHERE t.id = ANY (ARRAY(SELECT g.id FROM gone g)) AND t.state = 'running' AND t.lease_until < at AND NOT t.cancelling
        RETURNING t.job, t.queue)
    SELECT count(*), array_agg(DISTINCT b.job), array_agg(DISTINCT b.queue::text) INTO lost, jobs, readied FROM back b;
END $$;

-- What a queue wants of its workers. Counts up to 10,000 and no further, from where its front says that tasks are.
DROP FUNCTION spool.demand(text);
CREATE FUNCTION spool.demand(
    a_queue text, OUT waiting bigint, OUT running bigint, OUT slots bigint, OUT oldest_ms bigint, OUT queued bigint, OUT workers bigint,
    OUT median_ms bigint, OUT paused boolean
) LANGUAGE plpgsql AS $$
DECLARE
    c spool.queue := a_queue::spool.queue;
    at bigint := spool.now_ms();
    oldest bigint;
    front bigint;
    n bigint;
    l spool.line;
BEGIN
    SELECT count(*) FILTER (WHERE t.state = 'queued'), count(*) FILTER (WHERE t.state = 'running'),
           min(t.run_at) FILTER (WHERE t.state = 'queued')
    INTO queued, running, oldest FROM spool.taken(c) t;
    SELECT queued + count(*), least(oldest, min(x.run_at)) INTO waiting, oldest FROM (
        SELECT t.run_at FROM spool.tasks t WHERE t.queue = c AND t.lane = 3 AND t.run_at <= at ORDER BY t.run_at LIMIT 10000) x;
    FOREACH l IN ARRAY spool.lines_of(c) LOOP
        EXIT WHEN waiting >= 10000;
        SELECT count(*), min(x.run_at) INTO n, front FROM (
            SELECT t.run_at FROM spool.tasks t
            WHERE t.queue = c AND t.priority = l.priority AND t.tenant = l.tenant AND t.kind = l.kind AND t.lane = 1
                AND coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid) = l.batch AND t.run_at >= l.since
            ORDER BY t.run_at, t.id LIMIT 10000 - waiting) x;
        waiting := waiting + n;
        oldest := least(oldest, front);
    END LOOP;
    SELECT coalesce(sum(CASE a_queue WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate ELSE w.light END), 0),
           count(*) FILTER (WHERE CASE a_queue WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate ELSE w.light END > 0)
    INTO slots, workers FROM spool.workers w WHERE w.seen_at > at - 10000 AND NOT w.draining;
    waiting := least(waiting, 10000);
    oldest_ms := greatest(coalesce(at - oldest, 0), 0);
    median_ms := spool.median_ms(c);
    paused := EXISTS (SELECT FROM spool.pauses p WHERE p.scope = 'queue' AND p.name = a_queue);
END $$;
DROP FUNCTION spool.tenants_in_band(spool.queue, smallint, text, text, integer);

-- Whether the table of what is open has gathered so many dead rows that looking through its queue costs more than removing them, and they
-- can be removed: while a transaction is held open that began before they died, reading the table through once more changes nothing. A
-- server looks once a minute unless told otherwise, and in a minute a busy fleet leaves a million.
CREATE OR REPLACE FUNCTION spool.wants_vacuum() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT s.n_dead_tup > greatest(20000, s.n_live_tup / 10)
        AND NOT EXISTS (
            SELECT FROM pg_stat_activity a
            WHERE (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL) AND a.xact_start < clock_timestamp() - interval '30 s'
                AND a.backend_type <> 'walsender')
    FROM pg_stat_user_tables s WHERE s.relid = 'spool.tasks'::regclass
$$;

-- Jobs as they are now, in the order of the ids, those of other tenants left out (no tenant: all). Statuses as they are seen from outside;
-- of a ready task it is named what holds it back: a pause, or which limit.
CREATE OR REPLACE FUNCTION spool.views(a_tenant text, job_ids uuid[]) RETURNS TABLE (
    place bigint, id uuid, tenant text, kind text, status text, batch uuid, item integer, priority smallint, tags text, metadata text,
    created_at bigint, run_at bigint, version bigint, started_at bigint, finished_at bigint, attempts integer, error text, result text,
    solo boolean, open_tasks integer, total_tasks integer, progress double precision, stage text, waiting_for text, kinds text
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    at bigint := spool.now_ms();
    manned text[] := spool.attended(at);
BEGIN
    RETURN QUERY
    SELECT u.place, j.id, j.tenant, j.kind,
        CASE WHEN j.status = 'queued' AND (t.begun_at IS NOT NULL OR r.running > 0) THEN 'running' ELSE j.status::text END,
        j.batch, j.item, j.priority, j.tags, j.metadata, j.created_at, j.run_at, j.version,
        least(j.started_at, t.begun_at, h.begun_at, r.begun_at), j.finished_at,
        (j.attempts + coalesce(t.attempt, 0) + CASE WHEN j.solo THEN coalesce(h.attempt, 0) ELSE 0 END + coalesce(r.attempts, 0))::integer,
        j.error, h.output, j.solo, j.open_tasks, j.total_tasks,
        CASE WHEN j.solo THEN t.progress ELSE r.progress END::double precision,
        CASE WHEN j.solo THEN t.stage ELSE r.kind END,
        CASE WHEN j.finished_at IS NOT NULL OR t.state = 'running' OR r.running > 0 THEN NULL
             WHEN w.lane IS NULL THEN 'needs'
             WHEN w.lane = 3 THEN 'schedule'
             WHEN w.lane = 0 THEN CASE WHEN w.needs_left = 0 AND w.key IS NULL AND w.run_at > at THEN 'schedule' ELSE 'needs' END
             WHEN b.word IS NOT NULL THEN b.word
             WHEN w.queue::text = ANY (manned) THEN 'slot'
             ELSE 'worker' END,
        k.kinds
    FROM unnest(job_ids) WITH ORDINALITY u (id, place)
    CROSS JOIN LATERAL (
        SELECT x.id, x.tenant, x.kind, x.status, x.batch, x.item, x.priority, x.tags, x.metadata, x.created_at, x.run_at, x.version,
            x.started_at, x.finished_at, x.attempts, x.error, x.solo, x.open_tasks, x.total_tasks, x.result_task
        FROM spool.jobs x WHERE x.id = u.id AND (a_tenant IS NULL OR x.tenant = a_tenant) OFFSET 0) j
    LEFT JOIN LATERAL (
        SELECT x.state, x.lane, x.begun_at, x.attempt, x.progress, x.stage FROM spool.tasks x
        WHERE x.id = j.result_task AND j.solo AND j.finished_at IS NULL OFFSET 0) t ON true
    LEFT JOIN LATERAL (
        SELECT x.output, x.begun_at, x.attempt FROM spool.history x
        WHERE x.id = j.result_task AND j.finished_at IS NOT NULL OFFSET 0) h ON true
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE x.state = 'running') AS running, sum(x.attempt - x.counted) AS attempts, min(x.begun_at) AS begun_at,
            sum(x.progress) FILTER (WHERE x.state = 'running') AS progress, min(x.kind) FILTER (WHERE x.state = 'running') AS kind
        FROM spool.tasks x WHERE x.job = j.id AND NOT x.solo AND x.lane = 2 AND j.finished_at IS NULL AND NOT j.solo) r ON true
    LEFT JOIN LATERAL (
        SELECT x.* FROM (
            SELECT y.lane, y.queue, y.tenant, y.kind, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
            WHERE y.id = j.result_task AND j.solo
            UNION ALL (SELECT y.lane, y.queue, y.tenant, y.kind, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.lane = 2 LIMIT 1)
            UNION ALL (SELECT y.lane, y.queue, y.tenant, y.kind, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.lane = 1 LIMIT 1)
            UNION ALL (SELECT y.lane, y.queue, y.tenant, y.kind, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.lane = 3 LIMIT 1)) x
        WHERE j.finished_at IS NULL LIMIT 1) w ON true
    LEFT JOIN LATERAL (SELECT spool.held_by(w.queue, w.tenant, w.kind, w.limited_batch) AS word WHERE w.lane = 1 OFFSET 0) b ON true
    LEFT JOIN LATERAL (
        SELECT json_object_agg(x.kind, json_build_object('total', x.total, 'settled', x.settled, 'cached', x.cached))::text AS kinds
        FROM spool.plan_kinds x WHERE x.job = j.id AND NOT j.solo) k ON true
    ORDER BY u.place;
END $$;
