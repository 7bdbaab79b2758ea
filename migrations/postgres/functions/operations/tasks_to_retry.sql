-- The tasks that a retry of these jobs would run again: of each final job that did not succeed,
-- the tasks that did not succeed. The caller derives their new ids.
CREATE OR REPLACE FUNCTION spool.tasks_to_retry(job_ids uuid[]) RETURNS TABLE (job uuid,
    generation integer, task uuid) LANGUAGE sql
{{PLANNER_SETTINGS}} AS $$
    SELECT j.id, j.generation, h.id FROM unnest(job_ids) u
    CROSS JOIN LATERAL (
        SELECT x.id, x.generation, x.solo, x.result_task FROM spool.jobs x WHERE x.id = u
            AND x.unsuccessful OFFSET 0) j
    CROSS JOIN LATERAL (
        SELECT x.id FROM spool.history x WHERE j.solo AND x.id = j.result_task
            AND x.state <> 'succeeded'
        UNION ALL
        SELECT x.id FROM spool.history x WHERE NOT j.solo AND x.job = j.id AND NOT x.solo
            AND x.state <> 'succeeded' AND NOT x.superseded
        OFFSET 0) h
$$;
