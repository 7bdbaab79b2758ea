-- The queued and running tasks of a queue. Their number is bounded by slots and a little more, so
-- callers read the list whole.
CREATE OR REPLACE FUNCTION spool.taken(c spool.queue) RETURNS TABLE (
    id uuid, fence bigint, state spool.task_state, tenant text, kind text, run_at bigint,
        queued_at bigint, lease_until bigint
) LANGUAGE sql STABLE AS $$
    SELECT t.id, t.fence, t.state, t.tenant, t.kind, t.run_at, t.queued_at, t.lease_until
        FROM spool.tasks t
    WHERE t.queue = c AND t.phase = 2 AND t.queued_at >= (SELECT f.taken_since
        FROM spool.read_dispatch_cursor(c) f)
    UNION ALL
    SELECT t.id, t.fence, t.state, t.tenant, t.kind, t.run_at, t.queued_at, t.lease_until
    FROM (SELECT unnest(f.taken_before) AS task, f.taken_since FROM spool.read_dispatch_cursor(c) f)
        s
    CROSS JOIN LATERAL (
        SELECT x.id, x.fence, x.state, x.tenant, x.kind, x.run_at, x.queued_at, x.lease_until
            FROM spool.tasks x
        WHERE x.id = s.task AND x.phase = 2 AND x.queued_at < s.taken_since OFFSET 0) t
$$;
