-- Decides on waiting tasks with a key: a memo settles them; else, if the key has a leader, they
-- wait on; else one of them becomes the leader.
--
-- Called after the commit that made them wait or that ended their leader, and by the sweep for
-- work that a crash left between the two, so that the locks of a settle never reach into other
-- jobs. There is one decision on a key at a time: the lock on the key comes before all others.
CREATE OR REPLACE FUNCTION spool.elect(a_tenants text[], a_keys bytea[]) RETURNS spool.effects
    LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    most CONSTANT integer := {{MAX_GROUP}};
    effects spool.effects := spool.no_effects();
    at bigint;
    number bigint;
    memo_hits uuid[];
    leaders uuid[];
    raised uuid[];
    priorities smallint[];
    plans uuid[];
    ends spool.task_end[];
BEGIN
    FOR number IN
        SELECT DISTINCT hashtextextended(u.tenant || encode(u.key, 'hex'), 7) AS n
            FROM unnest(a_tenants, a_keys) u (tenant, key) ORDER BY n
    LOOP
        PERFORM pg_advisory_xact_lock(number);
    END LOOP;
    at := spool.now_ms();

    SELECT array_agg(f.id) INTO memo_hits
    FROM (SELECT DISTINCT x.tenant, x.key FROM unnest(a_tenants, a_keys) x (tenant, key)) u
    CROSS JOIN LATERAL (
        SELECT FROM spool.memos y WHERE y.tenant = u.tenant AND y.key = u.key OFFSET 0) m
    CROSS JOIN LATERAL (
        SELECT y.id FROM spool.tasks y
        WHERE y.tenant = u.tenant AND y.key = u.key AND NOT y.is_leader LIMIT most) f;
    SELECT array_agg(f.id) FILTER (WHERE l.id IS NULL),
        array_agg(l.id) FILTER (WHERE l.priority < f.priority),
        array_agg(f.priority) FILTER (WHERE l.priority < f.priority)
    INTO leaders, raised, priorities
    FROM (SELECT DISTINCT x.tenant, x.key FROM unnest(a_tenants, a_keys) x (tenant, key)) u
    LEFT JOIN LATERAL (
        SELECT true AS found FROM spool.memos y
        WHERE y.tenant = u.tenant AND y.key = u.key OFFSET 0) m ON true
    LEFT JOIN LATERAL (
        SELECT y.id, y.priority FROM spool.tasks y
        WHERE y.tenant = u.tenant AND y.key = u.key AND y.is_leader OFFSET 0) l ON true
    CROSS JOIN LATERAL (
        SELECT y.id, y.priority FROM spool.tasks y
        WHERE y.tenant = u.tenant AND y.key = u.key AND y.key IS NOT NULL AND NOT y.is_leader
        ORDER BY y.priority DESC, y.created_at, y.id LIMIT 1) f
    WHERE m.found IS NULL;

    plans := spool.lock_plans(memo_hits);
    PERFORM FROM spool.tasks t WHERE t.id = ANY (memo_hits || leaders || raised)
    ORDER BY t.id FOR UPDATE;

    -- The leader takes the highest priority of its waiters.
    UPDATE spool.tasks t SET priority = u.priority FROM unnest(raised, priorities) u (id, priority)
    WHERE t.id = ANY (raised) AND t.id = u.id AND t.priority < u.priority;
    WITH elected AS (
        UPDATE spool.tasks t SET is_leader = true, state = 'ready',
            phase = CASE WHEN t.run_at > at THEN 3 ELSE 1 END
        WHERE t.id = ANY (leaders) AND t.state = 'waiting' AND NOT t.is_leader
        RETURNING t.job, t.queue)
    SELECT coalesce(array_agg(DISTINCT l.queue::text), '{}'), coalesce(array_agg(l.job), '{}')
    INTO effects.ready_queues, effects.jobs FROM elected l;
    IF memo_hits IS NULL THEN
        RETURN effects;
    END IF;

    SELECT array_agg(ROW(t.id, 'succeeded', true, NULL, m.output_hash, m.artifacts, NULL,
        m.output)::spool.task_end) INTO ends
    FROM unnest(memo_hits) u
    CROSS JOIN LATERAL (
        SELECT x.id, x.tenant, x.key FROM spool.tasks x
        WHERE x.id = u AND x.state = 'waiting' AND NOT x.is_leader
            AND (x.solo OR x.job = ANY (plans)) OFFSET 0) t
    CROSS JOIN LATERAL (
        SELECT y.output_hash, y.artifacts, y.output FROM spool.memos y WHERE y.tenant = t.tenant
            AND y.key = t.key OFFSET 0) m;
    -- `used_at` is precise to an hour: a memo in daily use is not written at every hit. One that
    -- another transaction has locked is being written or removed, so it needs no touch.
    WITH hit AS MATERIALIZED (
        SELECT m.tenant, m.key FROM unnest(a_tenants, a_keys) u (tenant, key)
        CROSS JOIN LATERAL (SELECT x.tenant, x.key FROM spool.memos x
            WHERE x.tenant = u.tenant AND x.key = u.key
                AND x.used_at < at - {{MEMO_TOUCHED_EVERY_MS}}
            FOR NO KEY UPDATE SKIP LOCKED) m)
    UPDATE spool.memos m SET used_at = at FROM hit h WHERE m.tenant = h.tenant AND m.key = h.key;
    IF ends IS NOT NULL THEN
        effects := spool.add_effects(effects, spool.end_tasks(ends, NULL, at));
    END IF;
    IF cardinality(memo_hits) >= most THEN
        effects.tenants := effects.tenants || a_tenants;
        effects.keys := effects.keys || a_keys;
    END IF;
    RETURN effects;
END $$;
