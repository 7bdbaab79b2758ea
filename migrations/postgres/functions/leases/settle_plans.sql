-- Settles tasks of plans, and tasks that grow. Also ends the tasks that a sweep found: then
-- `worker_id` is NULL, and with `expired_only` a task whose lease was renewed is left alone.
-- `settled` has the tasks that were settled.
CREATE OR REPLACE FUNCTION spool.settle_plans(
    worker_id uuid, expired_only boolean, task_ids uuid[], a_fences bigint[], states text[],
    outputs text[], output_hashes bytea[], artifact_lists text[], errors text[],
    g_parent uuid[], g_id uuid[], g_place integer[], g_name text[], g_kind text[],
    g_version integer[], g_queue text[], g_input text[], g_key bytea[], g_timeout bigint[],
    g_attempts smallint[], g_needs text[], g_proceeds text[], g_left integer[], g_result boolean[],
    e_need uuid[], e_task uuid[], e_proceed boolean[],
    OUT settled uuid[], OUT effects spool.effects
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
DECLARE
    plans uuid[] := spool.lock_plans(task_ids);
    at bigint := spool.now_ms();
    failing uuid[];
    ends spool.task_end[];
    grown spool.effects;
BEGIN
    effects := spool.no_effects();
    SELECT array_agg(u.id) INTO failing FROM unnest(task_ids, states) u (id, state)
        WHERE u.state <> 'succeeded';
    PERFORM FROM spool.tasks t
    WHERE t.id = ANY (task_ids || ARRAY(
        SELECT y.id FROM spool.tasks x JOIN spool.tasks y ON y.job = x.job AND NOT y.solo
        WHERE x.id = ANY (failing) AND NOT x.solo AND x.job = ANY (plans)))
    ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    SELECT array_agg(t.id), array_agg(ROW(t.id, u.state, false, CASE WHEN u.state = 'failed'
        THEN t.id END, u.output_hash, u.artifacts, u.error, u.output)::spool.task_end)
    INTO settled, ends
    FROM unnest(task_ids, a_fences, states, outputs, output_hashes, artifact_lists, errors) u (id,
        fence, state, output, output_hash, artifacts, error)
    CROSS JOIN LATERAL (
        SELECT x.id FROM spool.tasks x
        WHERE x.id = u.id AND x.state = 'running' AND x.fence = u.fence AND (worker_id IS NULL
            OR x.worker = worker_id)
            AND (NOT expired_only OR x.lease_until < at) AND (x.solo OR x.job = ANY (plans)) OFFSET
                0) t;
    IF settled IS NULL THEN
        settled := '{}';
        RETURN;
    END IF;
    IF expired_only THEN
        UPDATE spool.tasks t SET losses = t.losses + 1 WHERE t.id = ANY (settled);
    END IF;
    IF cardinality(g_id) > 0 THEN
        effects := spool.grow(settled, at, g_parent, g_id, g_place, g_name, g_kind, g_version,
            g_queue, g_input, g_key, g_timeout, g_attempts, g_needs, g_proceeds, g_left, g_result,
            e_need, e_task, e_proceed);
    END IF;
    grown := spool.end_tasks(ends, worker_id, at);
    effects.jobs := grown.jobs;
    effects.ready_queues := effects.ready_queues || grown.ready_queues;
    effects.tasks_to_stop := effects.tasks_to_stop || grown.tasks_to_stop;
    effects.tenants := effects.tenants || grown.tenants;
    effects.keys := effects.keys || grown.keys;
    effects.batches_to_stop := grown.batches_to_stop;
END $$;
