-- The traces of tasks, in their order; NULL where no job has one.
CREATE OR REPLACE FUNCTION spool.traces_of(task_ids uuid[]) RETURNS text[]
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF cardinality(task_ids) = 0 OR NOT EXISTS (SELECT FROM spool.traces) THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY(
        SELECT (SELECT x.traceparent FROM spool.traces x WHERE x.job = (SELECT t.job
            FROM spool.tasks t WHERE t.id = u.task))
        FROM unnest(task_ids) WITH ORDINALITY u (task, place) ORDER BY u.place);
END $$;
