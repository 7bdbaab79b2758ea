-- A batch's items from `first_item` on: each is a job, or the error that refused it.
CREATE OR REPLACE FUNCTION spool.batch_items(batch_id uuid, first_item integer, most integer)
    RETURNS TABLE (item integer, job uuid, error text)
LANGUAGE sql STABLE
{{PLANNER_SETTINGS}} AS $$
    SELECT x.item, x.job, x.error FROM (
        (SELECT j.item, j.id, NULL::text FROM spool.jobs j
         WHERE j.batch = batch_id AND j.batch IS NOT NULL AND j.item >= first_item ORDER BY j.item
             LIMIT most)
        UNION ALL
        (SELECT r.item, NULL::uuid, r.error FROM spool.refused_items r
         WHERE r.batch = batch_id AND r.item >= first_item ORDER BY r.item LIMIT most)) x (item,
             job, error)
    ORDER BY x.item LIMIT most
$$;
