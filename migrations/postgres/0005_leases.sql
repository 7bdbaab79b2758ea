-- queued -> running, and what a worker says of what it runs.

-- Gives each task that is queued to this worker. Locks in the order of ids (an index scan over an array goes through it sorted), and a
-- task that somebody else is about to change is waited for and looked at again. Reads the job of each for the view.
CREATE FUNCTION spool.claim(worker_id uuid, task_ids uuid[], lease_ms bigint) RETURNS TABLE (
    id uuid, job uuid, fence bigint, attempt smallint, max_attempts smallint, losses smallint, name text, task_kind text, kind_version integer,
    queue text, task_input text, needs uuid[], timeout bigint, begun_at bigint,
    tenant text, kind text, batch uuid, item integer, priority smallint, tags text, metadata text, created_at bigint, run_at bigint,
    version bigint, solo boolean, result_task uuid, attempts integer, job_timeout bigint, job_max_attempts smallint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    at bigint := spool.now_ms();
BEGIN
    RETURN QUERY
    WITH claimed AS (
        UPDATE spool.tasks t SET
            state = 'running', fence = t.fence + 1, attempt = t.attempt + 1, worker = worker_id, lease_until = at + lease_ms,
            started_at = at, begun_at = coalesce(t.begun_at, at), progress = NULL, stage = NULL
        WHERE t.id = ANY (task_ids) AND t.state = 'queued'
        RETURNING t.id, t.job, t.fence, t.attempt, t.max_attempts, t.losses, t.name, t.kind, t.kind_version, t.queue, t.input, t.needs,
                  t.timeout_ms, t.begun_at)
    SELECT c.id, c.job, c.fence, c.attempt, c.max_attempts, c.losses, c.name, c.kind, c.kind_version,
           c.queue::text, coalesce(c.input, j.input), c.needs, c.timeout_ms, c.begun_at,
           j.tenant, j.kind, j.batch, j.item, j.priority, j.tags, j.metadata, j.created_at, j.run_at,
           j.version, j.solo, j.result_task, j.attempts, j.timeout_ms, j.max_attempts
    FROM claimed c CROSS JOIN LATERAL (
        SELECT x.tenant, x.kind, x.batch, x.item, x.priority, x.tags, x.metadata, x.created_at, x.run_at, x.version, x.solo,
               x.result_task, x.attempts, x.timeout_ms, x.max_attempts, CASE WHEN c.input IS NULL THEN x.input END AS input
        FROM spool.jobs x WHERE x.id = c.job OFFSET 0) j;
END $$;

-- What the needs of these tasks came to, in the order of the plan.
CREATE FUNCTION spool.need_outcomes(need_ids uuid[]) RETURNS TABLE (id uuid, name text, output text, error text) LANGUAGE sql AS $$
    SELECT h.id, h.name, h.output, h.error FROM spool.history h WHERE h.id = ANY (need_ids)
$$;

-- Renews leases, keeps progress, and keeps the worker among the living. Answers 0 held, 1 cancel, 2 stale for each task.
--
-- A heartbeat queues behind nobody: a task that somebody else holds (who is about to settle it, or found its lease expired) is looked
-- at again for a tenth of a second, and then left to the next heartbeat, which comes in time.
CREATE FUNCTION spool.heartbeat(
    worker_id uuid, a_name text, renders integer, generates integer, lights integer, leaving boolean,
    task_ids uuid[], a_fences bigint[], progresses real[], stages text[], lease_ms bigint
) RETURNS smallint[] LANGUAGE plpgsql AS $$
DECLARE
    at bigint := spool.now_ms();
    held tid[];
    places integer[];
    replies smallint[];
    alive integer;
BEGIN
    INSERT INTO spool.workers AS w (id, seen_at, render, generate, light, draining, name)
    VALUES (worker_id, at, renders, generates, lights, leaving, a_name)
    ON CONFLICT (id) DO UPDATE SET seen_at = at, render = renders, generate = generates, light = lights, draining = leaving;
    IF cardinality(task_ids) = 0 THEN
        RETURN '{}';
    END IF;
    FOR look IN 1..6 LOOP
        SELECT array_agg(t.place_of), array_agg(u.place) INTO held, places
        FROM unnest(task_ids, a_fences) WITH ORDINALITY u (id, fence, place)
        CROSS JOIN LATERAL (SELECT x.ctid AS place_of FROM spool.tasks x
            WHERE x.id = u.id AND x.state = 'running' AND x.worker = worker_id AND x.fence = u.fence
            FOR NO KEY UPDATE SKIP LOCKED) t;
        SELECT array_agg(CASE WHEN t.id IS NULL THEN 2 WHEN t.cancelling THEN 1 ELSE 0 END::smallint ORDER BY u.place), count(t.id)
        INTO replies, alive FROM unnest(task_ids, a_fences) WITH ORDINALITY u (id, fence, place)
        LEFT JOIN LATERAL (SELECT x.id, x.cancelling FROM spool.tasks x
            WHERE x.id = u.id AND x.state = 'running' AND x.worker = worker_id AND x.fence = u.fence OFFSET 0) t ON true;
        EXIT WHEN alive = coalesce(cardinality(held), 0);
        IF look < 6 THEN
            PERFORM pg_sleep(0.02);
        END IF;
    END LOOP;
    UPDATE spool.tasks t SET
        lease_until = greatest(t.lease_until, at + lease_ms),
        progress = coalesce(progresses[h.place], t.progress),
        stage = CASE WHEN progresses[h.place] IS NULL THEN t.stage ELSE stages[h.place] END
    FROM unnest(held, places) h (place_of, place)
    WHERE t.ctid = ANY (held) AND t.ctid = h.place_of;
    RETURN replies;
END $$;

-- running -> ready for what the worker still holds, unharmed. What was asked to stop is not started again but handed back to the caller,
-- who settles it as cancelled.
CREATE FUNCTION spool.release(
    worker_id uuid, task_ids uuid[], a_fences bigint[], OUT jobs uuid[], OUT readied text[], OUT stopped uuid[], OUT stopped_fences bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    plans uuid[] := spool.lock_plans(task_ids);
    at bigint := spool.now_ms();
    ended spool.queue[];
BEGIN
    SELECT array_agg(t.id), array_agg(t.fence) INTO stopped, stopped_fences
    FROM unnest(task_ids, a_fences) u (id, fence) CROSS JOIN LATERAL (
        SELECT x.id, x.fence FROM spool.tasks x
        WHERE x.id = u.id AND x.state = 'running' AND x.worker = worker_id AND x.fence = u.fence AND x.cancelling OFFSET 0) t;
    WITH released AS (
        UPDATE spool.tasks t SET state = 'ready', lane = 1, attempt = t.attempt - 1, lease_until = NULL, progress = NULL, stage = NULL,
            queued_at = NULL, run_at = least(t.run_at, at)
        FROM unnest(task_ids, a_fences) u (id, fence)
        WHERE t.id = ANY (task_ids) AND t.id = u.id AND t.fence = u.fence AND t.worker = worker_id AND t.state = 'running'
            AND NOT t.cancelling
        RETURNING t.job, t.queue)
    SELECT array_agg(DISTINCT r.job), array_agg(DISTINCT r.queue::text), array_agg(r.queue) INTO jobs, readied, ended FROM released r;
    UPDATE spool.jobs j SET status = 'running', version = j.version + 1 WHERE j.id = ANY (plans) AND j.status = 'queued' AND j.id = ANY (jobs);
    IF ended IS NOT NULL THEN
        PERFORM spool.count_ended(worker_id, ended);
    END IF;
END $$;

-- Leases that ran out. Lost tasks are ready again, here; what is to be failed as poison, or was asked to stop, is handed to the caller,
-- who settles each by itself under the fence that was seen here.
--
-- While this server was away nobody could heartbeat. So a sweep that comes late (its predecessor is more than a lease ago, or the server
-- has just started) judges nothing for the length of a lease.
CREATE FUNCTION spool.sweep(
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
        SELECT x.id FROM spool.tasks x WHERE x.queue IN ('render', 'generate', 'light') AND x.lane = 2 AND x.state = 'running'
            AND x.lease_until < at LIMIT most) t;
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
