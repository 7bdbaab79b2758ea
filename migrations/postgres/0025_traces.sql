-- The trace of the call that made a job, for the jobs whose caller sent one (W3C `traceparent`). A row is kept beside its job, not in it, so
-- that the jobs without, which are most, pay nothing. It may be missing: then the work is done all the same and the trace ends here.
CREATE TABLE spool.traces (
    job         uuid NOT NULL,
    traceparent text NOT NULL,
    kept_at     bigint NOT NULL,
    CONSTRAINT traces_pkey PRIMARY KEY (job)
);
CREATE INDEX traces_kept ON spool.traces (kept_at);

-- Written before the jobs themselves, so that no message goes without.
CREATE FUNCTION spool.keep_traces(jobs uuid[], traceparents text[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO spool.traces (job, traceparent, kept_at)
    SELECT u.job, u.traceparent, spool.now_ms() FROM unnest(jobs, traceparents) u (job, traceparent) ON CONFLICT DO NOTHING
$$;

-- The traces of tasks, in their order; nothing at all where no job has one.
CREATE FUNCTION spool.traces_of(task_ids uuid[]) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF cardinality(task_ids) = 0 OR NOT EXISTS (SELECT FROM spool.traces) THEN
        RETURN NULL;
    END IF;
    RETURN ARRAY(
        SELECT (SELECT x.traceparent FROM spool.traces x WHERE x.job = (SELECT t.job FROM spool.tasks t WHERE t.id = u.task))
        FROM unnest(task_ids) WITH ORDINALITY u (task, place) ORDER BY u.place);
END $$;

-- Removes at most so many that are older than that, and answers how many.
CREATE FUNCTION spool.retain_traces(age_ms bigint, most bigint) RETURNS bigint LANGUAGE sql AS $$
    WITH gone AS (
        DELETE FROM spool.traces x WHERE x.job = ANY (ARRAY(
            SELECT o.job FROM spool.traces o WHERE o.kept_at < spool.now_ms() - age_ms ORDER BY o.kept_at LIMIT most))
        RETURNING 1)
    SELECT count(*) FROM gone
$$;
