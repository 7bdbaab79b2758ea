-- Stores the pauses of jobs between attempts. Called before the jobs are stored, so that every
-- claim finds them.
CREATE OR REPLACE FUNCTION spool.store_retry_policies(jobs uuid[], policies text[]) RETURNS void
    LANGUAGE sql AS $$
    INSERT INTO spool.retry_policies (job, policy, stored_at)
    SELECT u.job, u.policy, spool.now_ms() FROM unnest(jobs, policies) u (job, policy)
        ORDER BY u.job ON CONFLICT DO NOTHING
$$;
