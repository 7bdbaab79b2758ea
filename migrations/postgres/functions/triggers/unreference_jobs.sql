-- Drops the artifact references of deleted jobs.
CREATE OR REPLACE FUNCTION spool.unreference_jobs() RETURNS trigger LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    DELETE FROM spool.job_artifacts a WHERE a.job = ANY (ARRAY(SELECT g.id FROM gone g));
    RETURN NULL;
END $$;
