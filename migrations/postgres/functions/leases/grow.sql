-- Adds the tasks by which settled tasks grow to their plans. The parent's role as result task goes
-- to the one that is marked as the result. If the job is being cancelled, the added tasks are
-- cancelled at once.
CREATE OR REPLACE FUNCTION spool.grow(settled uuid[], settlements spool.settlement[], at bigint)
    RETURNS spool.effects LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    growing uuid[] := ARRAY(SELECT s.task FROM unnest(settlements) s
        WHERE cardinality(s.grown) > 0 AND s.task = ANY (settled));
    added uuid[];
    stopped spool.task_end[];
BEGIN
    PERFORM spool.lock_jobs(growing);
    -- A job of one task becomes a plan.
    INSERT INTO spool.plan_kinds (job, kind, total)
    SELECT t.job, t.kind, 1 FROM spool.tasks t WHERE t.id = ANY (growing) AND t.solo
    ON CONFLICT DO NOTHING;
    UPDATE spool.jobs j SET solo = false FROM spool.tasks t
    WHERE t.id = ANY (growing) AND t.solo AND j.id = t.job;
    UPDATE spool.tasks t SET solo = false WHERE t.id = ANY (growing) AND t.solo;

    WITH born AS (
        INSERT INTO spool.tasks (id, job, batch, limited_batch, created_at, run_at, timeout_ms,
            kind_version, place, needs_left, queue, state, phase, priority, max_attempts, solo,
            tenant, name, kind, input_key, needs, proceeds, input)
        SELECT g.id, p.job, p.batch, p.limited_batch, at, at, g.timeout_ms, g.kind_version,
            p.total_tasks + g.ordinality - 1, g.needs_left, g.queue::spool.queue, 'waiting', 0,
            p.priority, g.max_attempts, false, p.tenant, g.name, g.kind, g.input_key, g.needs,
            g.proceeds, g.input
        FROM unnest(settlements) s
        CROSS JOIN LATERAL (
            SELECT t.*, j.total_tasks FROM spool.tasks t JOIN spool.jobs j ON j.id = t.job
            WHERE t.id = s.task AND t.id = ANY (growing) OFFSET 0) p
        CROSS JOIN LATERAL unnest(s.grown) WITH ORDINALITY g
        RETURNING id)
    SELECT array_agg(b.id) INTO added FROM born b;
    INSERT INTO spool.edges (need, task, proceed)
    SELECT n.need, g.id, bool_and(n.proceed)
    FROM unnest(settlements) s, unnest(s.grown) g, unnest(g.needs, g.proceeds) n (need, proceed)
    WHERE g.id = ANY (added) GROUP BY n.need, g.id;
    INSERT INTO spool.plan_kinds AS k (job, kind, total)
    SELECT t.job, t.kind, count(*) FROM spool.tasks t WHERE t.id = ANY (added)
    GROUP BY t.job, t.kind
    ON CONFLICT (job, kind) DO UPDATE SET total = k.total + excluded.total;
    UPDATE spool.jobs j SET
        total_tasks = j.total_tasks + d.n, open_tasks = j.open_tasks + d.n, version = j.version + 1,
        result_task = CASE WHEN j.result_task = d.parent THEN d.result ELSE j.result_task END
    FROM (SELECT t.job, count(*) AS n, (array_agg(g.id) FILTER (WHERE g.result))[1] AS result,
              (array_agg(s.task) FILTER (WHERE g.result))[1] AS parent
          FROM unnest(settlements) s, unnest(s.grown) g CROSS JOIN LATERAL (
              SELECT x.job FROM spool.tasks x WHERE x.id = g.id AND x.id = ANY (added) OFFSET 0) t
          GROUP BY t.job) d
    WHERE j.id = ANY (ARRAY(SELECT t.job FROM spool.tasks t WHERE t.id = ANY (added)))
        AND j.id = d.job;

    SELECT array_agg(spool.cancelled_end(t.id, spool.cancelled_error())) INTO stopped
    FROM spool.tasks t JOIN spool.jobs j ON j.id = t.job
    WHERE t.id = ANY (added) AND j.cancel_requested;
    IF stopped IS NOT NULL THEN
        PERFORM spool.end_tasks(stopped, NULL, at);
    END IF;
    RETURN spool.make_ready(ARRAY(SELECT t.id FROM spool.tasks t WHERE t.id = ANY (added)
        AND t.needs_left = 0 AND t.state = 'waiting'), at, spool.no_effects());
END $$;
