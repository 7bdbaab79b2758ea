-- The views of jobs in the order of the ids, without those of other tenants (a NULL tenant reads
-- all). `waiting_for` names what holds a ready task back: a pause, or which limit.
CREATE OR REPLACE FUNCTION spool.job_views(a_tenant text, job_ids uuid[]) RETURNS TABLE (
    place bigint, id uuid, tenant text, kind text, status text, batch uuid, item integer,
    priority smallint, tags text, metadata text, created_at bigint, run_at bigint, version bigint,
    started_at bigint, finished_at bigint, attempts integer, error text, result text, solo boolean,
    open_tasks integer, total_tasks integer, progress double precision, stage text,
    waiting_for text, kinds text
) LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
#variable_conflict use_column
DECLARE
    at bigint := spool.now_ms();
    queues_with_workers text[] := spool.queues_with_workers(at);
BEGIN
    RETURN QUERY
    SELECT u.place, j.id, j.tenant, j.kind,
        CASE WHEN j.status = 'queued' AND (t.first_started_at IS NOT NULL OR r.running > 0)
            THEN 'running' ELSE j.status::text END,
        j.batch, j.item, j.priority, j.tags, j.metadata, j.created_at, j.run_at, j.version,
        least(j.started_at, t.first_started_at, h.first_started_at, r.first_started_at),
        j.finished_at,
        (j.attempts + coalesce(t.attempt, 0) + CASE WHEN j.solo THEN coalesce(h.attempt, 0) ELSE 0
            END + coalesce(r.attempts, 0))::integer,
        j.error, h.output, j.solo, j.open_tasks, j.total_tasks,
        CASE WHEN j.solo THEN t.progress ELSE r.progress END::double precision,
        CASE WHEN j.solo THEN t.stage ELSE r.kind END,
        CASE WHEN j.finished_at IS NOT NULL OR t.state = 'running' OR r.running > 0 THEN NULL
             WHEN w.phase IS NULL THEN 'needs'
             -- Handed back by a worker that can't run it, it does not wait for its time.
             WHEN w.phase = 3 AND (w.run_at > at + {{UNFIT_PAUSE_MS}}
                 OR w.queue::text <> ALL (queues_with_workers)
                 OR spool.has_worker(w.queue, w.kind, w.kind_version, at)) THEN 'schedule'
             WHEN w.phase = 0 AND w.needs_left = 0 AND w.key IS NULL AND w.run_at > at
                 THEN 'schedule'
             WHEN w.phase = 0 THEN 'needs'
             WHEN b.word IS NOT NULL THEN b.word
             WHEN w.queue::text = ANY (queues_with_workers)
                 AND spool.has_worker(w.queue, w.kind, w.kind_version, at) THEN 'slot'
             ELSE 'worker' END,
        k.kinds
    FROM unnest(job_ids) WITH ORDINALITY u (id, place)
    CROSS JOIN LATERAL (
        SELECT x.* FROM spool.jobs x
        WHERE x.id = u.id AND (a_tenant IS NULL OR x.tenant = a_tenant) OFFSET 0) j
    LEFT JOIN LATERAL (
        SELECT x.* FROM spool.tasks x
        WHERE x.id = j.result_task AND j.solo AND j.finished_at IS NULL OFFSET 0) t ON true
    LEFT JOIN LATERAL (
        SELECT x.output, x.first_started_at, x.attempt FROM spool.history x
        WHERE x.id = j.result_task AND j.finished_at IS NOT NULL OFFSET 0) h ON true
    LEFT JOIN LATERAL (
        SELECT count(*) FILTER (WHERE x.state = 'running') AS running,
            sum(x.attempt - x.attempts_counted) AS attempts, min(x.first_started_at) AS
            first_started_at, sum(x.progress) FILTER (WHERE x.state = 'running') AS progress,
            min(x.kind) FILTER (WHERE x.state = 'running') AS kind
        FROM spool.tasks x WHERE x.job = j.id AND NOT x.solo AND x.phase = 2
            AND j.finished_at IS NULL AND NOT j.solo) r ON true
    LEFT JOIN LATERAL (
        SELECT x.* FROM (
            SELECT y.* FROM spool.tasks y WHERE y.id = j.result_task AND j.solo
            UNION ALL (SELECT y.* FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.phase = 2 LIMIT 1)
            UNION ALL (SELECT y.* FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.phase = 1 LIMIT 1)
            UNION ALL (SELECT y.* FROM spool.tasks y
                WHERE y.job = j.id AND NOT y.solo AND y.phase = 3 LIMIT 1)) x
        WHERE j.finished_at IS NULL LIMIT 1) w ON true
    LEFT JOIN LATERAL (SELECT spool.held_back_by(w.queue, w.tenant, w.kind, w.limited_batch) AS word
        WHERE w.phase = 1 OFFSET 0) b ON true
    LEFT JOIN LATERAL (
        SELECT json_object_agg(x.kind, json_build_object('total', x.total, 'settled', x.settled,
            'cached', x.cached))::text AS kinds
        FROM spool.plan_kinds x WHERE x.job = j.id AND NOT j.solo) k ON true
    ORDER BY u.place;
END $$;
