-- Returns whether a job has a status as it is seen from outside. A job's row says 'queued' until it
-- is next written; its tasks say whether one of them runs.
CREATE OR REPLACE FUNCTION spool.has_status(job_id uuid, stored spool.job_status, is_solo boolean,
    its_task uuid, wanted text) RETURNS boolean
LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
DECLARE
    begun boolean;
BEGIN
    IF stored <> 'queued' OR wanted NOT IN ('queued', 'running') THEN
        RETURN stored::text = wanted;
    END IF;
    IF is_solo THEN
        begun := EXISTS (SELECT FROM spool.tasks t WHERE t.id = its_task AND t.first_started_at IS
            NOT NULL);
    ELSE
        begun := EXISTS (SELECT FROM spool.tasks t WHERE t.job = job_id AND NOT t.solo
            AND t.phase = 2 AND t.state = 'running');
    END IF;
    RETURN begun = (wanted = 'running');
END $$;
