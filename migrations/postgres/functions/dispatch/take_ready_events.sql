-- The sub-queues of a queue, like `sub_queues_of`, and deletes the ready events: the caller writes
-- the cursor.
CREATE OR REPLACE FUNCTION spool.take_ready_events(c spool.queue,
    dispatch_cursor spool.dispatch_cursors) RETURNS spool.sub_queue[] LANGUAGE sql AS $$
    WITH arrived AS (
        DELETE FROM spool.ready_events a WHERE a.queue = c AND a.at >= dispatch_cursor.low_water
            RETURNING a.priority, a.tenant, a.kind, a.batch, a.since)
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, 0, 0, 0,
        0)::spool.sub_queue
                              ORDER BY l.priority DESC, l.tenant, l.kind, l.batch), '{}')
    FROM (
        SELECT u.priority, u.tenant, u.kind, u.batch, min(u.since) AS since FROM (
            SELECT k.priority, k.tenant, k.kind, k.batch, k.since
                FROM unnest(dispatch_cursor.sub_queues) k
            UNION ALL
            SELECT a.priority, a.tenant, a.kind, a.batch, a.since FROM arrived a) u
        GROUP BY u.priority, u.tenant, u.kind, u.batch) l
$$;
