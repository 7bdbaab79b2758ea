-- queued -> ready, for tasks whose message was not confirmed. Locks in the order of ids, as
-- `claim` does.
CREATE OR REPLACE FUNCTION spool.hand_back(task_ids uuid[]) RETURNS bigint LANGUAGE sql
{{PLANNER_SETTINGS}} AS $$
    WITH back AS (
        UPDATE spool.tasks t SET state = 'ready', phase = 1, queued_at = NULL
            WHERE t.id = ANY (task_ids) AND t.state = 'queued' RETURNING 1)
    SELECT count(*) FROM back
$$;
