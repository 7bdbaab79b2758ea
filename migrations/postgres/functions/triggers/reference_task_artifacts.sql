-- Records which artifacts a settled task's job refers to. A trigger does it so that no way of
-- settling can forget it.
CREATE OR REPLACE FUNCTION spool.reference_task_artifacts() RETURNS trigger LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    INSERT INTO spool.job_artifacts (hash, job) SELECT h, NEW.job
        FROM spool.artifact_hashes(NEW.artifacts) h ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
