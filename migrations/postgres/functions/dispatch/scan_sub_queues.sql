-- The sub-queues of a queue, found by skipping through the whole index from one to the next.
CREATE OR REPLACE FUNCTION spool.scan_sub_queues(c spool.queue) RETURNS spool.sub_queue[]
    LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    found spool.sub_queue[] := '{}';
    l record;
BEGIN
    SELECT t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid) AS batch,
        t.run_at INTO l
    FROM spool.tasks t WHERE t.queue = c AND t.phase = 1
    ORDER BY t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid), t.run_at
        LIMIT 1;
    WHILE l.priority IS NOT NULL LOOP
        found := found || ROW(l.priority, l.tenant, l.kind, l.batch, l.run_at, 0, 0, 0,
            0)::spool.sub_queue;
        SELECT t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid) AS
            batch, t.run_at INTO l
        FROM spool.tasks t
        WHERE t.queue = c AND t.phase = 1
            AND (t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid))
                > (l.priority, l.tenant, l.kind, l.batch)
        ORDER BY t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid),
            t.run_at LIMIT 1;
    END LOOP;
    RETURN found;
END $$;
