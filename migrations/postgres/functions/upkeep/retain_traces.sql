-- Deletes at most `most` traces older than `age_ms`, and returns how many.
CREATE OR REPLACE FUNCTION spool.retain_traces(age_ms bigint, most bigint) RETURNS bigint
    LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM spool.traces x WHERE x.job = ANY (ARRAY(
            SELECT o.job FROM spool.traces o WHERE o.stored_at < spool.now_ms() - age_ms
                ORDER BY o.stored_at LIMIT most))
        RETURNING 1)
    SELECT count(*) FROM gone
$$;
