-- Locks the jobs of those of these tasks that belong to plans, before any task is locked, so that
-- all writes within a plan happen one after another. A job of one task is locked after its task
-- instead, when it is written.
CREATE OR REPLACE FUNCTION spool.lock_plans(task_ids uuid[]) RETURNS uuid[] LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    plans uuid[];
BEGIN
    SELECT array_agg(DISTINCT t.job) INTO plans FROM spool.tasks t WHERE t.id = ANY (task_ids)
        AND NOT t.solo;
    IF plans IS NOT NULL THEN
        PERFORM FROM spool.jobs j WHERE j.id = ANY (plans) ORDER BY j.id FOR NO KEY UPDATE;
    END IF;
    RETURN coalesce(plans, '{}');
END $$;
