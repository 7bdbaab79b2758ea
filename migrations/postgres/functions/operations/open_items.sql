-- The next open jobs of a batch after an item.
CREATE OR REPLACE FUNCTION spool.open_items(batch_id uuid, behind integer, most integer,
    OUT jobs uuid[], OUT last_item integer) LANGUAGE sql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
    SELECT coalesce(array_agg(x.id) FILTER (WHERE x.finished_at IS NULL), '{}'), max(x.item) FROM (
        SELECT j.id, j.item, j.finished_at FROM spool.jobs j
        WHERE j.batch = batch_id AND j.batch IS NOT NULL AND j.item > behind ORDER BY j.item
            LIMIT most) x
$$;
