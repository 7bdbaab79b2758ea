-- running -> ready for tasks that the worker gives back unharmed. A task that was asked to stop is
-- not made ready but returned to the caller, which settles it as cancelled.
CREATE OR REPLACE FUNCTION spool.release(
    worker_id uuid, task_ids uuid[], a_fences bigint[], OUT jobs uuid[], OUT ready_queues text[],
        OUT stopped uuid[], OUT stopped_fences bigint[]
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    plans uuid[] := spool.lock_plans(task_ids);
    at bigint := spool.now_ms();
    ended spool.queue[];
BEGIN
    SELECT array_agg(t.id), array_agg(t.fence) INTO stopped, stopped_fences
    FROM unnest(task_ids, a_fences) u (id, fence) CROSS JOIN LATERAL (
        SELECT x.id, x.fence FROM spool.tasks x
        WHERE x.id = u.id AND x.state = 'running' AND x.worker = worker_id AND x.fence = u.fence
            AND x.cancel_requested OFFSET 0) t;
    WITH released AS (
        UPDATE spool.tasks t SET state = 'ready', phase = 1, attempt = t.attempt - 1,
            lease_until = NULL, progress = NULL, stage = NULL, queued_at = NULL,
            run_at = least(t.run_at, at)
        FROM unnest(task_ids, a_fences) u (id, fence)
        WHERE t.id = ANY (task_ids) AND t.id = u.id AND t.fence = u.fence AND t.worker = worker_id
            AND t.state = 'running'
            AND NOT t.cancel_requested
        RETURNING t.job, t.queue)
    SELECT array_agg(DISTINCT r.job), array_agg(DISTINCT r.queue::text), array_agg(r.queue)
        INTO jobs, ready_queues, ended FROM released r;
    UPDATE spool.jobs j SET status = 'running', version = j.version + 1 WHERE j.id = ANY (plans)
        AND j.status = 'queued' AND j.id = ANY (jobs);
    IF ended IS NOT NULL THEN
        PERFORM spool.count_ended(worker_id, ended);
    END IF;
END $$;
