-- Settles tasks of plans, and tasks that grow. With `worker_id` NULL it ends tasks whose lease a
-- sweep found expired; one that was renewed since is left alone. `settled` has the tasks that were
-- settled.
CREATE OR REPLACE FUNCTION spool.settle_plans(
    worker_id uuid, settlements spool.settlement[], OUT settled uuid[], OUT effects spool.effects
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    task_ids uuid[] := ARRAY(SELECT s.task FROM unnest(settlements) s);
    failing uuid[] := ARRAY(SELECT s.task FROM unnest(settlements) s WHERE s.state <> 'succeeded');
    plans uuid[] := spool.lock_plans(task_ids);
    at bigint;
    ends spool.task_end[];
BEGIN
    effects := spool.no_effects();
    PERFORM FROM spool.tasks t
    WHERE t.id = ANY (task_ids || ARRAY(
        SELECT y.id FROM spool.tasks x JOIN spool.tasks y ON y.job = x.job AND NOT y.solo
        WHERE x.id = ANY (failing) AND NOT x.solo AND x.job = ANY (plans)))
    ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    SELECT array_agg(s.task), array_agg(ROW(s.task, s.state, false,
        CASE WHEN s.state = 'failed' THEN s.task END, s.output_hash, s.artifacts, s.error,
        s.output)::spool.task_end)
    INTO settled, ends
    FROM unnest(settlements) s CROSS JOIN LATERAL (
        SELECT FROM spool.tasks x
        WHERE x.id = s.task AND x.state = 'running' AND x.fence = s.fence
            AND CASE WHEN worker_id IS NULL THEN x.lease_until < at ELSE x.worker = worker_id END
            AND (x.solo OR x.job = ANY (plans)) OFFSET 0) t;
    IF settled IS NULL THEN
        settled := '{}';
        RETURN;
    END IF;
    IF worker_id IS NULL THEN
        UPDATE spool.tasks t SET losses = t.losses + 1 WHERE t.id = ANY (settled);
    END IF;
    IF EXISTS (SELECT FROM unnest(settlements) s WHERE cardinality(s.grown) > 0) THEN
        effects := spool.grow(settled, settlements, at);
    END IF;
    effects := spool.add_effects(effects, spool.end_tasks(ends, worker_id, at));
END $$;
