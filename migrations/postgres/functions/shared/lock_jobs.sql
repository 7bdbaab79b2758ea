-- Locks the jobs of tasks, in the order of ids. The caller has locked the tasks, and the jobs of
-- plans among them before those (`lock_plans`).
CREATE OR REPLACE FUNCTION spool.lock_jobs(task_ids uuid[]) RETURNS void LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    IF cardinality(task_ids) > 1 THEN
        PERFORM FROM spool.jobs j
        WHERE j.id = ANY (ARRAY(SELECT t.job FROM spool.tasks t WHERE t.id = ANY (task_ids)))
        ORDER BY j.id FOR NO KEY UPDATE;
    END IF;
END $$;
