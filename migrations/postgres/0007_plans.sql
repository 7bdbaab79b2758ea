-- What settles in plans, or by something other than its own run: the one place where an end spreads.

-- Ends these tasks, which the caller has locked together with the jobs of plans they belong to, and all that follows from it within their
-- jobs: dependents become ready or are cancelled, counters move, jobs and batches end. If an ending is no success, the caller has
-- locked all open tasks of its plan.
CREATE FUNCTION spool.finish(ends spool.ending[], worker_id uuid, at bigint) RETURNS spool.effects LANGUAGE plpgsql AS $$
DECLARE
    fx spool.effects := spool.no_effects();
    touched uuid[] := '{}';
    this_round uuid[];
    ended spool.queue[];
    all_ended spool.queue[] := '{}';
    freed uuid[];
    next_ends spool.ending[];
    ran_tasks uuid[];
    ran_keys bytea[];
    all_keys bytea[];
    all_tenants text[];
BEGIN
    WHILE cardinality(ends) > 0 LOOP
        WITH e AS MATERIALIZED (SELECT * FROM unnest(ends)),
        gone AS (
            DELETE FROM spool.tasks t WHERE t.id = ANY (ARRAY(SELECT x.task FROM e x))
            RETURNING t.id, t.job, t.worker, t.created_at, t.begun_at, t.started_at, t.fence, t.timeout_ms, t.kind_version, t.place,
                t.queue, t.state AS was, t.attempt, t.counted, t.max_attempts, t.losses, t.solo, t.leads, t.tenant, t.name, t.kind,
                t.input_key, t.key, t.needs, t.proceeds, t.input, t.errors),
        kept AS (
            INSERT INTO spool.history (id, job, worker, cause, created_at, begun_at, started_at, finished_at, fence, timeout_ms,
                kind_version, place, queue, state, attempt, counted, max_attempts, losses, solo, cached, tenant, name, kind, input_key,
                hash, needs, proceeds, artifacts, error, errors, output, input)
            SELECT g.id, g.job, g.worker, x.cause, g.created_at, g.begun_at, g.started_at, at, g.fence, g.timeout_ms,
                g.kind_version, g.place, g.queue, x.state, g.attempt, CASE WHEN g.solo THEN g.counted ELSE g.attempt END, g.max_attempts,
                g.losses, g.solo, x.cached, g.tenant, g.name, g.kind, g.input_key,
                x.hash, g.needs, g.proceeds, x.artifacts, x.error,
                CASE WHEN x.state = 'failed' THEN spool.chained(g.errors, g.attempt, g.worker, at, x.error) ELSE g.errors END,
                x.output, CASE WHEN x.state <> 'succeeded' THEN g.input END
            FROM gone g JOIN e x ON x.task = g.id),
        per_kind AS (
            UPDATE spool.plan_kinds k SET settled = k.settled + d.n, cached = k.cached + d.cached
            FROM (SELECT g.job, g.kind, count(*) AS n, count(*) FILTER (WHERE x.cached) AS cached
                  FROM gone g JOIN e x ON x.task = g.id WHERE NOT g.solo GROUP BY g.job, g.kind) d
            WHERE k.job = ANY (ARRAY(SELECT g.job FROM gone g WHERE NOT g.solo)) AND k.job = d.job AND k.kind = d.kind),
        per_job AS (
            UPDATE spool.jobs j SET
                open_tasks = j.open_tasks - d.n, version = j.version + 1,
                attempts = j.attempts + CASE WHEN j.solo THEN 0 ELSE d.ran END,
                started_at = CASE WHEN j.solo THEN j.started_at ELSE least(j.started_at, d.begun) END,
                status = CASE WHEN j.solo OR NOT d.moved_on THEN j.status ELSE 'running' END
            FROM (SELECT g.job, count(*) AS n, sum(g.attempt - g.counted) AS ran, min(g.begun_at) AS begun,
                         bool_or(x.cached OR g.begun_at IS NOT NULL) AS moved_on
                  FROM gone g JOIN e x ON x.task = g.id GROUP BY g.job) d
            WHERE j.id = ANY (ARRAY(SELECT g.job FROM gone g)) AND j.id = d.job)
        SELECT array_agg(DISTINCT g.job), array_agg(g.queue) FILTER (WHERE g.was = 'running'),
            array_agg(g.id) FILTER (WHERE g.leads AND x.state = 'succeeded' AND NOT x.cached),
            array_agg(g.key) FILTER (WHERE g.leads AND x.state = 'succeeded' AND NOT x.cached),
            array_agg(g.tenant) FILTER (WHERE g.leads), array_agg(g.key) FILTER (WHERE g.leads)
        INTO this_round, ended, ran_tasks, ran_keys, all_tenants, all_keys
        FROM gone g JOIN e x ON x.task = g.id;
        EXIT WHEN this_round IS NULL;
        touched := touched || this_round;
        fx.tenants := fx.tenants || coalesce(all_tenants, '{}');
        fx.keys := fx.keys || coalesce(all_keys, '{}');
        IF ran_tasks IS NOT NULL THEN
            PERFORM spool.remember(ran_tasks, ran_keys, at);
        END IF;
        all_ended := all_ended || coalesce(ended, '{}');

        WITH e AS MATERIALIZED (SELECT * FROM unnest(ends)),
        cut AS (DELETE FROM spool.edges d WHERE d.need = ANY (ARRAY(SELECT x.task FROM e x)) RETURNING d.need, d.task, d.proceed),
        judged AS MATERIALIZED (
            SELECT c.task, c.need, x.cause, x.state <> 'succeeded' AND NOT c.proceed AS broken FROM cut c JOIN e x ON x.task = c.need),
        lowered AS (
            UPDATE spool.tasks t SET needs_left = t.needs_left - d.n
            FROM (SELECT j.task, count(*) AS n FROM judged j GROUP BY j.task) d
            WHERE t.id = ANY (ARRAY(SELECT j.task FROM judged j)) AND t.id = d.task
            RETURNING t.id, t.needs_left)
        SELECT array_agg(l.id) FILTER (WHERE l.needs_left = 0 AND NOT EXISTS (SELECT FROM judged j WHERE j.task = l.id AND j.broken)),
            (SELECT array_agg(b.ending) FROM (
                SELECT DISTINCT ON (j.task) ROW(j.task, 'cancelled', false, j.cause, NULL, NULL, 
                    spool.need_failed_error(h.name), NULL)::spool.ending AS ending
                FROM judged j CROSS JOIN LATERAL (SELECT y.name FROM spool.history y WHERE y.id = j.need OFFSET 0) h
                WHERE j.broken ORDER BY j.task, j.need) b)
        INTO freed, next_ends FROM lowered l;
        IF freed IS NOT NULL THEN
            fx := spool.free(freed, at, fx);
        END IF;

        -- Without its result a job has no use for its other tasks.
        SELECT coalesce(next_ends, '{}') || coalesce(array_agg(ROW(t.id, 'cancelled', false, NULL, NULL, NULL, 
                spool.without_result_error(), NULL)::spool.ending), '{}')
        INTO next_ends
        FROM unnest(ends) x CROSS JOIN LATERAL (
            SELECT y.id FROM spool.jobs y JOIN spool.history h ON h.job = y.id
            WHERE h.id = x.task AND y.id = ANY (this_round) AND y.result_task = x.task OFFSET 0) j
        CROSS JOIN LATERAL (
            SELECT y.id FROM spool.tasks y WHERE y.job = j.id AND NOT y.solo AND y.state <> 'running' OFFSET 0) t
        WHERE x.state <> 'succeeded' AND NOT EXISTS (SELECT FROM unnest(next_ends) n WHERE n.task = t.id);
        fx.stopping := fx.stopping || spool.stop_running(ARRAY(
            SELECT x.task FROM unnest(ends) x WHERE x.state <> 'succeeded'));
        ends := next_ends;
    END LOOP;
    fx.jobs := ARRAY(SELECT DISTINCT u FROM unnest(touched) u);
    fx.halted := spool.close_jobs(fx.jobs, at);
    IF worker_id IS NOT NULL AND cardinality(all_ended) > 0 THEN
        PERFORM spool.count_ended(worker_id, all_ended);
    END IF;
    RETURN fx;
END $$;

-- Asks the running tasks of plans to stop whose result task is among these, which did not succeed.
CREATE FUNCTION spool.stop_running(failed uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    asked uuid[];
BEGIN
    IF cardinality(failed) = 0 THEN
        RETURN '{}';
    END IF;
    WITH stopping AS (
        UPDATE spool.tasks t SET cancelling = true
        WHERE t.id = ANY (ARRAY(
            SELECT y.id FROM unnest(failed) f
            CROSS JOIN LATERAL (SELECT h.job FROM spool.history h WHERE h.id = f OFFSET 0) h
            CROSS JOIN LATERAL (SELECT x.id FROM spool.jobs x WHERE x.id = h.job AND x.result_task = f AND NOT x.solo OFFSET 0) j
            CROSS JOIN LATERAL (SELECT z.id FROM spool.tasks z WHERE z.job = j.id AND NOT z.solo AND z.lane = 2 AND z.state = 'running'
                                    AND NOT z.cancelling OFFSET 0) y))
        RETURNING t.id)
    SELECT array_agg(s.id) INTO asked FROM stopping s;
    RETURN coalesce(asked, '{}');
END $$;

-- Ends those of these jobs that have no open task, and counts them in their batches. Answers the batches to halt.
CREATE FUNCTION spool.close_jobs(job_ids uuid[], at bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    batches uuid[];
    good integer[];
    bad integer[];
BEGIN
    WITH fates AS MATERIALIZED (
        SELECT j.id, f.status, f.error FROM unnest(job_ids) u
        CROSS JOIN LATERAL (
            SELECT x.id, x.result_task, x.cancelling FROM spool.jobs x
            WHERE x.id = u AND x.open_tasks = 0 AND x.finished_at IS NULL OFFSET 0) j
        CROSS JOIN LATERAL (
            SELECT y.state, y.cause, y.error FROM spool.history y WHERE y.id = j.result_task OFFSET 0) h
        LEFT JOIN LATERAL (SELECT y.error FROM spool.history y WHERE y.id = h.cause OFFSET 0) c ON true
        CROSS JOIN LATERAL (SELECT
            CASE WHEN h.state = 'succeeded' THEN 'succeeded'
                 WHEN j.cancelling THEN 'cancelled'
                 ELSE 'failed' END AS status,
            CASE WHEN h.state = 'succeeded' THEN NULL WHEN j.cancelling THEN spool.cancelled_error() ELSE coalesce(c.error, h.error)
                 END AS error) f),
    closed AS (
        UPDATE spool.jobs j SET status = f.status::spool.job_status, ill = f.status <> 'succeeded', error = f.error, finished_at = at,
            version = j.version + 1
        FROM fates f WHERE j.id = ANY (ARRAY(SELECT x.id FROM fates x)) AND j.id = f.id
        RETURNING j.batch, j.status)
    SELECT array_agg(c.batch), array_agg((c.status = 'succeeded')::integer), array_agg((c.status <> 'succeeded')::integer)
    INTO batches, good, bad FROM closed c WHERE c.batch IS NOT NULL;
    IF batches IS NULL THEN
        RETURN '{}';
    END IF;
    RETURN spool.count_items(batches, good, bad, at);
END $$;

-- Settles tasks of plans, and those that grow. Also ends what the sweeper found: then no worker is named, and a lease that lives on
-- saves its task (`expired_only`). Answers which it settled.
CREATE FUNCTION spool.settle_plans(
    worker_id uuid, expired_only boolean, task_ids uuid[], a_fences bigint[], states text[], outputs text[], hashes bytea[],
    artifact_lists text[], errors text[],
    g_parent uuid[], g_id uuid[], g_place integer[], g_name text[], g_kind text[], g_version integer[], g_queue text[], g_input text[],
    g_key bytea[], g_timeout bigint[], g_attempts smallint[], g_needs text[], g_proceeds text[], g_left integer[], g_result boolean[],
    e_need uuid[], e_task uuid[], e_proceed boolean[],
    OUT settled uuid[], OUT fx spool.effects
) LANGUAGE plpgsql AS $$
DECLARE
    plans uuid[] := spool.lock_plans(task_ids);
    at bigint := spool.now_ms();
    failing uuid[];
    ends spool.ending[];
    grown spool.effects;
BEGIN
    fx := spool.no_effects();
    SELECT array_agg(u.id) INTO failing FROM unnest(task_ids, states) u (id, state) WHERE u.state <> 'succeeded';
    PERFORM FROM spool.tasks t
    WHERE t.id = ANY (task_ids || ARRAY(
        SELECT y.id FROM spool.tasks x JOIN spool.tasks y ON y.job = x.job AND NOT y.solo
        WHERE x.id = ANY (failing) AND NOT x.solo AND x.job = ANY (plans)))
    ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    SELECT array_agg(t.id), array_agg(ROW(t.id, u.state, false, CASE WHEN u.state = 'failed' THEN t.id END, u.hash, u.artifacts, u.error,
                                          u.output)::spool.ending)
    INTO settled, ends
    FROM unnest(task_ids, a_fences, states, outputs, hashes, artifact_lists, errors) u (id, fence, state, output, hash, artifacts, error)
    CROSS JOIN LATERAL (
        SELECT x.id FROM spool.tasks x
        WHERE x.id = u.id AND x.state = 'running' AND x.fence = u.fence AND (worker_id IS NULL OR x.worker = worker_id)
            AND (NOT expired_only OR x.lease_until < at) AND (x.solo OR x.job = ANY (plans)) OFFSET 0) t;
    IF settled IS NULL THEN
        settled := '{}';
        RETURN;
    END IF;
    IF expired_only THEN
        UPDATE spool.tasks t SET losses = t.losses + 1 WHERE t.id = ANY (settled);
    END IF;
    IF cardinality(g_id) > 0 THEN
        fx := spool.grow(settled, at, g_parent, g_id, g_place, g_name, g_kind, g_version, g_queue, g_input, g_key, g_timeout, g_attempts,
                         g_needs, g_proceeds, g_left, g_result, e_need, e_task, e_proceed);
    END IF;
    grown := spool.finish(ends, worker_id, at);
    fx.jobs := grown.jobs;
    fx.readied := fx.readied || grown.readied;
    fx.stopping := fx.stopping || grown.stopping;
    fx.tenants := fx.tenants || grown.tenants;
    fx.keys := fx.keys || grown.keys;
    fx.halted := grown.halted;
END $$;

-- Adds the tasks that succeeded tasks add to their plans. The parent's flag goes to the one that is to hold the result. Of a job that is
-- being cancelled none is added but to be cancelled at once, with the rest of its plan.
CREATE FUNCTION spool.grow(
    parents uuid[], at bigint,
    g_parent uuid[], g_id uuid[], g_place integer[], g_name text[], g_kind text[], g_version integer[], g_queue text[], g_input text[],
    g_key bytea[], g_timeout bigint[], g_attempts smallint[], g_needs text[], g_proceeds text[], g_left integer[], g_result boolean[],
    e_need uuid[], e_task uuid[], e_proceed boolean[]
) RETURNS spool.effects LANGUAGE plpgsql AS $$
DECLARE
    fx spool.effects := spool.no_effects();
    added uuid[];
    stopped spool.ending[];
    more spool.effects;
BEGIN
    -- A job of one task becomes a plan.
    INSERT INTO spool.plan_kinds (job, kind, total)
    SELECT t.job, t.kind, 1 FROM spool.tasks t
    WHERE t.id = ANY (parents) AND t.solo AND t.id = ANY (g_parent) ON CONFLICT DO NOTHING;
    UPDATE spool.jobs j SET solo = false FROM spool.tasks t
    WHERE t.id = ANY (parents) AND t.id = ANY (g_parent) AND t.solo AND j.id = t.job;
    UPDATE spool.tasks t SET solo = false WHERE t.id = ANY (parents) AND t.id = ANY (g_parent) AND t.solo;

    WITH born AS (
        INSERT INTO spool.tasks (id, job, batch, limited_batch, created_at, run_at, timeout_ms, kind_version, place, needs_left, queue, state,
            lane, priority, max_attempts, solo, tenant, name, kind, input_key, needs, proceeds, input)
        SELECT u.id, p.job, p.batch, p.limited_batch, at, at, u.timeout, u.version, p.total_tasks + u.place, u.open, u.queue::spool.queue,
            'waiting', 0, p.priority, u.attempts, false, p.tenant, u.name, u.kind, u.key, u.needs::uuid[], u.proceeds::boolean[], u.input
        FROM unnest(g_parent, g_id, g_place, g_name, g_kind, g_version, g_queue, g_input, g_key, g_timeout, g_attempts, g_needs,
                    g_proceeds, g_left)
            u (parent, id, place, name, kind, version, queue, input, key, timeout, attempts, needs, proceeds, open)
        CROSS JOIN LATERAL (
            SELECT t.job, t.batch, t.limited_batch, t.priority, t.tenant, j.total_tasks FROM spool.tasks t JOIN spool.jobs j ON j.id = t.job
            WHERE t.id = u.parent AND t.id = ANY (parents) OFFSET 0) p
        RETURNING id, job, kind)
    SELECT array_agg(b.id) INTO added FROM born b;
    INSERT INTO spool.edges (need, task, proceed)
    SELECT u.need, u.task, u.proceed FROM unnest(e_need, e_task, e_proceed) u (need, task, proceed) WHERE u.task = ANY (added);
    INSERT INTO spool.plan_kinds AS k (job, kind, total)
    SELECT t.job, t.kind, count(*) FROM spool.tasks t WHERE t.id = ANY (added) GROUP BY t.job, t.kind
    ON CONFLICT (job, kind) DO UPDATE SET total = k.total + excluded.total;
    UPDATE spool.jobs j SET
        total_tasks = j.total_tasks + d.n, open_tasks = j.open_tasks + d.n, version = j.version + 1,
        result_task = CASE WHEN j.result_task = d.parent_with_result THEN d.result ELSE j.result_task END
    FROM (SELECT t.job, count(*) AS n,
                 (array_agg(u.id) FILTER (WHERE u.result))[1] AS result, (array_agg(u.parent) FILTER (WHERE u.result))[1] AS parent_with_result
          FROM unnest(g_parent, g_id, g_result) u (parent, id, result)
          CROSS JOIN LATERAL (SELECT x.job FROM spool.tasks x WHERE x.id = u.id AND x.id = ANY (added) OFFSET 0) t GROUP BY t.job) d
    WHERE j.id = ANY (ARRAY(SELECT t.job FROM spool.tasks t WHERE t.id = ANY (added))) AND j.id = d.job;

    SELECT array_agg(ROW(t.id, 'cancelled', false, NULL, NULL, NULL,
                         spool.cancelled_error(), NULL)::spool.ending)
    INTO stopped FROM spool.tasks t JOIN spool.jobs j ON j.id = t.job WHERE t.id = ANY (added) AND j.cancelling;
    IF stopped IS NOT NULL THEN
        more := spool.finish(stopped, NULL, at);
    END IF;
    RETURN spool.free(ARRAY(SELECT t.id FROM spool.tasks t WHERE t.id = ANY (added) AND t.needs_left = 0 AND t.state = 'waiting'), at, fx);
END $$;
