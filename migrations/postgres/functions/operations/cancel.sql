-- Cancels the unsettled tasks of jobs: at once where nothing runs, else by asking the worker.
CREATE OR REPLACE FUNCTION spool.cancel(job_ids uuid[]) RETURNS spool.effects LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
DECLARE
    effects spool.effects := spool.no_effects();
    at bigint;
    plans uuid[];
    held uuid[];
    ends spool.task_end[];
    asked uuid[];
    flagged uuid[];
BEGIN
    PERFORM FROM spool.jobs j WHERE j.id = ANY (job_ids) AND NOT j.solo AND j.finished_at IS NULL
        ORDER BY j.id FOR NO KEY UPDATE;
    plans := ARRAY(SELECT j.id FROM spool.jobs j WHERE j.id = ANY (job_ids) AND NOT j.solo
        AND j.finished_at IS NULL);
    held := ARRAY(
        SELECT t.id FROM unnest(plans) u CROSS JOIN LATERAL (SELECT x.id FROM spool.tasks x
            WHERE x.job = u AND NOT x.solo OFFSET 0) t
        UNION ALL
        SELECT j.result_task FROM spool.jobs j WHERE j.id = ANY (job_ids) AND j.solo
            AND j.finished_at IS NULL);
    PERFORM FROM spool.tasks t WHERE t.id = ANY (held) ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    -- A job of one task became a plan while its task was waited for: it is repeated, in the order
    -- in which plans are locked.
    effects.jobs_to_repeat := ARRAY(SELECT j.id FROM spool.jobs j
                      WHERE j.id = ANY (job_ids) AND NOT j.solo AND j.finished_at IS NULL
                          AND j.id <> ALL (plans));

    SELECT array_agg(ROW(t.id, 'cancelled', false, NULL, NULL, NULL,
                         spool.cancelled_error(), NULL)::spool.task_end)
                             FILTER (WHERE t.state <> 'running'),
           array_agg(t.id) FILTER (WHERE t.state = 'running'), array_agg(DISTINCT t.job)
    INTO ends, asked, flagged FROM spool.tasks t WHERE t.id = ANY (held)
        AND (t.solo OR t.job = ANY (plans));
    UPDATE spool.tasks t SET cancel_requested = true WHERE t.id = ANY (asked)
        AND NOT t.cancel_requested;
    UPDATE spool.jobs j SET cancel_requested = true, version = j.version + 1
    WHERE j.id = ANY (flagged) AND j.finished_at IS NULL AND NOT j.cancel_requested;
    IF ends IS NOT NULL THEN
        asked := coalesce(asked, '{}');
        held := effects.jobs_to_repeat;
        effects := spool.end_tasks(ends, NULL, at);
        effects.jobs_to_repeat := held;
    END IF;
    effects.tasks_to_stop := effects.tasks_to_stop || coalesce(asked, '{}');
    effects.jobs := coalesce(flagged, '{}');
    RETURN effects;
END $$;
