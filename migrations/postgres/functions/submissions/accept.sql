-- Stores submissions in one commit: jobs with their tasks and edges, batches with their refused
-- items, idempotency keys.
--
-- Tasks to enqueue do go straight to `queued` (`credited`) unless a limit or pause is set, which
-- only the dispatcher checks. `replays` has for each call the response to replay after an '=', or
-- '!' where the key was used for another call, or NULL where the call goes on. `fresh` has the new
-- jobs.
CREATE OR REPLACE FUNCTION spool.accept(
    jobs spool.new_job[], batches spool.new_batch[], calls spool.idempotent_call[],
    OUT at bigint, OUT queues_with_workers text[], OUT fresh uuid[], OUT replays text[],
    OUT credited boolean
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    stopped uuid[] := '{}';
    any_plan boolean;
    all_fresh boolean;
BEGIN
    at := spool.enter_epoch();
    credited := NOT spool.has_controls();
    queues_with_workers := spool.queues_with_workers(at);
    IF cardinality(calls) > 0 THEN
        SELECT c.replays, c.stopped INTO replays, stopped
        FROM spool.claim_idempotency_keys(at, calls) c;
    END IF;

    IF cardinality(batches) > 0 THEN
        INSERT INTO spool.batches (id, created_at, settled_at, total, rejected, max_concurrent,
            stop_on_error, tenant)
        SELECT b.id, at, CASE WHEN cardinality(b.refused) = b.total THEN at END, b.total,
            cardinality(b.refused), b.max_concurrent, b.stop_on_error, b.tenant
        FROM unnest(batches) b WHERE b.id <> ALL (stopped) ON CONFLICT DO NOTHING;
        INSERT INTO spool.batch_limits (batch)
        SELECT b.id FROM unnest(batches) b
        WHERE b.max_concurrent IS NOT NULL AND b.id <> ALL (stopped) ON CONFLICT DO NOTHING;
        INSERT INTO spool.refused_items (batch, item, error)
        SELECT b.id, r.item, r.error FROM unnest(batches) b, unnest(b.refused) r
        WHERE b.id <> ALL (stopped) ON CONFLICT DO NOTHING;
    END IF;

    WITH stored AS (
        INSERT INTO spool.jobs (id, tenant, kind, priority, run_at, tags, metadata, input,
            timeout_ms, max_attempts, batch, item, total_tasks, open_tasks, result_task, solo,
            created_at)
        SELECT j.id, j.tenant, j.kind, j.priority, j.run_at, j.tags, j.metadata, j.input,
            j.timeout_ms, j.max_attempts, j.batch, j.item, cardinality(j.tasks),
            cardinality(j.tasks), j.result_task, cardinality(j.tasks) = 1, at
        FROM unnest(jobs) j WHERE coalesce(j.batch, j.id) <> ALL (stopped)
        ON CONFLICT (id) DO NOTHING RETURNING id, solo)
    SELECT coalesce(array_agg(s.id), '{}'), bool_or(NOT s.solo) INTO fresh, any_plan FROM stored s;
    all_fresh := cardinality(fresh) = cardinality(jobs);

    INSERT INTO spool.tasks (id, job, place, name, kind, kind_version, queue, input, input_key, key,
        timeout_ms, max_attempts, needs, proceeds, needs_left, state, phase, queued_at, tenant,
        priority, run_at, batch, limited_batch, solo, created_at)
    SELECT t.id, j.id, t.ordinality - 1, t.name, t.kind, t.kind_version, t.queue::spool.queue,
        t.input, t.input_key,
        CASE WHEN t.needs_left = 0 AND coalesce(j.run_at, 0) <= at THEN t.input_key END,
        t.timeout_ms, t.max_attempts, t.needs, t.proceeds, t.needs_left,
        (CASE WHEN s.waits THEN 'waiting' WHEN s.queued THEN 'queued'
            ELSE 'ready' END)::spool.task_state,
        CASE WHEN s.waits THEN 0 WHEN s.queued THEN 2 WHEN j.run_at > at THEN 3 ELSE 1 END,
        CASE WHEN s.queued THEN at END, j.tenant, j.priority, greatest(j.run_at, at), j.batch,
        j.limited_batch, cardinality(j.tasks) = 1, at
    FROM unnest(jobs) j CROSS JOIN LATERAL unnest(j.tasks) WITH ORDINALITY t
    CROSS JOIN LATERAL (SELECT t.needs_left > 0 OR t.input_key IS NOT NULL AS waits,
        t.enqueue AND credited AS queued) s
    WHERE all_fresh OR j.id = ANY (fresh);

    IF any_plan THEN
        INSERT INTO spool.plan_kinds (job, kind, total)
        SELECT j.id, t.kind, count(*) FROM unnest(jobs) j, unnest(j.tasks) t
        WHERE cardinality(j.tasks) > 1 AND (all_fresh OR j.id = ANY (fresh)) GROUP BY j.id, t.kind;
        INSERT INTO spool.edges (need, task, proceed)
        SELECT n.need, t.id, bool_and(n.proceed)
        FROM unnest(jobs) j, unnest(j.tasks) t, unnest(t.needs, t.proceeds) n (need, proceed)
        WHERE all_fresh OR j.id = ANY (fresh) GROUP BY n.need, t.id;
    END IF;
END $$;
