-- Stores submissions in one commit: jobs, their tasks and edges, batches with their refused items,
-- idempotency keys.
--
-- The letter before an argument's name says what its members are: j a job, t a task, e an edge, b
-- a batch, r a refused item, k an idempotency key. Arrays of one letter have equal lengths.
-- `t_enqueue` marks the tasks that go straight to `queued`; they do (`credited`) unless a limit or
-- pause is set, which only the dispatcher checks. `replays` has for each key the response to
-- replay after an '=', or '!' where the key was used for another call, or NULL where the call goes
-- on. `fresh` has the new jobs.
CREATE OR REPLACE FUNCTION spool.accept(
    j_id uuid[], j_tenant text[], j_kind text[], j_priority smallint[], j_run_at bigint[],
    j_tags text[], j_metadata text[], j_input text[], j_timeout bigint[], j_attempts smallint[],
    j_batch uuid[], j_item integer[], j_total integer[], j_result uuid[], t_id uuid[], t_job uuid[],
    t_place integer[], t_name text[], t_kind text[], t_version integer[], t_queue text[],
    t_input text[], t_key bytea[], t_timeout bigint[], t_attempts smallint[], t_needs text[],
    t_proceeds text[], t_left integer[], t_enqueue boolean[], t_tenant text[],
    t_priority smallint[], t_run_at bigint[], t_batch uuid[], t_limited boolean[], t_solo boolean[],
    e_need uuid[], e_task uuid[], e_proceed boolean[], b_id uuid[], b_tenant text[],
    b_total integer[], b_refused integer[], b_limit integer[], b_stop boolean[], r_batch uuid[],
    r_item integer[], r_error text[], k_tenant text[], k_key text[], k_fingerprint bytea[],
    k_response text[], k_target uuid[],
    OUT at bigint, OUT queues_with_workers text[], OUT fresh uuid[], OUT replays text[],
        OUT credited boolean
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
DECLARE
    stopped uuid[] := '{}';
    all_fresh boolean;
BEGIN
    at := spool.enter_epoch();
    credited := NOT spool.has_controls();
    queues_with_workers := spool.queues_with_workers(at);
    IF cardinality(k_key) > 0 THEN
        SELECT c.replays, c.stopped INTO replays, stopped FROM spool.claim_idempotency_keys(at,
            k_tenant, k_key, k_fingerprint, k_response, k_target) c;
    END IF;

    IF cardinality(b_id) > 0 THEN
        INSERT INTO spool.batches (id, created_at, settled_at, total, rejected, max_concurrent,
            stop_on_error, tenant)
        SELECT u.id, at, CASE WHEN u.refused = u.total THEN at END, u.total, u.refused, u.most,
            u.stop, u.tenant
        FROM unnest(b_id, b_tenant, b_total, b_refused, b_limit, b_stop) u (id, tenant, total,
            refused, most, stop)
        WHERE u.id <> ALL (stopped) ON CONFLICT DO NOTHING;
        INSERT INTO spool.batch_limits (batch)
        SELECT u.id FROM unnest(b_id, b_limit) u (id, most) WHERE u.most IS NOT NULL
            AND u.id <> ALL (stopped) ON CONFLICT DO NOTHING;
        INSERT INTO spool.refused_items (batch, item, error)
        SELECT u.batch, u.item, u.error FROM unnest(r_batch, r_item, r_error) u (batch, item, error)
        WHERE u.batch <> ALL (stopped) ON CONFLICT DO NOTHING;
    END IF;

    WITH stored AS (
        INSERT INTO spool.jobs (id, tenant, kind, priority, run_at, tags, metadata, input,
            timeout_ms, max_attempts, batch, item, total_tasks, open_tasks, result_task, solo,
            created_at)
        SELECT u.id, u.tenant, u.kind, u.priority, u.run_at, u.tags, u.metadata, u.input,
            u.timeout_ms, u.max_attempts, u.batch, u.item, u.total, u.total, u.result_task,
            u.total = 1, at
        FROM unnest(j_id, j_tenant, j_kind, j_priority, j_run_at, j_tags, j_metadata, j_input,
            j_timeout, j_attempts, j_batch, j_item, j_total, j_result)
            u (id, tenant, kind, priority, run_at, tags, metadata, input, timeout_ms, max_attempts,
                batch, item, total, result_task)
        WHERE coalesce(u.batch, u.id) <> ALL (stopped)
        ON CONFLICT (id) DO NOTHING RETURNING id)
    SELECT coalesce(array_agg(s.id), '{}') INTO fresh FROM stored s;
    all_fresh := cardinality(fresh) = cardinality(j_id);

    INSERT INTO spool.tasks (id, job, place, name, kind, kind_version, queue, input, input_key, key,
        timeout_ms, max_attempts, needs, proceeds, needs_left, state, phase, queued_at, tenant,
        priority, run_at, batch, limited_batch, solo, created_at)
    SELECT u.id, u.job, u.place, u.name, u.kind, u.version, u.queue::spool.queue, u.input, u.key,
           CASE WHEN u.open = 0 AND coalesce(u.run_at, 0) <= at THEN u.key END, u.timeout,
               u.attempts, u.needs::uuid[], u.proceeds::boolean[], u.open,
           (CASE WHEN u.open > 0 OR u.key IS NOT NULL THEN 'waiting' WHEN u.enqueue AND credited
               THEN 'queued' ELSE 'ready' END)::spool.task_state,
           CASE WHEN u.open > 0 OR u.key IS NOT NULL THEN 0 WHEN u.enqueue AND credited THEN 2
               WHEN u.run_at > at THEN 3 ELSE 1 END,
           CASE WHEN u.enqueue AND credited THEN at END, u.tenant, u.priority, coalesce(u.run_at,
           at), u.batch, CASE WHEN u.limited THEN u.batch END, u.solo, at
    FROM unnest(t_id, t_job, t_place, t_name, t_kind, t_version, t_queue, t_input, t_key, t_timeout,
        t_attempts, t_needs, t_proceeds, t_left, t_enqueue, t_tenant, t_priority, t_run_at, t_batch,
        t_limited, t_solo)
        u (id, job, place, name, kind, version, queue, input, key, timeout, attempts, needs,
            proceeds, open, enqueue, tenant, priority, run_at, batch, limited, solo)
    WHERE all_fresh OR u.job = ANY (fresh);

    IF cardinality(t_id) > cardinality(j_id) THEN
        INSERT INTO spool.plan_kinds (job, kind, total)
        SELECT u.job, u.kind, count(*) FROM unnest(t_job, t_kind, t_solo) u (job, kind, solo)
        WHERE NOT u.solo AND (all_fresh OR u.job = ANY (fresh)) GROUP BY u.job, u.kind;
        INSERT INTO spool.edges (need, task, proceed)
        SELECT u.need, u.task, u.proceed FROM unnest(e_need, e_task, e_proceed) u (need, task,
            proceed)
        WHERE all_fresh OR EXISTS (SELECT FROM unnest(t_id, t_job) x (id, job) WHERE x.id = u.task
            AND x.job = ANY (fresh));
    END IF;
END $$;
