-- Of the next jobs of a batch after an item, the open ones, or else those that failed or were
-- cancelled.
CREATE OR REPLACE FUNCTION spool.items_behind(batch_id uuid, is_open boolean, behind integer,
    most integer, OUT jobs uuid[], OUT last_item integer) LANGUAGE sql
{{PLANNER_SETTINGS}} AS $$
    SELECT coalesce(array_agg(x.id) FILTER (
        WHERE CASE WHEN is_open THEN x.finished_at IS NULL ELSE x.unsuccessful END), '{}'),
        max(x.item)
    FROM (
        SELECT j.* FROM spool.jobs j
        WHERE j.batch = batch_id AND j.batch IS NOT NULL AND j.item > behind
        ORDER BY j.item LIMIT most) x
$$;
