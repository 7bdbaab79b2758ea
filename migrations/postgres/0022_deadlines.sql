-- Time in queue: until when the first tasks of a job that asked for it may wait for its start. A row is kept beside its task, not in it, so
-- that the jobs that do not ask, which are nearly all, pay nothing; it goes at its time, whatever became of the task.
CREATE TABLE spool.deadlines (
    task       uuid NOT NULL,
    due_at     bigint NOT NULL,
    allowed_ms bigint NOT NULL,
    CONSTRAINT deadlines_pkey PRIMARY KEY (task)
);
CREATE INDEX deadlines_due ON spool.deadlines (due_at);

-- Written before the tasks themselves: a deadline without a task does no harm, and a task without its deadline would wait for ever.
CREATE FUNCTION spool.keep_deadlines(task_ids uuid[], run_ats bigint[], allowed bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO spool.deadlines (task, due_at, allowed_ms)
    SELECT u.task, greatest(coalesce(u.run_at, 0), n.at) + u.allowed, u.allowed
    FROM unnest(task_ids, run_ats, allowed) u (task, run_at, allowed), (SELECT spool.now_ms() AS at) n
    ON CONFLICT DO NOTHING
$$;

-- Whether nothing of a job has started yet.
CREATE FUNCTION spool.unstarted(a_job uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT j.status = 'queued' AND CASE WHEN j.solo
        THEN NOT EXISTS (SELECT FROM spool.tasks t WHERE t.id = j.result_task AND t.begun_at IS NOT NULL)
        ELSE NOT EXISTS (SELECT FROM spool.tasks t WHERE t.job = a_job AND NOT t.solo AND t.begun_at IS NOT NULL) END
    FROM spool.jobs j WHERE j.id = a_job
$$;

-- Tasks whose time is up and that may have to be failed, longest due first. The rows of all others that are due go here: what was
-- started, settled or never stored.
CREATE FUNCTION spool.overdue_starts(most integer, OUT tasks uuid[], OUT allowed bigint[]) LANGUAGE plpgsql AS $$
DECLARE
    at bigint := spool.now_ms();
    due uuid[];
BEGIN
    due := ARRAY(SELECT d.task FROM spool.deadlines d WHERE d.due_at <= at ORDER BY d.due_at LIMIT most);
    IF cardinality(due) = 0 THEN
        RETURN;
    END IF;
    SELECT array_agg(t.id) INTO tasks FROM unnest(due) u CROSS JOIN LATERAL (
        SELECT x.id FROM spool.tasks x WHERE x.id = u AND x.state IN ('waiting', 'ready', 'queued') AND x.begun_at IS NULL
            AND spool.unstarted(x.job) OFFSET 0) t;
    DELETE FROM spool.deadlines d WHERE d.task = ANY (due) AND d.task <> ALL (coalesce(tasks, '{}'));
    SELECT array_agg(d.allowed_ms) INTO allowed FROM unnest(tasks) WITH ORDINALITY u (task, place)
    CROSS JOIN LATERAL (SELECT x.allowed_ms FROM spool.deadlines x WHERE x.task = u.task OFFSET 0) d;
END $$;

-- waiting, ready, queued -> failed, for a task of a job that did not start in time, with all that follows. Locks as `settle_plans` does.
CREATE FUNCTION spool.expire(a_task uuid, an_error text, OUT expired boolean, OUT fx spool.effects) LANGUAGE plpgsql AS $$
DECLARE
    plans uuid[] := spool.lock_plans(ARRAY[a_task]);
    at bigint;
    ends spool.ending[];
BEGIN
    fx := spool.no_effects();
    PERFORM FROM spool.tasks t
    WHERE t.id = ANY (ARRAY[a_task] || ARRAY(
        SELECT y.id FROM spool.tasks x JOIN spool.tasks y ON y.job = x.job AND NOT y.solo
        WHERE x.id = a_task AND NOT x.solo AND x.job = ANY (plans)))
    ORDER BY t.id FOR UPDATE;
    at := spool.now_ms();
    SELECT array_agg(ROW(t.id, 'failed', false, t.id, NULL, NULL, an_error, NULL)::spool.ending) INTO ends FROM spool.tasks t
    WHERE t.id = a_task AND t.state IN ('waiting', 'ready', 'queued') AND t.begun_at IS NULL AND (t.solo OR t.job = ANY (plans))
        AND spool.unstarted(t.job);
    expired := ends IS NOT NULL;
    IF expired THEN
        fx := spool.finish(ends, NULL, at);
    END IF;
    DELETE FROM spool.deadlines d WHERE d.task = a_task;
END $$;

-- As 0012 says of its predecessors.
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['overdue_starts', 'expire', 'unstarted'] LOOP
        EXECUTE format('ALTER FUNCTION spool.%I SET enable_seqscan = off', f);
        EXECUTE format('ALTER FUNCTION spool.%I SET enable_bitmapscan = off', f);
        EXECUTE format('ALTER FUNCTION spool.%I SET enable_sort = off', f);
        EXECUTE format('ALTER FUNCTION spool.%I SET jit = off', f);
        EXECUTE format('ALTER FUNCTION spool.%I SET plan_cache_mode = force_generic_plan', f);
    END LOOP;
END $$;
