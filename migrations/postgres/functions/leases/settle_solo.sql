-- Settles tasks that are the only one of their job, which is most of all work, in one pass without
-- loops. Returns the settled ones with the columns of their job's view. A task that is left out is
-- stale, or part of a plan and for `settle_plans`.
--
-- The settlements must be sorted by task, so that rows are locked in that order, before the jobs,
-- before the batches.
CREATE OR REPLACE FUNCTION spool.settle_solo(
    worker_id uuid, settlements spool.settlement[]
) RETURNS TABLE (
    task uuid, job uuid, status text, tenant text, kind text, batch uuid,
    item integer, priority smallint, tags text, metadata text, created_at bigint, run_at bigint,
    version bigint, started_at bigint, finished_at bigint, attempts integer, keyed bytea,
    batches_to_stop uuid[]
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
#variable_conflict use_column
DECLARE
    at bigint := spool.now_ms();
    held tid[];
    any_key boolean;
    good uuid[];
    bad uuid[];
    stopped uuid[];
    not_good uuid[];
    ended spool.queue[];
    took bigint[];
    batches uuid[];
    batch_good integer[];
    batch_bad integer[];
    to_stop uuid[];
    s_task uuid[];
    s_job uuid[];
    s_begun bigint[];
    s_attempt integer[];
    s_key bytea[];
BEGIN
    SELECT array_agg(t.place_of), bool_or(t.key IS NOT NULL) INTO held, any_key
    FROM unnest(settlements) s CROSS JOIN LATERAL (
        SELECT x.ctid AS place_of, x.key FROM spool.tasks x
        WHERE x.id = s.task AND x.state = 'running' AND x.worker = worker_id AND x.fence = s.fence
            AND x.solo FOR UPDATE) t;
    IF held IS NULL THEN
        RETURN;
    END IF;

    WITH gone AS (
        DELETE FROM spool.tasks t WHERE t.ctid = ANY (held)
        RETURNING t.*),
    ends AS (
        SELECT g.*, s.output, s.output_hash, s.artifacts, s.error,
            s.state::spool.task_state AS end_state,
            CASE WHEN s.state = 'succeeded' THEN 'succeeded'
                WHEN g.cancel_requested THEN 'cancelled' ELSE 'failed' END AS job_state
        FROM gone g JOIN unnest(settlements) s ON s.task = g.id),
    kept AS (
        INSERT INTO spool.history (id, job, worker, cause, created_at, first_started_at, started_at,
            finished_at, fence, timeout_ms, kind_version, place, queue, state, attempt,
            attempts_counted, max_attempts, losses, solo, cached, tenant, name, kind, input_key,
            output_hash, artifacts, error, errors, output, input)
        SELECT e.id, e.job, e.worker, CASE WHEN e.end_state = 'failed' THEN e.id END, e.created_at,
            e.first_started_at, e.started_at, at, e.fence, e.timeout_ms, e.kind_version, e.place,
            e.queue, e.end_state, e.attempt, e.attempts_counted, e.max_attempts, e.losses, true,
            false, e.tenant, e.name, e.kind, e.input_key, e.output_hash, e.artifacts, e.error,
            CASE WHEN e.end_state = 'failed'
                THEN spool.append_error(e.errors, e.attempt, e.worker, at, e.error)
                ELSE e.errors END,
            e.output, CASE WHEN e.end_state <> 'succeeded' THEN e.input END
        FROM ends e)
    SELECT array_agg(e.job) FILTER (WHERE e.job_state = 'succeeded'),
        array_agg(e.job) FILTER (WHERE e.job_state = 'failed'),
        array_agg(e.job) FILTER (WHERE e.job_state = 'cancelled'), array_agg(e.queue),
        array_agg(CASE WHEN e.end_state = 'succeeded' THEN at - e.started_at END),
        array_agg(e.batch) FILTER (WHERE e.batch IS NOT NULL),
        array_agg((e.job_state = 'succeeded')::integer) FILTER (WHERE e.batch IS NOT NULL),
        array_agg((e.job_state <> 'succeeded')::integer) FILTER (WHERE e.batch IS NOT NULL),
        array_agg(e.id), array_agg(e.job), array_agg(e.first_started_at), array_agg(e.attempt),
        array_agg(e.key)
    INTO good, bad, stopped, ended, took, batches, batch_good, batch_bad, s_task, s_job, s_begun,
        s_attempt, s_key
    FROM ends e;

    IF any_key THEN
        PERFORM spool.store_memos(s_task, s_key, at);
    END IF;
    -- Every job that succeeds ends alike, so one update in the order of ids is enough: the
    -- differences between jobs are in the rows of their tasks. Two updates need the locks first.
    not_good := bad || stopped;
    IF not_good IS NOT NULL THEN
        PERFORM FROM spool.jobs j WHERE j.id = ANY (good || not_good) ORDER BY j.id
        FOR NO KEY UPDATE;
        UPDATE spool.jobs j SET
            status = (CASE WHEN j.id = ANY (bad) THEN 'failed' ELSE 'cancelled'
                END)::spool.job_status,
            error = CASE WHEN j.id = ANY (bad) THEN h.error ELSE spool.cancelled_error() END,
            unsuccessful = true, finished_at = at, open_tasks = 0, version = j.version + 1
        FROM spool.jobs x CROSS JOIN LATERAL (
            SELECT y.error FROM spool.history y WHERE y.id = x.result_task OFFSET 0) h
        WHERE j.id = ANY (not_good) AND x.id = j.id AND x.id = ANY (not_good);
    END IF;
    UPDATE spool.jobs j SET status = 'succeeded', finished_at = at, open_tasks = 0,
        version = j.version + 1
    WHERE j.id = ANY (good);
    IF batches IS NOT NULL THEN
        to_stop := spool.count_batch_items(batches, batch_good, batch_bad, at);
    END IF;
    PERFORM spool.count_ended(worker_id, ended, took);

    RETURN QUERY
    SELECT s.task, s.job, j.status::text, j.tenant, j.kind, j.batch, j.item, j.priority,
        j.tags, j.metadata, j.created_at, j.run_at, j.version, least(j.started_at, s.begun),
        j.finished_at, j.attempts + s.attempt, s.key, to_stop
    FROM unnest(s_task, s_job, s_begun, s_attempt, s_key) s (task, job, begun, attempt, key)
    CROSS JOIN LATERAL (SELECT x.* FROM spool.jobs x WHERE x.id = s.job OFFSET 0) j;
END $$;
