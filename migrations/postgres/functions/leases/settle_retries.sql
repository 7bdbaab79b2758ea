-- running -> ready after a pause, with one attempt fewer left. Leaves out tasks that were asked to
-- stop; the caller settles them as cancelled.
CREATE OR REPLACE FUNCTION spool.settle_retries(
    worker_id uuid, task_ids uuid[], a_fences bigint[], new_errors text[], pauses bigint[],
    OUT retried uuid[], OUT jobs uuid[], OUT ready_queues text[]
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    plans uuid[] := spool.lock_plans(task_ids);
    at bigint := spool.now_ms();
    ended spool.queue[];
BEGIN
    WITH back AS (
        UPDATE spool.tasks t SET
            state = 'ready', phase = CASE WHEN u.pause > 0 THEN 3 ELSE 1 END, run_at = at + u.pause,
            lease_until = NULL, queued_at = NULL, progress = NULL, stage = NULL,
            attempts_counted = CASE WHEN t.solo THEN t.attempts_counted ELSE t.attempt END,
            errors = spool.append_error(t.errors, t.attempt, t.worker, at, u.error)
        FROM unnest(task_ids, a_fences, new_errors, pauses) u (id, fence, error, pause)
        WHERE t.id = ANY (task_ids) AND t.id = u.id AND t.fence = u.fence AND t.worker = worker_id
            AND t.state = 'running'
            AND NOT t.cancel_requested
        RETURNING t.id, t.job, t.queue, t.phase, t.first_started_at, t.solo)
    SELECT array_agg(b.id), array_agg(b.job), array_agg(DISTINCT b.queue::text)
        FILTER (WHERE b.phase = 1), array_agg(b.queue)
    INTO retried, jobs, ready_queues, ended FROM back b;
    IF plans <> '{}' THEN
        UPDATE spool.jobs j SET
            attempts = j.attempts + d.n, status = 'running', version = j.version + 1,
                started_at = least(j.started_at, d.begun)
        FROM (SELECT t.job, count(*) AS n, min(t.first_started_at) AS begun FROM spool.tasks t
              WHERE t.id = ANY (retried) AND NOT t.solo GROUP BY t.job) d
        WHERE j.id = ANY (plans) AND j.id = d.job;
    END IF;
    IF retried IS NOT NULL THEN
        PERFORM spool.count_ended(worker_id, ended);
    END IF;
END $$;
