-- queued -> running: gives each task that is queued to this worker, and reads its job for the
-- view. Locks in the order of ids (an index scan over an array goes through it sorted). A task
-- that another transaction is changing is waited for and checked again.
--
-- A task that the worker can't run is not claimed: it is ready again after a moment, in which
-- another worker may take it. So no attempt is burned, and it does not come straight back.
CREATE OR REPLACE FUNCTION spool.claim(worker_id uuid, task_ids uuid[], lease_ms bigint)
    RETURNS TABLE (
    id uuid, job uuid, fence bigint, attempt smallint, max_attempts smallint, losses smallint,
    name text, task_kind text, kind_version integer, queue text, task_input text, needs uuid[],
    timeout bigint, first_started_at bigint, tenant text, kind text, batch uuid, item integer,
    priority smallint, tags text, metadata text, created_at bigint, run_at bigint, version bigint,
    solo boolean, result_task uuid, attempts integer, job_timeout bigint, job_max_attempts smallint
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
#variable_conflict use_column
DECLARE
    at bigint := spool.now_ms();
    my_kinds text[];
    my_versions integer[];
    claimed_count bigint;
BEGIN
    SELECT w.kinds, w.kind_versions INTO my_kinds, my_versions FROM spool.workers w
    WHERE w.id = worker_id;
    RETURN QUERY
    WITH claimed AS (
        UPDATE spool.tasks t SET
            state = 'running', fence = t.fence + 1, attempt = t.attempt + 1, worker = worker_id,
            lease_until = at + lease_ms, started_at = at,
            first_started_at = coalesce(t.first_started_at, at), progress = NULL, stage = NULL
        WHERE t.id = ANY (task_ids) AND t.state = 'queued'
            AND spool.knows(my_kinds, my_versions, t.kind, t.kind_version)
        RETURNING t.*)
    SELECT c.id, c.job, c.fence, c.attempt, c.max_attempts, c.losses, c.name, c.kind,
        c.kind_version, c.queue::text, coalesce(c.input, j.input), c.needs, c.timeout_ms,
        c.first_started_at, j.tenant, j.kind, j.batch, j.item, j.priority, j.tags, j.metadata,
        j.created_at, j.run_at, j.version, j.solo, j.result_task, j.attempts, j.timeout_ms,
        j.max_attempts
    FROM claimed c
    CROSS JOIN LATERAL (SELECT x.* FROM spool.jobs x WHERE x.id = c.job OFFSET 0) j;
    GET DIAGNOSTICS claimed_count = ROW_COUNT;
    IF my_kinds IS NOT NULL AND claimed_count < cardinality(task_ids) THEN
        UPDATE spool.tasks t SET state = 'ready', phase = 3, queued_at = NULL,
            run_at = at + {{UNFIT_PAUSE_MS}}
        WHERE t.id = ANY (ARRAY(SELECT x.id FROM spool.tasks x
            WHERE x.id = ANY (task_ids) AND x.state = 'queued'
                AND NOT spool.knows(my_kinds, my_versions, x.kind, x.kind_version)
            FOR NO KEY UPDATE SKIP LOCKED));
    END IF;
END $$;
