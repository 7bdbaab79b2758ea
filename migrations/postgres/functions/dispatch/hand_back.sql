-- queued -> ready, for tasks whose message was not confirmed.
CREATE OR REPLACE FUNCTION spool.hand_back(task_ids uuid[]) RETURNS bigint LANGUAGE sql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
    WITH back AS (
        UPDATE spool.tasks t SET state = 'ready', phase = 1, queued_at = NULL
            WHERE t.id = ANY (task_ids) AND t.state = 'queued' RETURNING 1)
    SELECT count(*) FROM back
$$;
