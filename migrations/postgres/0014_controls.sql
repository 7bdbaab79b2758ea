-- What operators set: limits and pauses. Few rows, read by each dispatcher, and by accepts only to see whether there are any.

-- At most `most` tasks queued or running: of a tenant ('*': of each that has no limit of its own), of a kind, or of all kinds that ask a
-- provider. `kinds` are those that a limit of a kind or a provider counts.
CREATE TABLE spool.limits (
    most  integer NOT NULL CHECK (most >= 0),
    scope text COLLATE "C" NOT NULL CHECK (scope IN ('tenant', 'kind', 'provider')),
    name  text COLLATE "C" NOT NULL,
    kinds text[] COLLATE "C" NOT NULL,
    CONSTRAINT limits_pkey PRIMARY KEY (scope, name)
);

CREATE TABLE spool.pauses (
    since bigint NOT NULL,
    scope text COLLATE "C" NOT NULL CHECK (scope IN ('queue', 'tenant')),
    name  text COLLATE "C" NOT NULL,
    CONSTRAINT pauses_pkey PRIMARY KEY (scope, name)
);

-- Whether a task may be queued by no one but the dispatcher, who looks at limits and pauses.
CREATE FUNCTION spool.controlled() RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT EXISTS (SELECT FROM spool.limits) OR EXISTS (SELECT FROM spool.pauses) $$;

-- How many tasks of each tenant and kind are queued or running, in all queues.
CREATE FUNCTION spool.taken_by() RETURNS TABLE (tenant text, kind text, n bigint) LANGUAGE sql STABLE AS $$
    SELECT t.tenant, t.kind, count(*) FROM (
        SELECT x.tenant, x.kind FROM spool.taken('render') x UNION ALL
        SELECT x.tenant, x.kind FROM spool.taken('generate') x UNION ALL
        SELECT x.tenant, x.kind FROM spool.taken('light') x) t
    GROUP BY t.tenant, t.kind
$$;

-- Puts lines under the stored limits: tells each the places of its limits in `left_in`, which says what each limit leaves. Locks the limits
-- until the caller's tasks are queued, so that what is counted here stays true. In the order of their names, like all who lock them.
CREATE FUNCTION spool.under_limits(INOUT lines spool.line[], OUT left_in integer[]) LANGUAGE plpgsql AS $$
BEGIN
    left_in := '{}';
    IF cardinality(lines) = 0 OR NOT EXISTS (SELECT FROM spool.limits) THEN
        RETURN;
    END IF;
    PERFORM FROM spool.limits m ORDER BY m.scope, m.name FOR UPDATE;
    -- A statement of its own: it sees what those committed who held the locks before.
    WITH taken AS MATERIALIZED (SELECT b.tenant, b.kind, b.n FROM spool.taken_by() b),
    gates AS MATERIALIZED (
        SELECT g.scope, g.name, g.kinds, g.room, row_number() OVER ()::integer AS place FROM (
            SELECT m.scope, t.tenant AS name, m.kinds,
                m.most - (SELECT coalesce(sum(k.n), 0) FROM taken k WHERE k.tenant = t.tenant) AS room
            FROM (SELECT DISTINCT l.tenant FROM unnest(lines) l) t
            CROSS JOIN LATERAL (
                SELECT x.scope, x.kinds, x.most FROM spool.limits x
                WHERE x.scope = 'tenant' AND x.name IN (t.tenant, '*') ORDER BY x.name = '*' LIMIT 1) m
            UNION ALL
            SELECT m.scope, m.name, m.kinds, m.most - (SELECT coalesce(sum(k.n), 0) FROM taken k WHERE k.kind = ANY (m.kinds))
            FROM spool.limits m WHERE m.scope <> 'tenant') g)
    SELECT (SELECT array_agg(g.room::integer ORDER BY g.place) FROM gates g),
        array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, coalesce(t.place, 0), coalesce(k.place, 0), coalesce(p.place, 0), 0)::spool.line
                  ORDER BY l.ordinality)
    INTO left_in, lines
    FROM unnest(lines) WITH ORDINALITY l
    LEFT JOIN gates t ON t.scope = 'tenant' AND t.name = l.tenant
    LEFT JOIN gates k ON k.scope = 'kind' AND k.name = l.kind
    LEFT JOIN LATERAL (
        SELECT g.place FROM gates g WHERE g.scope = 'provider' AND l.kind = ANY (g.kinds) ORDER BY g.room LIMIT 1) p ON true;
    left_in := coalesce(left_in, '{}');
END $$;

-- Puts lines under the limits of their batches, in the same way. Looks at 200 batches in one call and goes on behind them in the next; the
-- lines of others, of halting batches and of those that another queue's dispatcher is at are left out.
CREATE FUNCTION spool.under_batch_limits(c spool.queue, INOUT lines spool.line[], INOUT left_in integer[]) LANGUAGE plpgsql AS $$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    most CONSTANT integer := 200;
    before bigint;
    behind text;
    batches uuid[];
    seen uuid[] := '{}';
    places integer[] := '{}';
    next_batch uuid;
    room integer;
BEGIN
    batches := ARRAY(SELECT DISTINCT l.batch FROM unnest(lines) l WHERE l.batch <> nobody);
    IF cardinality(batches) = 0 THEN
        RETURN;
    END IF;
    -- Band -1 is nobody's: there stands the batch that was looked at last.
    SELECT s.number, s.tenant INTO before, behind FROM spool.served s WHERE s.queue = c AND s.priority = -1 ORDER BY s.number DESC LIMIT 1;
    IF cardinality(batches) > most THEN
        batches := ARRAY(SELECT b FROM unnest(batches) b ORDER BY b <= coalesce(behind::uuid, nobody), b LIMIT most);
        INSERT INTO spool.served (queue, priority, number, tenant) VALUES (c, -1, coalesce(before, 0) + 1, batches[most]::text);
        DELETE FROM spool.served s WHERE s.queue = c AND s.priority = -1 AND s.number = before;
    END IF;
    FOREACH next_batch IN ARRAY batches LOOP
        -- A dispatcher of another queue may be at this batch: skipped, it comes up again within the second.
        PERFORM FROM spool.batch_limits l WHERE l.batch = next_batch FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        SELECT b.max_concurrent - (SELECT count(*) FROM spool.tasks x WHERE x.limited_batch = next_batch AND x.lane = 2)
        INTO room FROM spool.batches b WHERE b.id = next_batch AND NOT b.halting;
        CONTINUE WHEN room IS NULL;
        left_in := left_in || room;
        seen := seen || next_batch;
        places := places || cardinality(left_in);
    END LOOP;
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, l.tenant_gate, l.kind_gate, l.provider_gate,
                                  coalesce(s.place, 0))::spool.line ORDER BY l.ordinality), '{}')
    INTO lines FROM unnest(lines) WITH ORDINALITY l LEFT JOIN unnest(seen, places) s (batch, place) ON s.batch = l.batch
    WHERE l.batch = nobody OR s.place IS NOT NULL;
END $$;

-- Whether a line's limits leave anything.
CREATE FUNCTION spool.is_open(l spool.line, left_in integer[]) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT (l.tenant_gate = 0 OR left_in[l.tenant_gate] > 0) AND (l.kind_gate = 0 OR left_in[l.kind_gate] > 0)
        AND (l.provider_gate = 0 OR left_in[l.provider_gate] > 0) AND (l.batch_gate = 0 OR left_in[l.batch_gate] > 0)
$$;

-- Why a ready task is not queued though there is room, in the word that its job's view says; NULL if nothing but room is missing.
CREATE FUNCTION spool.held_by(c spool.queue, a_tenant text, a_kind text, a_batch uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    word text;
BEGIN
    IF EXISTS (SELECT FROM spool.pauses p WHERE (p.scope = 'queue' AND p.name = c::text) OR (p.scope = 'tenant' AND p.name = a_tenant)) THEN
        RETURN 'paused';
    END IF;
    IF EXISTS (SELECT FROM spool.limits) THEN
        SELECT 'limit:' || m.scope INTO word FROM (
            (SELECT x.scope, x.most, x.kinds, 1 AS place FROM spool.limits x
             WHERE x.scope = 'tenant' AND x.name IN (a_tenant, '*') ORDER BY x.name = '*' LIMIT 1)
            UNION ALL
            SELECT x.scope, x.most, x.kinds, 2 FROM spool.limits x WHERE x.scope <> 'tenant' AND a_kind = ANY (x.kinds)) m
        WHERE m.most <= (
            SELECT coalesce(sum(t.n), 0) FROM spool.taken_by() t
            WHERE CASE m.scope WHEN 'tenant' THEN t.tenant = a_tenant ELSE t.kind = ANY (m.kinds) END)
        ORDER BY m.place, m.scope LIMIT 1;
    END IF;
    IF word IS NULL AND a_batch IS NOT NULL AND spool.at_limit(a_batch) THEN
        word := 'limit:batch';
    END IF;
    RETURN word;
END $$;

-- Who is alive, and what each runs: from what is taken, of which there is never more than there are slots.
CREATE FUNCTION spool.live_workers() RETURNS TABLE (
    worker uuid, worker_name text, seen_at bigint, render integer, generate integer, light integer, draining boolean,
    task uuid, job uuid, tenant text, name text, kind text, queue text, attempt smallint, started_at bigint, progress real, stage text
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT w.id, w.name, w.seen_at, w.render, w.generate, w.light, w.draining, t.id, t.job, t.tenant, t.name, t.kind, t.queue::text,
        t.attempt, t.started_at, t.progress, t.stage
    FROM (SELECT x.id, x.name, x.seen_at, x.render, x.generate, x.light, x.draining FROM spool.workers x
          WHERE x.seen_at > spool.now_ms() - 10000 ORDER BY x.name, x.id LIMIT 10000) w
    LEFT JOIN (
        SELECT y.id, y.worker, y.job, y.tenant, y.name, y.kind, y.queue, y.attempt, y.started_at, y.progress, y.stage
        FROM (SELECT a.id FROM spool.taken('render') a UNION ALL SELECT a.id FROM spool.taken('generate') a
              UNION ALL SELECT a.id FROM spool.taken('light') a) a
        CROSS JOIN LATERAL (
            SELECT z.id, z.worker, z.job, z.tenant, z.name, z.kind, z.queue, z.attempt, z.started_at, z.progress, z.stage FROM spool.tasks z
            WHERE z.id = a.id AND z.state = 'running' OFFSET 0) y) t ON t.worker = w.id
    ORDER BY w.name, w.id, t.started_at, t.id;
END $$;
