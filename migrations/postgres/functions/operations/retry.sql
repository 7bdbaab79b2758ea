-- Inserts the next generation of jobs. A job whose generation is not the given one is left out:
-- another retry was faster.
CREATE OR REPLACE FUNCTION spool.retry(
    job_ids uuid[], generations integer[], t_job uuid[], t_old uuid[], t_new uuid[],
        OUT retried uuid[], OUT effects spool.effects
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    at bigint := spool.now_ms();
    batches uuid[];
BEGIN
    effects := spool.no_effects();
    PERFORM FROM spool.jobs j WHERE j.id = ANY (job_ids) ORDER BY j.id FOR NO KEY UPDATE;
    SELECT coalesce(array_agg(j.id), '{}') INTO retried FROM unnest(job_ids, generations) u (id,
        generation)
    CROSS JOIN LATERAL (SELECT x.id FROM spool.jobs x WHERE x.id = u.id
        AND x.generation = u.generation AND x.unsuccessful OFFSET 0) j;

    INSERT INTO spool.tasks (id, job, batch, limited_batch, created_at, run_at, timeout_ms,
        kind_version, place, needs_left, queue, state, phase, priority, max_attempts, solo, tenant,
        name, kind, input_key, needs, proceeds, input)
    SELECT u.new, j.id, j.batch, b.id, at, at, h.timeout_ms, h.kind_version, h.place, n.open,
        h.queue, 'waiting', 0, j.priority, h.max_attempts, j.solo, h.tenant, h.name, h.kind,
        h.input_key, n.needs, h.proceeds, h.input
    FROM unnest(t_job, t_old, t_new) u (job, old, new)
    CROSS JOIN LATERAL (
        SELECT x.id, x.batch, x.priority, x.solo FROM spool.jobs x WHERE x.id = u.job
            AND x.id = ANY (retried) OFFSET 0) j
    CROSS JOIN LATERAL (
        SELECT x.timeout_ms, x.kind_version, x.place, x.queue, x.max_attempts, x.tenant, x.name,
            x.kind, x.input_key, x.needs, x.proceeds, x.input FROM spool.history x
            WHERE x.id = u.old OFFSET 0) h
    LEFT JOIN LATERAL (
        SELECT x.id FROM spool.batches x WHERE x.id = j.batch AND x.max_concurrent IS NOT NULL
            OFFSET 0) b ON true
    CROSS JOIN LATERAL (
        SELECT array_agg(coalesce(m.new, w.need) ORDER BY w.place) AS needs, count(DISTINCT m.new)
            AS open
        FROM unnest(h.needs) WITH ORDINALITY w (need, place) LEFT JOIN unnest(t_old, t_new) m (old,
            new) ON m.old = w.need) n;
    INSERT INTO spool.edges (need, task, proceed)
    SELECT w.need, t.id, bool_and(w.proceed) FROM spool.tasks t CROSS JOIN LATERAL unnest(t.needs,
        t.proceeds) w (need, proceed)
    WHERE t.id = ANY (t_new) AND t.job = ANY (retried) AND w.need = ANY (t_new) GROUP BY w.need,
        t.id;
    UPDATE spool.plan_kinds k SET settled = k.settled - d.n FROM (
        SELECT h.job, h.kind, count(*) AS n FROM spool.history h WHERE h.id = ANY (t_old)
            AND h.job = ANY (retried) GROUP BY h.job, h.kind) d
    WHERE k.job = ANY (retried) AND k.job = d.job AND k.kind = d.kind;
    -- The attempts of the old generation are added to the job's row before its tasks are out of
    -- sight.
    UPDATE spool.jobs j SET
        status = 'queued', unsuccessful = false, error = NULL, finished_at = NULL,
        cancel_requested = false, generation = j.generation + 1, version = j.version + 1,
        open_tasks = d.n, result_task = coalesce(d.result, j.result_task), attempts = j.attempts +
        CASE WHEN j.solo THEN d.attempts ELSE 0 END, started_at = NULL
    FROM (SELECT u.job, count(*) AS n, sum(h.attempt) AS attempts,
                 (array_agg(u.new) FILTER (WHERE x.result_task = u.old))[1] AS result
          FROM unnest(t_job, t_old, t_new) u (job, old, new)
          CROSS JOIN LATERAL (SELECT y.attempt FROM spool.history y WHERE y.id = u.old OFFSET 0) h
          CROSS JOIN LATERAL (SELECT y.result_task FROM spool.jobs y WHERE y.id = u.job OFFSET 0) x
          GROUP BY u.job) d
    WHERE j.id = ANY (retried) AND j.id = d.job;
    UPDATE spool.history h SET superseded = true WHERE h.id = ANY (t_old) AND h.job = ANY (retried);
    batches := ARRAY(SELECT j.batch FROM spool.jobs j WHERE j.id = ANY (retried)
        AND j.batch IS NOT NULL);
    PERFORM spool.count_batch_items(batches, array_fill(0, ARRAY[cardinality(batches)]),
        array_fill(-1, ARRAY[cardinality(batches)]), at);
    effects := spool.make_ready(ARRAY(SELECT t.id FROM spool.tasks t WHERE t.id = ANY (t_new)
        AND t.job = ANY (retried) AND t.needs_left = 0), at, effects);
    effects.jobs := retried;
END $$;
