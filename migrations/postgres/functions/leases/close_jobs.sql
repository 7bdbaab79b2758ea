-- Ends those of these jobs that have no open task, and counts them in their batches. Returns the
-- batches whose rest is to be cancelled.
CREATE OR REPLACE FUNCTION spool.close_jobs(job_ids uuid[], at bigint) RETURNS uuid[]
    LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    batches uuid[];
    good integer[];
    bad integer[];
BEGIN
    WITH fates AS MATERIALIZED (
        SELECT j.id, f.status, f.error FROM unnest(job_ids) u
        CROSS JOIN LATERAL (
            SELECT x.id, x.result_task, x.cancel_requested FROM spool.jobs x
            WHERE x.id = u AND x.open_tasks = 0 AND x.finished_at IS NULL OFFSET 0) j
        CROSS JOIN LATERAL (
            SELECT y.state, y.cause, y.error FROM spool.history y WHERE y.id = j.result_task OFFSET
                0) h
        LEFT JOIN LATERAL (SELECT y.error FROM spool.history y WHERE y.id = h.cause OFFSET 0) c
            ON true
        CROSS JOIN LATERAL (SELECT
            CASE WHEN h.state = 'succeeded' THEN 'succeeded'
                 WHEN j.cancel_requested THEN 'cancelled'
                 ELSE 'failed' END AS status,
            CASE WHEN h.state = 'succeeded' THEN NULL WHEN j.cancel_requested
                THEN spool.cancelled_error() ELSE coalesce(c.error, h.error)
                 END AS error) f),
    closed AS (
        UPDATE spool.jobs j SET status = f.status::spool.job_status, unsuccessful = f.status <>
            'succeeded', error = f.error, finished_at = at, version = j.version + 1
        FROM fates f WHERE j.id = ANY (ARRAY(SELECT x.id FROM fates x)) AND j.id = f.id
        RETURNING j.batch, j.status)
    SELECT array_agg(c.batch), array_agg((c.status = 'succeeded')::integer),
        array_agg((c.status <> 'succeeded')::integer)
    INTO batches, good, bad FROM closed c WHERE c.batch IS NOT NULL;
    IF batches IS NULL THEN
        RETURN '{}';
    END IF;
    RETURN spool.count_batch_items(batches, good, bad, at);
END $$;
