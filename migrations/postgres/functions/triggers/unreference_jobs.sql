-- Drops the artifact references of deleted jobs.
CREATE OR REPLACE FUNCTION spool.unreference_jobs() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
BEGIN
    DELETE FROM spool.job_artifacts a WHERE a.job = ANY (ARRAY(SELECT g.id FROM gone g));
    RETURN NULL;
END $$;
