-- The sub-queues of a queue, from its dispatch cursor and the ready events.
CREATE OR REPLACE FUNCTION spool.sub_queues_of(c spool.queue) RETURNS spool.sub_queue[]
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, 0, 0, 0,
        0)::spool.sub_queue
                              ORDER BY l.priority DESC, l.tenant, l.kind, l.batch), '{}')
    FROM (
        SELECT u.priority, u.tenant, u.kind, u.batch, min(u.since) AS since FROM (
            SELECT k.priority, k.tenant, k.kind, k.batch, k.since FROM spool.read_dispatch_cursor(c)
                f CROSS JOIN unnest(f.sub_queues) k
            UNION ALL
            SELECT a.priority, a.tenant, a.kind, a.batch, a.since FROM spool.ready_events a
            WHERE a.queue = c AND a.at >= (SELECT f.low_water FROM spool.read_dispatch_cursor(c) f))
                u
        GROUP BY u.priority, u.tenant, u.kind, u.batch) l
$$;
