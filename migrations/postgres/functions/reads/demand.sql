-- How much work a queue has for its workers. Counts up to {{COUNTED_BACKLOG}} and no further, from
-- where the dispatch cursor says that tasks are.
CREATE OR REPLACE FUNCTION spool.demand(
    a_queue text, OUT waiting bigint, OUT running bigint, OUT slots bigint, OUT oldest_ms bigint,
        OUT queued bigint, OUT workers bigint,
    OUT median_ms bigint, OUT paused boolean
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    c spool.queue := a_queue::spool.queue;
    at bigint := spool.now_ms();
    oldest bigint;
    oldest_here bigint;
    n bigint;
    l spool.sub_queue;
BEGIN
    SELECT count(*) FILTER (WHERE t.state = 'queued'), count(*) FILTER (WHERE t.state = 'running'),
           min(t.run_at) FILTER (WHERE t.state = 'queued')
    INTO queued, running, oldest FROM spool.taken(c) t;
    SELECT queued + count(*), least(oldest, min(x.run_at)) INTO waiting, oldest FROM (
        SELECT t.run_at FROM spool.tasks t WHERE t.queue = c AND t.phase = 3 AND t.run_at <= at
            ORDER BY t.run_at LIMIT {{COUNTED_BACKLOG}}) x;
    FOREACH l IN ARRAY spool.sub_queues_of(c) LOOP
        EXIT WHEN waiting >= {{COUNTED_BACKLOG}};
        SELECT count(*), min(x.run_at) INTO n, oldest_here FROM (
            SELECT t.run_at FROM spool.tasks t
            WHERE t.queue = c AND t.priority = l.priority AND t.tenant = l.tenant
                AND t.kind = l.kind AND t.phase = 1
                AND coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid) = l.batch
                    AND t.run_at >= l.since
            ORDER BY t.run_at, t.id LIMIT {{COUNTED_BACKLOG}} - waiting) x;
        waiting := waiting + n;
        oldest := least(oldest, oldest_here);
    END LOOP;
    SELECT coalesce(sum(CASE a_queue WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate
        ELSE w.light END), 0), count(*) FILTER (WHERE CASE a_queue WHEN 'render' THEN w.render
        WHEN 'generate' THEN w.generate ELSE w.light END > 0)
    INTO slots, workers FROM spool.workers w WHERE w.heartbeat_at > at - {{WORKER_ALIVE_MS}}
        AND NOT w.draining;
    waiting := least(waiting, {{COUNTED_BACKLOG}});
    oldest_ms := greatest(coalesce(at - oldest, 0), 0);
    median_ms := spool.median_ms(c);
    paused := EXISTS (SELECT FROM spool.pauses p WHERE p.scope = 'queue' AND p.name = a_queue);
END $$;
