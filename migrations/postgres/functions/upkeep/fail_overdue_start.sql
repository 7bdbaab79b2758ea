-- waiting, ready, queued -> failed, for a task of a job that did not start in time, with all that
-- follows. Locks as `settle_plans` does.
CREATE OR REPLACE FUNCTION spool.fail_overdue_start(a_task uuid, an_error text, OUT expired boolean,
    OUT effects spool.effects) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    plans uuid[] := spool.lock_plans(ARRAY[a_task]);
    at bigint;
    ends spool.task_end[];
BEGIN
    effects := spool.no_effects();
    PERFORM FROM spool.tasks t
    WHERE t.id = ANY (ARRAY[a_task] || ARRAY(
        SELECT y.id FROM spool.tasks x JOIN spool.tasks y ON y.job = x.job AND NOT y.solo
        WHERE x.id = a_task AND NOT x.solo AND x.job = ANY (plans)))
    ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    SELECT array_agg(ROW(t.id, 'failed', false, t.id, NULL, NULL, an_error, NULL)::spool.task_end)
        INTO ends FROM spool.tasks t
    WHERE t.id = a_task AND t.state IN ('waiting', 'ready', 'queued') AND t.first_started_at IS NULL
        AND (t.solo OR t.job = ANY (plans))
        AND spool.unstarted(t.job);
    expired := ends IS NOT NULL;
    IF expired THEN
        effects := spool.end_tasks(ends, NULL, at);
    END IF;
    DELETE FROM spool.deadlines d WHERE d.task = a_task;
END $$;
