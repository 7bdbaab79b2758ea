-- Decides on tasks with a key that wait: a memo settles them; else, behind a leader, they wait on; else one of them leads.
--
-- Called after the commit that made them wait, or that ended their leader, and by the sweep for whatever a crash left between the two.
-- So the locks of a settle never reach into other jobs. One decision on a key at a time: the lock on the key comes before all others.
CREATE FUNCTION spool.elect(a_tenants text[], a_keys bytea[]) RETURNS spool.effects LANGUAGE plpgsql AS $$
DECLARE
    most CONSTANT integer := 500;
    fx spool.effects := spool.no_effects();
    at bigint;
    number bigint;
    cached uuid[];
    leaders uuid[];
    raised uuid[];
    bands smallint[];
    plans uuid[];
    ends spool.ending[];
    readied text[];
    more_tenants text[];
    more_keys bytea[];
BEGIN
    FOR number IN
        SELECT DISTINCT hashtextextended(u.tenant || encode(u.key, 'hex'), 7) AS n FROM unnest(a_tenants, a_keys) u (tenant, key) ORDER BY n
    LOOP
        PERFORM pg_advisory_xact_lock(number);
    END LOOP;
    at := spool.now_ms();

    SELECT array_agg(f.id), array_agg(DISTINCT u.tenant), array_agg(DISTINCT u.key) INTO cached, more_tenants, more_keys
    FROM (SELECT DISTINCT x.tenant, x.key FROM unnest(a_tenants, a_keys) x (tenant, key)) u
    CROSS JOIN LATERAL (SELECT 1 FROM spool.memos y WHERE y.tenant = u.tenant AND y.key = u.key OFFSET 0) m
    CROSS JOIN LATERAL (
        SELECT y.id FROM spool.tasks y WHERE y.tenant = u.tenant AND y.key = u.key AND NOT y.leads LIMIT most) f;
    SELECT array_agg(f.id) FILTER (WHERE l.id IS NULL),
           array_agg(l.id) FILTER (WHERE l.priority < f.priority), array_agg(f.priority) FILTER (WHERE l.priority < f.priority)
    INTO leaders, raised, bands
    FROM (SELECT DISTINCT x.tenant, x.key FROM unnest(a_tenants, a_keys) x (tenant, key)) u
    LEFT JOIN LATERAL (SELECT 1 AS found FROM spool.memos y WHERE y.tenant = u.tenant AND y.key = u.key OFFSET 0) m ON true
    LEFT JOIN LATERAL (
        SELECT y.id, y.priority FROM spool.tasks y WHERE y.tenant = u.tenant AND y.key = u.key AND y.leads OFFSET 0) l ON true
    CROSS JOIN LATERAL (
        SELECT y.id, y.priority FROM spool.tasks y WHERE y.tenant = u.tenant AND y.key = u.key AND y.key IS NOT NULL AND NOT y.leads
        ORDER BY y.priority DESC, y.created_at, y.id LIMIT 1) f
    WHERE m.found IS NULL;

    plans := spool.lock_plans(coalesce(cached, '{}'));
    PERFORM FROM spool.tasks t WHERE t.id = ANY (coalesce(cached, '{}') || coalesce(leaders, '{}') || coalesce(raised, '{}'))
    ORDER BY t.id FOR UPDATE;

    -- The leader runs in the highest band of those who wait for it.
    UPDATE spool.tasks t SET priority = u.band FROM unnest(raised, bands) u (id, band)
    WHERE t.id = ANY (raised) AND t.id = u.id AND t.priority < u.band;
    WITH promoted AS (
        UPDATE spool.tasks t SET leads = true, state = 'ready', lane = CASE WHEN t.run_at > at THEN 3 ELSE 1 END
        WHERE t.id = ANY (leaders) AND t.state = 'waiting' AND NOT t.leads RETURNING t.job, t.queue)
    SELECT array_agg(DISTINCT l.queue::text), array_agg(l.job) INTO fx.readied, fx.jobs FROM promoted l;
    fx.readied := coalesce(fx.readied, '{}');
    fx.jobs := coalesce(fx.jobs, '{}');
    IF cached IS NULL THEN
        RETURN fx;
    END IF;

    SELECT array_agg(ROW(t.id, 'succeeded', true, NULL, m.hash, m.artifacts, NULL, m.output)::spool.ending) INTO ends
    FROM unnest(cached) u
    CROSS JOIN LATERAL (
        SELECT x.id, x.tenant, x.key FROM spool.tasks x
        WHERE x.id = u AND x.state = 'waiting' AND NOT x.leads AND (x.solo OR x.job = ANY (plans)) OFFSET 0) t
    CROSS JOIN LATERAL (
        SELECT y.hash, y.artifacts, y.output FROM spool.memos y WHERE y.tenant = t.tenant AND y.key = t.key OFFSET 0) m;
    -- Coarsely: a memo in daily use is touched once an hour and not at every hit.
    UPDATE spool.memos m SET used_at = at FROM unnest(a_tenants, a_keys) u (tenant, key)
    WHERE m.tenant = u.tenant AND m.key = u.key AND m.tenant = ANY (a_tenants) AND m.key = ANY (a_keys) AND m.used_at < at - 3600000;
    IF ends IS NOT NULL THEN
        readied := fx.readied;
        leaders := fx.jobs;
        fx := spool.finish(ends, NULL, at);
        fx.readied := fx.readied || readied;
        fx.jobs := fx.jobs || leaders;
    END IF;
    IF cardinality(cached) >= most THEN
        fx.tenants := fx.tenants || a_tenants;
        fx.keys := fx.keys || a_keys;
    END IF;
    RETURN fx;
END $$;

-- What a crash between two statements left undone: keys on which tasks wait without a leader (found by skipping from key to key), and
-- batches that were to be halted.
CREATE FUNCTION spool.loose_ends(most integer, OUT tenants text[], OUT keys bytea[], OUT halting uuid[]) LANGUAGE plpgsql AS $$
DECLARE
    last_tenant text := '';
    last_key bytea := '';
BEGIN
    tenants := '{}';
    keys := '{}';
    FOR looked_at IN 1..most LOOP
        SELECT t.tenant, t.key INTO last_tenant, last_key FROM spool.tasks t
        WHERE t.key IS NOT NULL AND NOT t.leads AND (t.tenant, t.key) > (last_tenant, last_key) ORDER BY t.tenant, t.key LIMIT 1;
        EXIT WHEN last_key IS NULL;
        CONTINUE WHEN EXISTS (SELECT FROM spool.tasks t WHERE t.tenant = last_tenant AND t.key = last_key AND t.leads);
        tenants := tenants || last_tenant;
        keys := keys || last_key;
    END LOOP;
    halting := ARRAY(SELECT b.id FROM spool.batches b WHERE b.halting ORDER BY b.id LIMIT most);
END $$;
