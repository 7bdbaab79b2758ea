-- Stores until when tasks may wait for their start. Called before the tasks are stored: a deadline
-- without a task does no harm, and a task without its deadline would wait for ever.
CREATE OR REPLACE FUNCTION spool.store_deadlines(task_ids uuid[], run_ats bigint[],
    allowed bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO spool.deadlines (task, due_at, allowed_ms)
    SELECT u.task, greatest(coalesce(u.run_at, 0), n.at) + u.allowed, u.allowed
    FROM unnest(task_ids, run_ats, allowed) u (task, run_at, allowed), (SELECT spool.now_ms() AS at)
        n
    ORDER BY u.task ON CONFLICT DO NOTHING
$$;
