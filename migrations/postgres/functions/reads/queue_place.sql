-- The queue of a job's next task, and how many tasks come before it there: those that are queued,
-- those of a higher priority, and the older ones of its own. Counts up to {{COUNTED_PLACES}} and no
-- further. NULL if none of the job's tasks is ready or queued.
CREATE OR REPLACE FUNCTION spool.queue_place(
    a_tenant text, a_job uuid, OUT queue_name text, OUT ahead bigint
) LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
DECLARE
    t spool.tasks;
    l spool.sub_queue;
    n bigint;
BEGIN
    SELECT x.* INTO t FROM (
        SELECT y.* FROM spool.tasks y WHERE y.solo
            AND y.id = (SELECT j.result_task FROM spool.jobs j WHERE j.id = a_job)
        UNION ALL (SELECT y.* FROM spool.tasks y
            WHERE y.job = a_job AND NOT y.solo AND y.phase = 2 AND y.state = 'queued' LIMIT 1)
        UNION ALL (SELECT y.* FROM spool.tasks y
            WHERE y.job = a_job AND NOT y.solo AND y.phase = 1 LIMIT 1)) x
    WHERE x.tenant = a_tenant AND (x.state = 'queued' OR x.phase = 1) LIMIT 1;
    IF t.id IS NULL THEN
        RETURN;
    END IF;
    queue_name := t.queue::text;
    SELECT count(*) INTO ahead FROM spool.taken(t.queue) x
    WHERE x.state = 'queued' AND (t.state = 'ready' OR (x.queued_at, x.id) < (t.queued_at, t.id));
    IF t.state = 'ready' THEN
        FOREACH l IN ARRAY spool.sub_queues_of(t.queue) LOOP
            CONTINUE WHEN l.priority < t.priority;
            EXIT WHEN ahead >= {{COUNTED_PLACES}};
            SELECT count(*) INTO n FROM (
                SELECT FROM spool.tasks x
                WHERE x.queue = t.queue AND x.priority = l.priority AND x.tenant = l.tenant
                    AND x.kind = l.kind AND x.phase = 1
                    AND coalesce(x.limited_batch, '{{NO_BATCH}}'::uuid) = l.batch
                    AND x.run_at >= l.since
                    AND (l.priority > t.priority OR (x.run_at, x.id) < (t.run_at, t.id))
                ORDER BY x.run_at, x.id LIMIT {{COUNTED_PLACES}} - ahead) y;
            ahead := ahead + n;
        END LOOP;
    END IF;
    ahead := least(ahead, {{COUNTED_PLACES}});
END $$;
