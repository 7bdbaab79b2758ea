-- What clients ask for besides new work: cancel and retry.

-- Cancels what has not settled of these jobs: at once where nothing runs, by asking the worker where it does.
CREATE FUNCTION spool.cancel(job_ids uuid[]) RETURNS spool.effects LANGUAGE plpgsql AS $$
DECLARE
    fx spool.effects := spool.no_effects();
    at bigint;
    plans uuid[];
    held uuid[];
    ends spool.ending[];
    asked uuid[];
    flagged uuid[];
BEGIN
    PERFORM FROM spool.jobs j WHERE j.id = ANY (job_ids) AND NOT j.solo AND j.finished_at IS NULL ORDER BY j.id FOR NO KEY UPDATE;
    plans := ARRAY(SELECT j.id FROM spool.jobs j WHERE j.id = ANY (job_ids) AND NOT j.solo AND j.finished_at IS NULL);
    held := ARRAY(
        SELECT t.id FROM unnest(plans) u CROSS JOIN LATERAL (SELECT x.id FROM spool.tasks x WHERE x.job = u AND NOT x.solo OFFSET 0) t
        UNION ALL
        SELECT j.result_task FROM spool.jobs j WHERE j.id = ANY (job_ids) AND j.solo AND j.finished_at IS NULL);
    PERFORM FROM spool.tasks t WHERE t.id = ANY (held) ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    -- A job of one task that became a plan while its task was waited for: once more, in the order that plans are locked in.
    fx.again := ARRAY(SELECT j.id FROM spool.jobs j
                      WHERE j.id = ANY (job_ids) AND NOT j.solo AND j.finished_at IS NULL AND j.id <> ALL (plans));

    SELECT array_agg(ROW(t.id, 'cancelled', false, NULL, NULL, NULL,
                         spool.cancelled_error(), NULL)::spool.ending) FILTER (WHERE t.state <> 'running'),
           array_agg(t.id) FILTER (WHERE t.state = 'running'), array_agg(DISTINCT t.job)
    INTO ends, asked, flagged FROM spool.tasks t WHERE t.id = ANY (held) AND (t.solo OR t.job = ANY (plans));
    UPDATE spool.tasks t SET cancelling = true WHERE t.id = ANY (asked) AND NOT t.cancelling;
    UPDATE spool.jobs j SET cancelling = true, version = j.version + 1
    WHERE j.id = ANY (flagged) AND j.finished_at IS NULL AND NOT j.cancelling;
    IF ends IS NOT NULL THEN
        asked := coalesce(asked, '{}');
        held := fx.again;
        fx := spool.finish(ends, NULL, at);
        fx.again := held;
    END IF;
    fx.stopping := fx.stopping || coalesce(asked, '{}');
    fx.jobs := coalesce(flagged, '{}');
    RETURN fx;
END $$;

-- The next open jobs of a batch, behind an item.
CREATE FUNCTION spool.open_items(batch_id uuid, behind integer, most integer, OUT jobs uuid[], OUT last_item integer) LANGUAGE sql AS $$
    SELECT coalesce(array_agg(x.id) FILTER (WHERE x.finished_at IS NULL), '{}'), max(x.item) FROM (
        SELECT j.id, j.item, j.finished_at FROM spool.jobs j
        WHERE j.batch = batch_id AND j.batch IS NOT NULL AND j.item > behind ORDER BY j.item LIMIT most) x
$$;

-- The next jobs of a batch that ended otherwise than well, behind an item.
CREATE FUNCTION spool.ill_items(batch_id uuid, behind integer, most integer, OUT jobs uuid[], OUT last_item integer) LANGUAGE sql AS $$
    SELECT coalesce(array_agg(x.id) FILTER (WHERE x.ill), '{}'), max(x.item) FROM (
        SELECT j.id, j.item, j.ill FROM spool.jobs j
        WHERE j.batch = batch_id AND j.batch IS NOT NULL AND j.item > behind ORDER BY j.item LIMIT most) x
$$;

-- The batch's rest is cancelled.
CREATE FUNCTION spool.halted(batch_id uuid) RETURNS void LANGUAGE sql AS
    $$ UPDATE spool.batches b SET halting = false WHERE b.id = batch_id $$;

-- What a retry of these jobs would run again: of each final job that did not succeed, the tasks that did not. The caller derives the new
-- ids, which is not done in SQL.
CREATE FUNCTION spool.to_retry(job_ids uuid[]) RETURNS TABLE (job uuid, generation integer, task uuid) LANGUAGE sql AS $$
    SELECT j.id, j.generation, h.id FROM unnest(job_ids) u
    CROSS JOIN LATERAL (
        SELECT x.id, x.generation, x.solo, x.result_task FROM spool.jobs x WHERE x.id = u AND x.ill OFFSET 0) j
    CROSS JOIN LATERAL (
        SELECT x.id FROM spool.history x WHERE j.solo AND x.id = j.result_task AND x.state <> 'succeeded'
        UNION ALL
        SELECT x.id FROM spool.history x WHERE NOT j.solo AND x.job = j.id AND NOT x.solo AND x.state <> 'succeeded' AND NOT x.superseded
        OFFSET 0) h
$$;

-- Inserts the next generation, for each job of the generation that was looked at: none if another retry was faster.
CREATE FUNCTION spool.retry(
    job_ids uuid[], generations integer[], t_job uuid[], t_old uuid[], t_new uuid[], OUT retried uuid[], OUT fx spool.effects
) LANGUAGE plpgsql AS $$
DECLARE
    at bigint := spool.now_ms();
    batches uuid[];
BEGIN
    fx := spool.no_effects();
    PERFORM FROM spool.jobs j WHERE j.id = ANY (job_ids) ORDER BY j.id FOR NO KEY UPDATE;
    SELECT coalesce(array_agg(j.id), '{}') INTO retried FROM unnest(job_ids, generations) u (id, generation)
    CROSS JOIN LATERAL (SELECT x.id FROM spool.jobs x WHERE x.id = u.id AND x.generation = u.generation AND x.ill OFFSET 0) j;

    INSERT INTO spool.tasks (id, job, batch, limited_batch, created_at, run_at, timeout_ms, kind_version, place, needs_left, queue, state,
        lane, priority, max_attempts, solo, tenant, name, kind, input_key, needs, proceeds, input)
    SELECT u.new, j.id, j.batch, b.id, at, at, h.timeout_ms, h.kind_version, h.place, n.open, h.queue, 'waiting', 0, j.priority,
        h.max_attempts, j.solo, h.tenant, h.name, h.kind, h.input_key, n.needs, h.proceeds, h.input
    FROM unnest(t_job, t_old, t_new) u (job, old, new)
    CROSS JOIN LATERAL (
        SELECT x.id, x.batch, x.priority, x.solo FROM spool.jobs x WHERE x.id = u.job AND x.id = ANY (retried) OFFSET 0) j
    CROSS JOIN LATERAL (
        SELECT x.timeout_ms, x.kind_version, x.place, x.queue, x.max_attempts, x.tenant, x.name, x.kind, x.input_key, x.needs, x.proceeds,
            x.input FROM spool.history x WHERE x.id = u.old OFFSET 0) h
    LEFT JOIN LATERAL (
        SELECT x.id FROM spool.batches x WHERE x.id = j.batch AND x.max_concurrent IS NOT NULL OFFSET 0) b ON true
    CROSS JOIN LATERAL (
        SELECT array_agg(coalesce(m.new, w.need) ORDER BY w.place) AS needs, count(DISTINCT m.new) AS open
        FROM unnest(h.needs) WITH ORDINALITY w (need, place) LEFT JOIN unnest(t_old, t_new) m (old, new) ON m.old = w.need) n;
    INSERT INTO spool.edges (need, task, proceed)
    SELECT w.need, t.id, bool_and(w.proceed) FROM spool.tasks t CROSS JOIN LATERAL unnest(t.needs, t.proceeds) w (need, proceed)
    WHERE t.id = ANY (t_new) AND t.job = ANY (retried) AND w.need = ANY (t_new) GROUP BY w.need, t.id;
    UPDATE spool.plan_kinds k SET settled = k.settled - d.n FROM (
        SELECT h.job, h.kind, count(*) AS n FROM spool.history h WHERE h.id = ANY (t_old) AND h.job = ANY (retried) GROUP BY h.job, h.kind) d
    WHERE k.job = ANY (retried) AND k.job = d.job AND k.kind = d.kind;
    -- What an attempt of the old generation counted goes to the job's row, before its task is out of sight.
    UPDATE spool.jobs j SET
        status = 'queued', ill = false, error = NULL, finished_at = NULL, cancelling = false, generation = j.generation + 1,
        version = j.version + 1, open_tasks = d.n, result_task = coalesce(d.result, j.result_task),
        attempts = j.attempts + CASE WHEN j.solo THEN d.attempts ELSE 0 END, started_at = NULL
    FROM (SELECT u.job, count(*) AS n, sum(h.attempt) AS attempts,
                 (array_agg(u.new) FILTER (WHERE x.result_task = u.old))[1] AS result
          FROM unnest(t_job, t_old, t_new) u (job, old, new)
          CROSS JOIN LATERAL (SELECT y.attempt FROM spool.history y WHERE y.id = u.old OFFSET 0) h
          CROSS JOIN LATERAL (SELECT y.result_task FROM spool.jobs y WHERE y.id = u.job OFFSET 0) x
          GROUP BY u.job) d
    WHERE j.id = ANY (retried) AND j.id = d.job;
    UPDATE spool.history h SET superseded = true WHERE h.id = ANY (t_old) AND h.job = ANY (retried);
    batches := ARRAY(SELECT j.batch FROM spool.jobs j WHERE j.id = ANY (retried) AND j.batch IS NOT NULL);
    PERFORM spool.count_items(batches, array_fill(0, ARRAY[cardinality(batches)]), array_fill(-1, ARRAY[cardinality(batches)]), at);
    fx := spool.free(ARRAY(SELECT t.id FROM spool.tasks t WHERE t.id = ANY (t_new) AND t.job = ANY (retried) AND t.needs_left = 0), at, fx);
    fx.jobs := retried;
END $$;
