-- Ends tasks and everything that follows within their jobs: dependents become ready or are
-- cancelled, counters change, jobs and batches end. The one place where a task's end spreads.
--
-- The caller has locked the tasks and the jobs of plans they belong to. If a task does not end in
-- success, the caller has locked all open tasks of its plan.
CREATE OR REPLACE FUNCTION spool.end_tasks(ends spool.task_end[], worker_id uuid, at bigint)
    RETURNS spool.effects LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    effects spool.effects := spool.no_effects();
    touched uuid[] := '{}';
    this_round uuid[];
    ended spool.queue[];
    all_ended spool.queue[] := '{}';
    took bigint[];
    all_took bigint[] := '{}';
    freed uuid[];
    next_ends spool.task_end[];
    ran_tasks uuid[];
    ran_keys bytea[];
    all_keys bytea[];
    all_tenants text[];
BEGIN
    PERFORM spool.lock_jobs(ARRAY(SELECT x.task FROM unnest(ends) x));
    WHILE cardinality(ends) > 0 LOOP
        WITH e AS MATERIALIZED (SELECT * FROM unnest(ends)),
        gone AS (
            DELETE FROM spool.tasks t WHERE t.id = ANY (ARRAY(SELECT x.task FROM e x))
            RETURNING t.*),
        kept AS (
            INSERT INTO spool.history (id, job, worker, cause, created_at, first_started_at,
                started_at, finished_at, fence, timeout_ms, kind_version, place, queue, state,
                attempt, attempts_counted, max_attempts, losses, solo, cached, tenant, name, kind,
                input_key, output_hash, needs, proceeds, artifacts, error, errors, output, input)
            SELECT g.id, g.job, g.worker, x.cause, g.created_at, g.first_started_at, g.started_at,
                at, g.fence, g.timeout_ms, g.kind_version, g.place, g.queue, x.state, g.attempt,
                CASE WHEN g.solo THEN g.attempts_counted ELSE g.attempt END, g.max_attempts,
                g.losses, g.solo, x.cached, g.tenant, g.name, g.kind, g.input_key, x.output_hash,
                g.needs, g.proceeds, x.artifacts, x.error,
                CASE WHEN x.state = 'failed'
                    THEN spool.append_error(g.errors, g.attempt, g.worker, at, x.error)
                    ELSE g.errors END,
                x.output, CASE WHEN x.state <> 'succeeded' THEN g.input END
            FROM gone g JOIN e x ON x.task = g.id),
        per_kind AS (
            UPDATE spool.plan_kinds k SET settled = k.settled + d.n, cached = k.cached + d.cached
            FROM (SELECT g.job, g.kind, count(*) AS n, count(*) FILTER (WHERE x.cached) AS cached
                  FROM gone g JOIN e x ON x.task = g.id WHERE NOT g.solo GROUP BY g.job, g.kind) d
            WHERE k.job = ANY (ARRAY(SELECT g.job FROM gone g WHERE NOT g.solo))
                AND k.job = d.job AND k.kind = d.kind),
        per_job AS (
            UPDATE spool.jobs j SET open_tasks = j.open_tasks - d.n, version = j.version + 1,
                attempts = j.attempts + CASE WHEN j.solo THEN 0 ELSE d.ran END,
                started_at =
                    CASE WHEN j.solo THEN j.started_at ELSE least(j.started_at, d.begun) END,
                status = CASE WHEN j.solo OR NOT d.moved_on THEN j.status ELSE 'running' END
            FROM (SELECT g.job, count(*) AS n, sum(g.attempt - g.attempts_counted) AS ran,
                      min(g.first_started_at) AS begun,
                      bool_or(x.cached OR g.first_started_at IS NOT NULL) AS moved_on
                  FROM gone g JOIN e x ON x.task = g.id GROUP BY g.job) d
            WHERE j.id = ANY (ARRAY(SELECT g.job FROM gone g)) AND j.id = d.job)
        SELECT array_agg(DISTINCT g.job), array_agg(g.queue) FILTER (WHERE g.state = 'running'),
            array_agg(CASE WHEN x.state = 'succeeded' THEN at - g.started_at END)
                FILTER (WHERE g.state = 'running'),
            array_agg(g.id) FILTER (WHERE m.new), array_agg(g.key) FILTER (WHERE m.new),
            array_agg(g.tenant) FILTER (WHERE g.is_leader),
            array_agg(g.key) FILTER (WHERE g.is_leader)
        INTO this_round, ended, took, ran_tasks, ran_keys, all_tenants, all_keys
        FROM gone g JOIN e x ON x.task = g.id CROSS JOIN LATERAL (
            SELECT g.is_leader AND x.state = 'succeeded' AND NOT x.cached AS new) m;
        EXIT WHEN this_round IS NULL;
        touched := touched || this_round;
        effects.tenants := effects.tenants || coalesce(all_tenants, '{}');
        effects.keys := effects.keys || coalesce(all_keys, '{}');
        IF ran_tasks IS NOT NULL THEN
            PERFORM spool.store_memos(ran_tasks, ran_keys, at);
        END IF;
        all_ended := all_ended || coalesce(ended, '{}');
        all_took := all_took || coalesce(took, '{}');

        WITH e AS MATERIALIZED (SELECT * FROM unnest(ends)),
        cut AS (
            DELETE FROM spool.edges d WHERE d.need = ANY (ARRAY(SELECT x.task FROM e x))
            RETURNING d.need, d.task, d.proceed),
        cut_edges AS MATERIALIZED (
            SELECT c.task, c.need, x.cause, x.state <> 'succeeded' AND NOT c.proceed AS broken
            FROM cut c JOIN e x ON x.task = c.need),
        lowered AS (
            UPDATE spool.tasks t SET needs_left = t.needs_left - d.n
            FROM (SELECT j.task, count(*) AS n FROM cut_edges j GROUP BY j.task) d
            WHERE t.id = ANY (ARRAY(SELECT j.task FROM cut_edges j)) AND t.id = d.task
            RETURNING t.id, t.needs_left)
        SELECT array_agg(l.id) FILTER (WHERE l.needs_left = 0
                AND NOT EXISTS (SELECT FROM cut_edges j WHERE j.task = l.id AND j.broken)),
            (SELECT array_agg(b.task_end) FROM (
                SELECT DISTINCT ON (j.task) spool.cancelled_end(j.task,
                    spool.need_failed_error(h.name), j.cause) AS task_end
                FROM cut_edges j CROSS JOIN LATERAL (
                    SELECT y.name FROM spool.history y WHERE y.id = j.need OFFSET 0) h
                WHERE j.broken ORDER BY j.task, j.need) b)
        INTO freed, next_ends FROM lowered l;
        IF freed IS NOT NULL THEN
            effects := spool.make_ready(freed, at, effects);
        END IF;

        -- Without its result a job has no use for its other tasks.
        SELECT coalesce(next_ends, '{}') || coalesce(array_agg(
            spool.cancelled_end(t.id, spool.without_result_error())), '{}')
        INTO next_ends
        FROM unnest(ends) x CROSS JOIN LATERAL (
            SELECT y.id FROM spool.jobs y JOIN spool.history h ON h.job = y.id
            WHERE h.id = x.task AND y.id = ANY (this_round) AND y.result_task = x.task OFFSET 0) j
        CROSS JOIN LATERAL (
            SELECT y.id FROM spool.tasks y
            WHERE y.job = j.id AND NOT y.solo AND y.state <> 'running' OFFSET 0) t
        WHERE x.state <> 'succeeded'
            AND NOT EXISTS (SELECT FROM unnest(next_ends) n WHERE n.task = t.id);
        effects.tasks_to_stop := effects.tasks_to_stop || spool.stop_running(ARRAY(
            SELECT x.task FROM unnest(ends) x WHERE x.state <> 'succeeded'));
        ends := next_ends;
    END LOOP;
    effects.jobs := ARRAY(SELECT DISTINCT u FROM unnest(touched) u);
    effects.batches_to_stop := spool.close_jobs(effects.jobs, at);
    IF worker_id IS NOT NULL AND cardinality(all_ended) > 0 THEN
        PERFORM spool.count_ended(worker_id, all_ended, all_took);
    END IF;
    RETURN effects;
END $$;
