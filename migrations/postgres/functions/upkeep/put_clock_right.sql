-- Brings forward what this server's clock held when it was set back from `before` to `at`: what was
-- due stays due; pauses, leases and deadlines keep their length, and a message sent before is as
-- old as one sent now. The time that a caller chose as `runAt` stays. Ready tasks are found without
-- the clock.
CREATE OR REPLACE FUNCTION spool.put_clock_right(before bigint, at bigint) RETURNS void
LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    later uuid[] := ARRAY(SELECT t.id FROM spool.tasks t WHERE t.phase IN (0, 3) AND t.run_at > at
        AND (t.run_at <= before OR t.fence > 0) ORDER BY t.id FOR NO KEY UPDATE);
    taken uuid[] := ARRAY(SELECT t.id FROM spool.tasks t WHERE t.phase = 2
        AND (t.lease_until > at + {{LEASE_MS}} OR t.queued_at > at)
        ORDER BY t.id FOR NO KEY UPDATE);
BEGIN
    UPDATE spool.tasks t
    SET run_at = CASE WHEN t.run_at <= before THEN at ELSE t.run_at - (before - at) END
    WHERE t.id = ANY (later);
    UPDATE spool.tasks t SET
        lease_until = CASE WHEN t.lease_until > at + {{LEASE_MS}} THEN at + {{LEASE_MS}}
            ELSE t.lease_until END,
        queued_at = CASE WHEN t.queued_at > at THEN at ELSE t.queued_at END
    WHERE t.id = ANY (taken);
    UPDATE spool.deadlines d SET due_at = at + d.allowed_ms
    WHERE d.task = ANY (ARRAY(SELECT x.task FROM spool.deadlines x JOIN spool.tasks t
            ON t.id = x.task
        WHERE x.due_at > at + x.allowed_ms AND t.run_at <= at ORDER BY x.task
        FOR NO KEY UPDATE OF x));
    UPDATE spool.unique_jobs u SET accepted_at = at
    FROM (SELECT x.tenant, x.key FROM spool.unique_jobs x WHERE x.accepted_at > at
        ORDER BY x.tenant, x.key FOR NO KEY UPDATE) y
    WHERE u.tenant = y.tenant AND u.key = y.key;
    UPDATE spool.workers w SET heartbeat_at = at
    WHERE w.id = ANY (ARRAY(SELECT x.id FROM spool.workers x WHERE x.heartbeat_at > at
        ORDER BY x.id FOR NO KEY UPDATE));
END $$;
