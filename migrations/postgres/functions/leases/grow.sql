-- Adds the tasks that succeeded tasks add to their plans. The parent's role as result task goes to
-- the one that is marked as the result. If the job is being cancelled, the added tasks are
-- cancelled at once.
CREATE OR REPLACE FUNCTION spool.grow(
    parents uuid[], at bigint,
    g_parent uuid[], g_id uuid[], g_place integer[], g_name text[], g_kind text[],
    g_version integer[], g_queue text[], g_input text[], g_key bytea[], g_timeout bigint[],
    g_attempts smallint[], g_needs text[], g_proceeds text[], g_left integer[], g_result boolean[],
    e_need uuid[], e_task uuid[], e_proceed boolean[]
) RETURNS spool.effects LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
DECLARE
    effects spool.effects := spool.no_effects();
    added uuid[];
    stopped spool.task_end[];
    more spool.effects;
BEGIN
    -- A job of one task becomes a plan.
    INSERT INTO spool.plan_kinds (job, kind, total)
    SELECT t.job, t.kind, 1 FROM spool.tasks t
    WHERE t.id = ANY (parents) AND t.solo AND t.id = ANY (g_parent) ON CONFLICT DO NOTHING;
    UPDATE spool.jobs j SET solo = false FROM spool.tasks t
    WHERE t.id = ANY (parents) AND t.id = ANY (g_parent) AND t.solo AND j.id = t.job;
    UPDATE spool.tasks t SET solo = false WHERE t.id = ANY (parents) AND t.id = ANY (g_parent)
        AND t.solo;

    WITH born AS (
        INSERT INTO spool.tasks (id, job, batch, limited_batch, created_at, run_at, timeout_ms,
            kind_version, place, needs_left, queue, state, phase, priority, max_attempts, solo,
            tenant, name, kind, input_key, needs, proceeds, input)
        SELECT u.id, p.job, p.batch, p.limited_batch, at, at, u.timeout, u.version,
            p.total_tasks + u.place, u.open, u.queue::spool.queue, 'waiting', 0, p.priority,
            u.attempts, false, p.tenant, u.name, u.kind, u.key, u.needs::uuid[],
            u.proceeds::boolean[], u.input
        FROM unnest(g_parent, g_id, g_place, g_name, g_kind, g_version, g_queue, g_input, g_key,
            g_timeout, g_attempts, g_needs, g_proceeds, g_left)
            u (parent, id, place, name, kind, version, queue, input, key, timeout, attempts, needs,
                proceeds, open)
        CROSS JOIN LATERAL (
            SELECT t.job, t.batch, t.limited_batch, t.priority, t.tenant, j.total_tasks
                FROM spool.tasks t JOIN spool.jobs j ON j.id = t.job
            WHERE t.id = u.parent AND t.id = ANY (parents) OFFSET 0) p
        RETURNING id, job, kind)
    SELECT array_agg(b.id) INTO added FROM born b;
    INSERT INTO spool.edges (need, task, proceed)
    SELECT u.need, u.task, u.proceed FROM unnest(e_need, e_task, e_proceed) u (need, task, proceed)
        WHERE u.task = ANY (added);
    INSERT INTO spool.plan_kinds AS k (job, kind, total)
    SELECT t.job, t.kind, count(*) FROM spool.tasks t WHERE t.id = ANY (added) GROUP BY t.job,
        t.kind
    ON CONFLICT (job, kind) DO UPDATE SET total = k.total + excluded.total;
    UPDATE spool.jobs j SET
        total_tasks = j.total_tasks + d.n, open_tasks = j.open_tasks + d.n, version = j.version + 1,
        result_task = CASE WHEN j.result_task = d.parent_with_result THEN d.result
            ELSE j.result_task END
    FROM (SELECT t.job, count(*) AS n,
                 (array_agg(u.id) FILTER (WHERE u.result))[1] AS result, (array_agg(u.parent)
                     FILTER (WHERE u.result))[1] AS parent_with_result
          FROM unnest(g_parent, g_id, g_result) u (parent, id, result)
          CROSS JOIN LATERAL (SELECT x.job FROM spool.tasks x WHERE x.id = u.id
              AND x.id = ANY (added) OFFSET 0) t GROUP BY t.job) d
    WHERE j.id = ANY (ARRAY(SELECT t.job FROM spool.tasks t WHERE t.id = ANY (added)))
        AND j.id = d.job;

    SELECT array_agg(ROW(t.id, 'cancelled', false, NULL, NULL, NULL,
                         spool.cancelled_error(), NULL)::spool.task_end)
    INTO stopped FROM spool.tasks t JOIN spool.jobs j ON j.id = t.job WHERE t.id = ANY (added)
        AND j.cancel_requested;
    IF stopped IS NOT NULL THEN
        more := spool.end_tasks(stopped, NULL, at);
    END IF;
    RETURN spool.make_ready(ARRAY(SELECT t.id FROM spool.tasks t WHERE t.id = ANY (added)
        AND t.needs_left = 0 AND t.state = 'waiting'), at, effects);
END $$;
