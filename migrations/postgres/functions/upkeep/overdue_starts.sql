-- Tasks whose time to start is over and that may have to fail, longest due first. The rows of all
-- other due tasks are deleted: those were started, settled or never stored.
CREATE OR REPLACE FUNCTION spool.overdue_starts(most integer, OUT tasks uuid[],
    OUT allowed bigint[]) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    at bigint := spool.now_ms();
    due uuid[];
BEGIN
    due := ARRAY(SELECT d.task FROM spool.deadlines d WHERE d.due_at <= at ORDER BY d.due_at
        LIMIT most);
    IF cardinality(due) = 0 THEN
        RETURN;
    END IF;
    SELECT array_agg(t.id) INTO tasks FROM unnest(due) u CROSS JOIN LATERAL (
        SELECT x.id FROM spool.tasks x WHERE x.id = u AND x.state IN ('waiting', 'ready', 'queued')
            AND x.first_started_at IS NULL
            AND spool.unstarted(x.job) OFFSET 0) t;
    DELETE FROM spool.deadlines d WHERE d.task = ANY (due) AND d.task <> ALL (coalesce(tasks,
        '{}'));
    SELECT array_agg(d.allowed_ms) INTO allowed FROM unnest(tasks) WITH ORDINALITY u (task, place)
    CROSS JOIN LATERAL (SELECT x.allowed_ms FROM spool.deadlines x WHERE x.task = u.task OFFSET 0)
        d;
END $$;
