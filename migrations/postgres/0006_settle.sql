-- running -> settled, with all that follows.

-- Settles tasks that are their job's only one: most of all work, in one pass without loops. Answers those that it settled, with what
-- their job's view is made of; whatever it leaves out is stale, or of a plan and for `settle_plans`.
--
-- The arrays must be sorted by task: so the rows are locked in that order, before the jobs, before the batches.
CREATE FUNCTION spool.settle_solo(
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
        array_agg(e.queue),
        array_agg(e.batch) FILTER (WHERE e.batch IS NOT NULL),
        array_agg((e.job_state = 'succeeded')::integer) FILTER (WHERE e.batch IS NOT NULL),
        array_agg((e.job_state <> 'succeeded')::integer) FILTER (WHERE e.batch IS NOT NULL),
        array_agg(e.id), array_agg(e.job), array_agg(e.begun_at), array_agg(e.attempt), array_agg(e.key)
    INTO good, bad, stopped, ended, batches, batch_good, batch_bad, s_task, s_job, s_begun, s_attempt, s_key
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
    PERFORM spool.count_ended(worker_id, ended);

    RETURN QUERY
    SELECT s.task, s.job, j.status::text, 0::bigint, j.tenant, j.kind, j.batch, j.item, j.priority, j.tags, j.metadata, j.created_at,
        j.run_at, j.version, least(j.started_at, s.begun), j.finished_at, j.attempts + s.attempt, s.key, to_halt
    FROM unnest(s_task, s_job, s_begun, s_attempt, s_key) s (task, job, begun, attempt, key) CROSS JOIN LATERAL (
        SELECT x.status, x.tenant, x.kind, x.batch, x.item, x.priority, x.tags, x.metadata, x.created_at, x.run_at, x.version,
            x.started_at, x.finished_at, x.attempts
        FROM spool.jobs x WHERE x.id = s.job OFFSET 0) j;
END $$;

-- Writes the memos of tasks that have just succeeded by a run of their own, in the order of their keys.
CREATE FUNCTION spool.remember(task_ids uuid[], task_keys bytea[], at bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO spool.memos (tenant, key, output, hash, artifacts, created_at, used_at)
    SELECT h.tenant, u.key, h.output, h.hash, h.artifacts, at, at
    FROM unnest(task_ids, task_keys) u (id, key) CROSS JOIN LATERAL (
        SELECT x.tenant, x.output, x.hash, x.artifacts FROM spool.history x WHERE x.id = u.id AND x.state = 'succeeded' OFFSET 0) h
    WHERE u.key IS NOT NULL ORDER BY h.tenant, u.key
    ON CONFLICT (tenant, key) DO UPDATE SET
        output = excluded.output, hash = excluded.hash, artifacts = excluded.artifacts, created_at = at, used_at = at
$$;

-- running -> ready after a pause, one attempt poorer. Leaves out what was asked to stop, which the caller settles as cancelled.
CREATE FUNCTION spool.settle_retries(
    worker_id uuid, task_ids uuid[], a_fences bigint[], new_errors text[], pauses bigint[],
    OUT moved uuid[], OUT jobs uuid[], OUT readied text[]
) LANGUAGE plpgsql AS $$
DECLARE
    plans uuid[] := spool.lock_plans(task_ids);
    at bigint := spool.now_ms();
    ended spool.queue[];
BEGIN
    WITH back AS (
        UPDATE spool.tasks t SET
            state = 'ready', lane = CASE WHEN u.pause > 0 THEN 3 ELSE 1 END, run_at = at + u.pause, lease_until = NULL, queued_at = NULL,
            progress = NULL, stage = NULL, counted = CASE WHEN t.solo THEN t.counted ELSE t.attempt END,
            errors = spool.chained(t.errors, t.attempt, t.worker, at, u.error)
        FROM unnest(task_ids, a_fences, new_errors, pauses) u (id, fence, error, pause)
        WHERE t.id = ANY (task_ids) AND t.id = u.id AND t.fence = u.fence AND t.worker = worker_id AND t.state = 'running'
            AND NOT t.cancelling
        RETURNING t.id, t.job, t.queue, t.lane, t.begun_at, t.solo)
    SELECT array_agg(b.id), array_agg(b.job), array_agg(DISTINCT b.queue::text) FILTER (WHERE b.lane = 1), array_agg(b.queue)
    INTO moved, jobs, readied, ended FROM back b;
    IF plans <> '{}' THEN
        UPDATE spool.jobs j SET
            attempts = j.attempts + d.n, status = 'running', version = j.version + 1, started_at = least(j.started_at, d.begun)
        FROM (SELECT t.job, count(*) AS n, min(t.begun_at) AS begun FROM spool.tasks t
              WHERE t.id = ANY (moved) AND NOT t.solo GROUP BY t.job) d
        WHERE j.id = ANY (plans) AND j.id = d.job;
    END IF;
    IF moved IS NOT NULL THEN
        PERFORM spool.count_ended(worker_id, ended);
    END IF;
END $$;
