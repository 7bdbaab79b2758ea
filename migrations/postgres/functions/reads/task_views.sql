-- The views of tasks, open and settled: those of these ids, or of a job in the order of insertion,
-- without those that a later generation replaced.
CREATE OR REPLACE FUNCTION spool.task_views(a_tenant text, task_ids uuid[], a_job uuid)
    RETURNS TABLE (
    id uuid, job uuid, name text, kind text, queue text, state text, needs uuid[],
    attempts smallint, losses smallint, fence bigint, cached boolean, worker uuid, progress real,
    stage text, error text, errors text, created_at bigint, started_at bigint, finished_at bigint,
    place integer
) LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
#variable_conflict use_column
BEGIN
    IF a_job IS NOT NULL THEN
        SELECT ARRAY(
            SELECT j.result_task FROM spool.jobs j WHERE j.id = a_job AND j.tenant = a_tenant
                AND j.solo
            UNION ALL
            SELECT t.id FROM spool.tasks t WHERE t.job = a_job AND NOT t.solo
            UNION ALL
            SELECT h.id FROM spool.history h WHERE h.job = a_job AND NOT h.solo
                AND NOT h.superseded) INTO task_ids;
    END IF;
    RETURN QUERY
    SELECT x.* FROM (
        SELECT t.id, t.job, t.name, t.kind, t.queue::text, t.state::text, t.needs, t.attempt,
            t.losses, t.fence, false, t.worker, t.progress, t.stage, NULL::text, t.errors,
            t.created_at, t.started_at, NULL::bigint, t.place
        FROM spool.tasks t WHERE t.id = ANY (task_ids) AND t.tenant = a_tenant
        UNION ALL
        SELECT h.id, h.job, h.name, h.kind, h.queue::text, h.state::text, h.needs, h.attempt,
            h.losses, h.fence, h.cached, h.worker, NULL::real, NULL::text, h.error, h.errors,
            h.created_at, h.started_at, h.finished_at, h.place
        FROM spool.history h WHERE h.id = ANY (task_ids) AND h.tenant = a_tenant) x (id, job, name,
            kind, queue, state, needs, attempt, losses, fence, cached, worker, progress, stage,
            error, errors, created_at, started_at, finished_at, place)
    -- The history outlives its job until its partition is dropped; then its rows belong to no one.
    WHERE EXISTS (SELECT FROM spool.jobs j WHERE j.id = x.job)
    ORDER BY x.place, x.id;
END $$;
