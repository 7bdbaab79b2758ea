-- Cancels the unsettled tasks of jobs: at once where nothing runs, else by asking the worker.
CREATE OR REPLACE FUNCTION spool.cancel(job_ids uuid[]) RETURNS spool.effects LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    effects spool.effects := spool.no_effects();
    at bigint;
    plans uuid[];
    held uuid[];
    ends spool.task_end[];
BEGIN
    PERFORM FROM spool.jobs j WHERE j.id = ANY (job_ids) AND NOT j.solo AND j.finished_at IS NULL
    ORDER BY j.id FOR NO KEY UPDATE;
    plans := ARRAY(SELECT j.id FROM spool.jobs j
        WHERE j.id = ANY (job_ids) AND NOT j.solo AND j.finished_at IS NULL);
    held := ARRAY(
        SELECT t.id FROM unnest(plans) u CROSS JOIN LATERAL (
            SELECT x.id FROM spool.tasks x WHERE x.job = u AND NOT x.solo OFFSET 0) t
        UNION ALL
        SELECT j.result_task FROM spool.jobs j
        WHERE j.id = ANY (job_ids) AND j.solo AND j.finished_at IS NULL);
    PERFORM FROM spool.tasks t WHERE t.id = ANY (held) ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    -- A job of one task became a plan while its task was waited for: it is repeated, in the order
    -- in which plans are locked.
    effects.jobs_to_repeat := ARRAY(SELECT j.id FROM spool.jobs j WHERE j.id = ANY (job_ids)
        AND NOT j.solo AND j.finished_at IS NULL AND j.id <> ALL (plans));

    SELECT array_agg(spool.cancelled_end(t.id, spool.cancelled_error()))
            FILTER (WHERE t.state <> 'running'),
        coalesce(array_agg(t.id) FILTER (WHERE t.state = 'running'), '{}'),
        coalesce(array_agg(DISTINCT t.job), '{}')
    INTO ends, effects.tasks_to_stop, effects.jobs
    FROM spool.tasks t WHERE t.id = ANY (held) AND (t.solo OR t.job = ANY (plans));
    UPDATE spool.tasks t SET cancel_requested = true
    WHERE t.id = ANY (effects.tasks_to_stop) AND NOT t.cancel_requested;
    UPDATE spool.jobs j SET cancel_requested = true, version = j.version + 1
    WHERE j.id = ANY (effects.jobs) AND j.finished_at IS NULL AND NOT j.cancel_requested;
    IF ends IS NOT NULL THEN
        effects := spool.add_effects(effects, spool.end_tasks(ends, NULL, at));
    END IF;
    RETURN effects;
END $$;
