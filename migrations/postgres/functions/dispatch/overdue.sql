-- Tasks that have been queued for longer than `age_ms`, oldest first, and how many are queued in
-- all.
CREATE OR REPLACE FUNCTION spool.overdue(
    a_queue text, age_ms bigint, most bigint, OUT tasks uuid[], OUT fences bigint[],
        OUT queued bigint
) LANGUAGE sql
{{PLANNER_SETTINGS}} AS $$
    WITH taken AS MATERIALIZED (
        SELECT t.id, t.fence, t.queued_at FROM spool.taken(a_queue::spool.queue) t
            WHERE t.state = 'queued'),
    old AS (SELECT k.* FROM taken k WHERE k.queued_at <= spool.now_ms() - age_ms
        ORDER BY k.queued_at, k.id LIMIT most)
    SELECT coalesce(array_agg(o.id ORDER BY o.queued_at, o.id), '{}'), coalesce(array_agg(o.fence
        ORDER BY o.queued_at, o.id), '{}'), (SELECT count(*) FROM taken)
    FROM old o
$$;
