-- Asks the running tasks of plans to stop whose result task is among these tasks, which did not
-- succeed.
CREATE OR REPLACE FUNCTION spool.stop_running(failed uuid[]) RETURNS uuid[] LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    asked uuid[];
BEGIN
    IF cardinality(failed) = 0 THEN
        RETURN '{}';
    END IF;
    WITH asked_to_stop AS (
        UPDATE spool.tasks t SET cancel_requested = true
        WHERE t.id = ANY (ARRAY(
            SELECT y.id FROM unnest(failed) f
            CROSS JOIN LATERAL (SELECT h.job FROM spool.history h WHERE h.id = f OFFSET 0) h
            CROSS JOIN LATERAL (SELECT x.id FROM spool.jobs x WHERE x.id = h.job
                AND x.result_task = f AND NOT x.solo OFFSET 0) j
            CROSS JOIN LATERAL (SELECT z.id FROM spool.tasks z WHERE z.job = j.id AND NOT z.solo
                AND z.phase = 2 AND z.state = 'running'
                                    AND NOT z.cancel_requested OFFSET 0) y))
        RETURNING t.id)
    SELECT array_agg(s.id) INTO asked FROM asked_to_stop s;
    RETURN coalesce(asked, '{}');
END $$;
