-- Stores the traces of jobs. Called before the jobs are stored, so that every task message finds
-- its trace.
CREATE OR REPLACE FUNCTION spool.store_traces(jobs uuid[], traceparents text[]) RETURNS void
    LANGUAGE sql AS $$
    INSERT INTO spool.traces (job, traceparent, stored_at)
    SELECT u.job, u.traceparent, spool.now_ms() FROM unnest(jobs, traceparents) u (job, traceparent)
        ORDER BY u.job ON CONFLICT DO NOTHING
$$;
