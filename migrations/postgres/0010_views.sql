-- What is read. No function here counts rows, skips over rows it does not show (beyond a bound), or scans.

-- Jobs as they are now, in the order of the ids, those of other tenants left out (no tenant: all). Statuses as they are seen from outside.
CREATE FUNCTION spool.views(a_tenant text, job_ids uuid[]) RETURNS TABLE (
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
             WHEN w.lane = 1 AND w.limited_batch IS NOT NULL AND spool.at_limit(w.limited_batch) THEN 'limit:batch'
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
            SELECT y.lane, y.queue, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
            WHERE y.id = j.result_task AND j.solo
            UNION ALL (SELECT y.lane, y.queue, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.lane = 2 LIMIT 1)
            UNION ALL (SELECT y.lane, y.queue, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.lane = 1 LIMIT 1)
            UNION ALL (SELECT y.lane, y.queue, y.limited_batch, y.needs_left, y.key, y.run_at FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.lane = 3 LIMIT 1)) x
        WHERE j.finished_at IS NULL LIMIT 1) w ON true
    LEFT JOIN LATERAL (
        SELECT json_object_agg(x.kind, json_build_object('total', x.total, 'settled', x.settled, 'cached', x.cached))::text AS kinds
        FROM spool.plan_kinds x WHERE x.job = j.id AND NOT j.solo) k ON true
    ORDER BY u.place;
END $$;

-- Whether a batch has as many tasks queued or running as it may.
CREATE FUNCTION spool.at_limit(batch_id uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT b.max_concurrent <= (SELECT count(*) FROM spool.tasks t WHERE t.limited_batch = batch_id AND t.lane = 2)
    FROM spool.batches b WHERE b.id = batch_id
$$;

-- A batch's items from one on: each a job, or why it never became one.
CREATE FUNCTION spool.items(batch_id uuid, first_item integer, most integer) RETURNS TABLE (item integer, job uuid, error text)
LANGUAGE sql STABLE AS $$
    SELECT x.item, x.job, x.error FROM (
        (SELECT j.item, j.id, NULL::text FROM spool.jobs j
         WHERE j.batch = batch_id AND j.batch IS NOT NULL AND j.item >= first_item ORDER BY j.item LIMIT most)
        UNION ALL
        (SELECT r.item, NULL::uuid, r.error FROM spool.refusals r
         WHERE r.batch = batch_id AND r.item >= first_item ORDER BY r.item LIMIT most)) x (item, job, error)
    ORDER BY x.item LIMIT most
$$;

-- Tasks, open and settled: those of these ids, or of a job in the order of insertion, without what a later generation replaced.
CREATE FUNCTION spool.task_views(a_tenant text, task_ids uuid[], a_job uuid) RETURNS TABLE (
    id uuid, job uuid, name text, kind text, queue text, state text, needs uuid[], attempts smallint, losses smallint, fence bigint,
    cached boolean, worker uuid, progress real, stage text, error text, errors text, created_at bigint, started_at bigint,
    finished_at bigint, place integer
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    IF a_job IS NOT NULL THEN
        SELECT ARRAY(
            SELECT j.result_task FROM spool.jobs j WHERE j.id = a_job AND j.tenant = a_tenant AND j.solo
            UNION ALL
            SELECT t.id FROM spool.tasks t WHERE t.job = a_job AND NOT t.solo
            UNION ALL
            SELECT h.id FROM spool.history h WHERE h.job = a_job AND NOT h.solo AND NOT h.superseded) INTO task_ids;
    END IF;
    RETURN QUERY
    SELECT x.* FROM (
        SELECT t.id, t.job, t.name, t.kind, t.queue::text, t.state::text, t.needs, t.attempt, t.losses, t.fence, false, t.worker, t.progress,
            t.stage, NULL::text, t.errors, t.created_at, t.started_at, NULL::bigint, t.place
        FROM spool.tasks t WHERE t.id = ANY (task_ids) AND t.tenant = a_tenant
        UNION ALL
        SELECT h.id, h.job, h.name, h.kind, h.queue::text, h.state::text, h.needs, h.attempt, h.losses, h.fence, h.cached, h.worker,
            NULL::real, NULL::text, h.error, h.errors, h.created_at, h.started_at, h.finished_at, h.place
        FROM spool.history h WHERE h.id = ANY (task_ids) AND h.tenant = a_tenant) x (id, job, name, kind, queue, state, needs, attempt,
            losses, fence, cached, worker, progress, stage, error, errors, created_at, started_at, finished_at, place)
    -- The history outlives the job by as long as its partition stands, and is nobody's then.
    WHERE EXISTS (SELECT FROM spool.jobs j WHERE j.id = x.job)
    ORDER BY x.place, x.id;
END $$;

-- Ids of jobs, newest first, and the one to go on behind (NULL: there are no more). Looks at 10,000 rows at most: a filter that lets few
-- through answers a short page and where to go on, never a long wait. Tags are compared as they are spelled in JSON; the caller
-- compares once more.
CREATE FUNCTION spool.list(
    a_tenant text, a_status text, a_kind text, a_tag text, behind uuid, most integer, OUT jobs uuid[], OUT next_behind uuid
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    bound CONSTANT integer := 10000;
    row record;
    looked_at integer := 0;
    last_match uuid;
BEGIN
    jobs := '{}';
    FOR row IN EXECUTE
        'SELECT j.id, j.status, j.solo, j.result_task, j.kind, j.tags FROM spool.jobs j WHERE j.tenant = $1 AND j.id < $2'
        || CASE WHEN a_status IN ('failed', 'cancelled') THEN ' AND j.ill' ELSE '' END || ' ORDER BY j.id DESC LIMIT $3'
        USING a_tenant, coalesce(behind, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), bound + 1
    LOOP
        looked_at := looked_at + 1;
        IF looked_at > bound THEN
            next_behind := behind;
            RETURN;
        END IF;
        IF (a_kind IS NULL OR row.kind = a_kind) AND (a_tag IS NULL OR strpos(row.tags, a_tag) > 0)
            AND (a_status IS NULL OR spool.has_status(row.id, row.status, row.solo, row.result_task, a_status)) THEN
            IF cardinality(jobs) = most THEN
                next_behind := last_match;
                RETURN;
            END IF;
            jobs := jobs || row.id;
            last_match := row.id;
        END IF;
        behind := row.id;
    END LOOP;
END $$;

-- A job's row says 'queued' until it is next written; whether its first task runs stands with the task.
CREATE FUNCTION spool.has_status(job_id uuid, stored spool.job_status, is_solo boolean, its_task uuid, wanted text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    begun boolean;
BEGIN
    IF stored <> 'queued' OR wanted NOT IN ('queued', 'running') THEN
        RETURN stored::text = wanted;
    END IF;
    IF is_solo THEN
        begun := EXISTS (SELECT FROM spool.tasks t WHERE t.id = its_task AND t.begun_at IS NOT NULL);
    ELSE
        begun := EXISTS (SELECT FROM spool.tasks t WHERE t.job = job_id AND NOT t.solo AND t.lane = 2 AND t.state = 'running');
    END IF;
    RETURN begun = (wanted = 'running');
END $$;
