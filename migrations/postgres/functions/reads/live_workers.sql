-- The live workers and what each runs, read from the taken tasks, of which there are never more
-- than slots.
CREATE OR REPLACE FUNCTION spool.live_workers() RETURNS TABLE (
    worker uuid, worker_name text, heartbeat_at bigint, render integer, generate integer,
    light integer, draining boolean, task uuid, job uuid, tenant text, name text, kind text,
    queue text, attempt smallint, started_at bigint, progress real, stage text
) LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT w.id, w.name, w.heartbeat_at, w.render, w.generate, w.light, w.draining, t.id, t.job,
        t.tenant, t.name, t.kind, t.queue::text, t.attempt, t.started_at, t.progress, t.stage
    FROM (
        SELECT x.* FROM spool.workers x WHERE x.heartbeat_at > spool.now_ms() - {{WORKER_ALIVE_MS}}
        ORDER BY x.name, x.id LIMIT {{LIVE_WORKERS}}) w
    LEFT JOIN (
        SELECT y.* FROM unnest(enum_range(NULL::spool.queue)) q CROSS JOIN LATERAL spool.taken(q) a
        CROSS JOIN LATERAL (
            SELECT z.* FROM spool.tasks z WHERE z.id = a.id AND z.state = 'running' OFFSET 0) y
        ) t ON t.worker = w.id
    ORDER BY w.name, w.id, t.started_at, t.id;
END $$;
