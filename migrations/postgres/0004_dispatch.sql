-- ready -> queued, and back.

-- Up to `most` tenants with something to dispatch in a band, in the order of their names, after one and up to another.
-- Skips from tenant to tenant in the index: nobody's backlog is walked through.
CREATE FUNCTION spool.tenants_in_band(c spool.queue, band smallint, after text, upto text, most integer) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    found text[] := '{}';
    next_tenant text := after;
BEGIN
    WHILE cardinality(found) < most LOOP
        SELECT t.tenant INTO next_tenant FROM spool.tasks t
        WHERE t.queue = c AND t.priority = band AND t.tenant > next_tenant AND t.lane = 1 AND t.limited_batch IS NULL
        ORDER BY t.tenant LIMIT 1;
        EXIT WHEN next_tenant IS NULL OR next_tenant > upto;
        found := found || next_tenant;
    END LOOP;
    RETURN found;
END $$;

-- Chooses up to `room` tasks of one band in turns, one of each tenant after the other, beginning after the tenant that was served last.
-- `limited` are tasks that their batch's limit lets through; they compete like any other of their tenant.
CREATE FUNCTION spool.choose_in_band(c spool.queue, band smallint, room integer, limited uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    last_served text;
    tenants text[];
    share integer;
    chosen uuid[];
    next_served text;
    some_have_more boolean;
BEGIN
    SELECT r.tenant INTO last_served FROM spool.turns r WHERE r.queue = c AND r.priority = band;
    last_served := coalesce(last_served, '');
    tenants := spool.tenants_in_band(c, band, last_served, NULL, room);
    IF cardinality(tenants) < room THEN
        tenants := tenants || spool.tenants_in_band(c, band, '', last_served, room - cardinality(tenants));
    END IF;
    share := ceil(room::numeric / greatest(cardinality(tenants), 1));
    LOOP
        WITH candidates AS MATERIALIZED (
            SELECT t.id, t.run_at, u.tenant FROM unnest(tenants) u (tenant) CROSS JOIN LATERAL (
                SELECT y.id, y.run_at FROM spool.tasks y
                WHERE y.queue = c AND y.priority = band AND y.tenant = u.tenant AND y.lane = 1 AND y.limited_batch IS NULL
                ORDER BY y.run_at, y.id LIMIT share) t
            UNION ALL
            SELECT t.id, t.run_at, t.tenant FROM spool.tasks t WHERE t.id = ANY (limited) AND t.priority = band AND t.lane = 1),
        turns AS (
            SELECT n.id, n.tenant, row_number() OVER (ORDER BY n.nth, n.tenant <= last_served, n.tenant) AS turn FROM (
                SELECT p.id, p.tenant, row_number() OVER (PARTITION BY p.tenant ORDER BY p.run_at, p.id) AS nth FROM candidates p) n
            ORDER BY turn LIMIT room)
        SELECT array_agg(s.id ORDER BY s.turn), (array_agg(s.tenant ORDER BY s.turn DESC))[1],
               EXISTS (SELECT FROM candidates p GROUP BY p.tenant HAVING count(*) >= share)
        INTO chosen, next_served, some_have_more FROM turns s;
        -- What tenants with little left over is for those with more.
        EXIT WHEN cardinality(chosen) >= room OR NOT some_have_more OR share >= room;
        share := least(room, share * 4);
    END LOOP;
    IF next_served IS DISTINCT FROM last_served AND next_served IS NOT NULL THEN
        INSERT INTO spool.turns (queue, priority, tenant) VALUES (c, band, next_served)
        ON CONFLICT (queue, priority) DO UPDATE SET tenant = excluded.tenant;
    END IF;
    RETURN coalesce(chosen, '{}');
END $$;

-- Ready tasks of batches with a limit, of each as many as its limit leaves, under a lock on the limit's row that lasts until the tasks
-- are queued. Looks at 200 batches in one call and goes on behind them in the next.
CREATE FUNCTION spool.within_limits(c spool.queue, room integer) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    start_after uuid;
    next_batch uuid;
    wrapped boolean := false;
    places integer;
    allowed uuid[] := '{}';
    more uuid[];
BEGIN
    -- Band -1 is nobody's: there stands the batch that was looked at last.
    SELECT r.tenant::uuid INTO start_after FROM spool.turns r WHERE r.queue = c AND r.priority = -1;
    next_batch := coalesce(start_after, spool.first_id(0));
    start_after := next_batch;
    FOR visited IN 1..200 LOOP
        EXIT WHEN cardinality(allowed) >= room;
        SELECT t.limited_batch INTO next_batch FROM spool.tasks t
        WHERE t.queue = c AND t.lane = 1 AND t.limited_batch > next_batch ORDER BY t.limited_batch LIMIT 1;
        IF next_batch IS NULL AND NOT wrapped THEN
            wrapped := true;
            SELECT t.limited_batch INTO next_batch FROM spool.tasks t
            WHERE t.queue = c AND t.lane = 1 AND t.limited_batch IS NOT NULL ORDER BY t.limited_batch LIMIT 1;
        END IF;
        EXIT WHEN next_batch IS NULL OR (wrapped AND next_batch > start_after);
        -- A dispatcher of another queue may be at this batch: skipped, it comes up again within the second.
        PERFORM FROM spool.batch_limits l WHERE l.batch = next_batch FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        SELECT b.max_concurrent - (SELECT count(*) FROM spool.tasks x WHERE x.limited_batch = next_batch AND x.lane = 2)
        INTO places FROM spool.batches b WHERE b.id = next_batch AND NOT b.halting;
        CONTINUE WHEN places IS NULL OR places <= 0;
        SELECT array_agg(p.id) INTO more FROM (
            SELECT t.id FROM spool.tasks t WHERE t.queue = c AND t.limited_batch = next_batch AND t.lane = 1
            ORDER BY t.priority DESC, t.run_at, t.id LIMIT least(places, room)) p;
        allowed := allowed || coalesce(more, '{}');
    END LOOP;
    IF next_batch IS DISTINCT FROM start_after AND cardinality(allowed) > 0 THEN
        INSERT INTO spool.turns (queue, priority, tenant) VALUES (c, -1, coalesce(next_batch, spool.first_id(0))::text)
        ON CONFLICT (queue, priority) DO UPDATE SET tenant = excluded.tenant;
    END IF;
    RETURN allowed;
END $$;

-- ready -> queued: highest band first, fair within a band, under the limits, and no more than the window holds.
CREATE FUNCTION spool.dispatch(
    a_queue text, ahead bigint, most bigint,
    OUT dispatched uuid[], OUT fences bigint[], OUT spare bigint, OUT more boolean, OUT next_due bigint, OUT ended bigint,
    OUT tenants text[], OUT keys bytea[]
) LANGUAGE plpgsql AS $$
DECLARE
    c spool.queue := a_queue::spool.queue;
    at bigint;
    room integer;
    band smallint;
    below smallint := 10;
    limited uuid[] := '{}';
    chosen uuid[] := '{}';
    undecided uuid[];
    fx spool.effects;
BEGIN
    -- One dispatcher of a queue at a time, or two would both fill the same window. Held for this statement only.
    PERFORM pg_advisory_xact_lock(hashtext('spool.dispatch'), hashtext(a_queue));
    at := spool.now_ms();
    UPDATE spool.tasks t SET lane = 1
    WHERE t.id = ANY (ARRAY(SELECT x.id FROM spool.tasks x WHERE x.queue = c AND x.lane = 3 AND x.run_at <= at ORDER BY x.run_at LIMIT 1000))
        AND t.lane = 3;
    undecided := ARRAY(SELECT x.id FROM spool.tasks x WHERE x.queue = c AND x.lane = 0 AND x.key IS NULL AND x.needs_left = 0
        AND x.run_at <= at ORDER BY x.run_at LIMIT 100);
    IF cardinality(undecided) > 0 THEN
        fx := spool.free(undecided, at, spool.no_effects());
        tenants := fx.tenants;
        keys := fx.keys;
    END IF;
    SELECT greatest(coalesce(sum(CASE a_queue WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate ELSE w.light END), 0) + ahead
                    - (SELECT count(*) FROM spool.tasks t WHERE t.queue = c AND t.lane = 2), 0)
    INTO spare FROM spool.workers w WHERE w.seen_at > at - 10000 AND NOT w.draining;
    room := least(spare, most, 10000);

    IF room > 0 THEN
        limited := spool.within_limits(c, room);
    END IF;
    WHILE cardinality(chosen) < room LOOP
        SELECT greatest(
            (SELECT t.priority FROM spool.tasks t
             WHERE t.queue = c AND t.priority < below AND t.lane = 1 AND t.limited_batch IS NULL ORDER BY t.priority DESC LIMIT 1),
            (SELECT max(t.priority) FROM spool.tasks t WHERE t.id = ANY (limited) AND t.priority < below))
        INTO band;
        EXIT WHEN band IS NULL;
        chosen := chosen || spool.choose_in_band(c, band, room - cardinality(chosen), limited);
        below := band;
    END LOOP;

    -- In the order of ids, as all who lock tasks do; what was cancelled in between is left alone.
    WITH queued AS (
        UPDATE spool.tasks t SET state = 'queued', lane = 2, queued_at = at
        WHERE t.id = ANY (chosen) AND t.state = 'ready' RETURNING t.id, t.fence)
    SELECT coalesce(array_agg(q.id ORDER BY u.place), '{}'), coalesce(array_agg(q.fence ORDER BY u.place), '{}') INTO dispatched, fences
    FROM queued q JOIN unnest(chosen) WITH ORDINALITY u (id, place) ON u.id = q.id;

    spare := spare - cardinality(dispatched);
    more := (cardinality(chosen) >= room OR spare > 0)
        AND (EXISTS (SELECT FROM spool.tasks t WHERE t.queue = c AND t.priority < 10 AND t.lane = 1 AND t.limited_batch IS NULL)
             OR EXISTS (SELECT FROM spool.tasks t WHERE t.id = ANY (limited) AND t.lane = 1));
    next_due := least(
        (SELECT t.run_at FROM spool.tasks t WHERE t.queue = c AND t.lane = 3 ORDER BY t.run_at LIMIT 1),
        (SELECT t.run_at FROM spool.tasks t
         WHERE t.queue = c AND t.lane = 0 AND t.key IS NULL AND t.needs_left = 0 ORDER BY t.run_at LIMIT 1));
    SELECT coalesce(sum(a.ended), 0) INTO ended FROM spool.tallies a WHERE a.queue = c;
END $$;

-- queued -> ready.
CREATE FUNCTION spool.hand_back(task_ids uuid[]) RETURNS bigint LANGUAGE sql AS $$
    WITH back AS (
        UPDATE spool.tasks t SET state = 'ready', lane = 1, queued_at = NULL WHERE t.id = ANY (task_ids) AND t.state = 'queued' RETURNING 1)
    SELECT count(*) FROM back
$$;

-- Tasks queued before a time, oldest first, and how many are queued in all: `tasks_taken` holds a queue's window and no more.
CREATE FUNCTION spool.overdue(
    a_queue text, age_ms bigint, most bigint, OUT tasks uuid[], OUT fences bigint[], OUT queued bigint
) LANGUAGE sql AS $$
    WITH taken AS MATERIALIZED (
        SELECT t.id, t.fence, t.queued_at FROM spool.tasks t
        WHERE t.queue = a_queue::spool.queue AND t.lane = 2 AND t.state = 'queued'),
    old AS (SELECT k.* FROM taken k WHERE k.queued_at <= spool.now_ms() - age_ms ORDER BY k.queued_at, k.id LIMIT most)
    SELECT coalesce(array_agg(o.id ORDER BY o.queued_at, o.id), '{}'), coalesce(array_agg(o.fence ORDER BY o.queued_at, o.id), '{}'),
           (SELECT count(*) FROM taken)
    FROM old o
$$;

-- What a queue wants of its workers. Counts up to 10,000 and no further; the oldest is looked for among 1,000 tenants of each band.
CREATE FUNCTION spool.demand(
    a_queue text, OUT waiting bigint, OUT running bigint, OUT slots bigint, OUT oldest_ms bigint
) LANGUAGE plpgsql AS $$
DECLARE
    c spool.queue := a_queue::spool.queue;
    at bigint := spool.now_ms();
    oldest bigint;
    front bigint;
    band smallint := 10;
BEGIN
    SELECT count(*) FILTER (WHERE t.state = 'queued'), count(*) FILTER (WHERE t.state = 'running'),
           min(t.run_at) FILTER (WHERE t.state = 'queued')
    INTO waiting, running, oldest FROM spool.tasks t WHERE t.queue = c AND t.lane = 2;
    SELECT waiting + count(*) INTO waiting FROM (
        SELECT FROM spool.tasks t WHERE t.queue = c AND t.priority < 10 AND t.lane = 1 AND t.limited_batch IS NULL LIMIT 10000) x;
    SELECT waiting + count(*), least(oldest, min(x.run_at)) INTO waiting, oldest FROM (
        SELECT t.run_at FROM spool.tasks t WHERE t.queue = c AND t.lane = 1 AND t.limited_batch IS NOT NULL LIMIT 10000) x;
    SELECT waiting + count(*), least(oldest, min(x.run_at)) INTO waiting, oldest FROM (
        SELECT t.run_at FROM spool.tasks t WHERE t.queue = c AND t.lane = 3 AND t.run_at <= at ORDER BY t.run_at LIMIT 10000) x;
    LOOP
        SELECT t.priority INTO band FROM spool.tasks t
        WHERE t.queue = c AND t.priority < band AND t.lane = 1 AND t.limited_batch IS NULL ORDER BY t.priority DESC LIMIT 1;
        EXIT WHEN band IS NULL;
        SELECT min(f.run_at) INTO front FROM unnest(spool.tenants_in_band(c, band, '', NULL, 1000)) u (tenant) CROSS JOIN LATERAL (
            SELECT t.run_at FROM spool.tasks t
            WHERE t.queue = c AND t.priority = band AND t.tenant = u.tenant AND t.lane = 1 AND t.limited_batch IS NULL
            ORDER BY t.run_at LIMIT 1) f;
        oldest := least(oldest, front);
    END LOOP;
    SELECT coalesce(sum(CASE a_queue WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate ELSE w.light END), 0)
    INTO slots FROM spool.workers w WHERE w.seen_at > at - 10000 AND NOT w.draining;
    waiting := least(waiting, 10000);
    oldest_ms := greatest(coalesce(at - oldest, 0), 0);
END $$;
