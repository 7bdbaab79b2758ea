-- Finds expired leases. Lost tasks become ready again here; tasks that are to fail as poison, or
-- were asked to stop, are returned to the caller (`to_end`), which settles each under the fence
-- that was seen here.
--
-- While this server was away no worker could send a heartbeat. So a sweep that comes late (the
-- previous one is more than a lease ago, or the server has just started) takes nothing for the
-- length of a lease. A sweep that finds the clock set back first puts right what that held.
CREATE OR REPLACE FUNCTION spool.sweep(
    quarantine_after integer, most bigint,
    OUT lost bigint, OUT jobs uuid[], OUT ready_queues text[], OUT to_end uuid[],
        OUT to_end_fences bigint[], OUT to_end_losses smallint[],
    OUT poisoned boolean[]
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    at bigint;
    grace bigint;
    before bigint;
    expired uuid[];
BEGIN
    lost := 0;
    SELECT v.swept_at INTO before FROM spool.sweep_state v FOR UPDATE;
    at := spool.now_ms();
    IF before > at + {{CLOCK_STEP_MS}} THEN
        PERFORM spool.put_clock_right(before, at);
    END IF;
    UPDATE spool.sweep_state v SET swept_at = at, grace_until = least(at + {{LEASE_MS}}, greatest(
        v.grace_until,
        CASE WHEN v.swept_at > 0 AND at - v.swept_at > {{LEASE_MS}} THEN at + {{LEASE_MS}}
            ELSE 0 END,
        CASE WHEN v.swept_at > 0 THEN (extract(epoch FROM pg_postmaster_start_time()) *
            1000)::bigint + {{LEASE_MS}} ELSE 0 END))
    RETURNING v.grace_until INTO grace;
    IF at < grace THEN
        RETURN;
    END IF;
    SELECT array_agg(t.id) INTO expired FROM (
        SELECT x.id
        FROM unnest(enum_range(NULL::spool.queue)) q CROSS JOIN LATERAL spool.taken(q) x
        WHERE x.state = 'running' AND x.lease_until < at LIMIT most) t;
    IF expired IS NULL THEN
        RETURN;
    END IF;
    SELECT array_agg(t.id), array_agg(t.fence), array_agg(t.losses),
        array_agg(NOT t.cancel_requested)
    INTO to_end, to_end_fences, to_end_losses, poisoned
    FROM spool.tasks t WHERE t.id = ANY (expired) AND t.state = 'running' AND t.lease_until < at
        AND (t.cancel_requested OR t.losses + 1 >= quarantine_after);
    WITH gone AS MATERIALIZED (
        SELECT t.id FROM spool.tasks t WHERE t.id = ANY (expired) AND t.state = 'running'
            AND t.lease_until < at AND NOT t.cancel_requested
            AND t.losses + 1 < quarantine_after FOR UPDATE SKIP LOCKED),
    back AS (
        UPDATE spool.tasks t SET state = 'ready', phase = 1, losses = t.losses + 1,
            attempt = t.attempt - 1, lease_until = NULL, progress = NULL, stage = NULL,
            queued_at = NULL, run_at = least(t.run_at, at)
        WHERE t.id = ANY (ARRAY(SELECT g.id FROM gone g)) AND t.state = 'running'
            AND t.lease_until < at AND NOT t.cancel_requested
        RETURNING t.job, t.queue)
    SELECT count(*), array_agg(DISTINCT b.job), array_agg(DISTINCT b.queue::text) INTO lost, jobs,
        ready_queues FROM back b;
END $$;
