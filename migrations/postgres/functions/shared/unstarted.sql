-- Returns whether no task of a job has started.
CREATE OR REPLACE FUNCTION spool.unstarted(a_job uuid) RETURNS boolean LANGUAGE sql STABLE
{{PLANNER_SETTINGS}} AS $$
    SELECT j.status = 'queued' AND CASE WHEN j.solo
        THEN NOT EXISTS (SELECT FROM spool.tasks t WHERE t.id = j.result_task
            AND t.first_started_at IS NOT NULL)
        ELSE NOT EXISTS (SELECT FROM spool.tasks t WHERE t.job = a_job AND NOT t.solo
            AND t.first_started_at IS NOT NULL) END
    FROM spool.jobs j WHERE j.id = a_job
$$;
