-- What became ready, and what is taken, found without walking through dead rows.
--
-- The rows of `tasks` turn over in milliseconds, and while anyone holds a transaction open none of the dead ones can be removed: in five
-- minutes millions of them stand at the front of every index over lanes, and whatever looks there from the beginning walks through all.
-- So nothing looks from the beginning. A *line* is what is ready of one band, tenant, kind and (if that has a limit) batch of a queue, and
-- the *front* of a queue remembers the lines that it has and from where on to look in each.
--
-- That a front hides no ready task: whatever makes a row ready writes an arrival in the same transaction (triggers see to it, so that no
-- path can forget), which names the line and the row's place in it. A dispatcher reads the arrivals from the front's `floor` on, removes
-- those that it has put into the front's lines, and raises the floor only to the start of an epoch whose predecessors nobody is in any more:
-- each writer of arrivals holds a shared lock on the epoch that it began in until its commit is seen. The same goes for what is taken: `taken_since` never passes the floor, and what was taken before it
-- and still is stands in `stragglers`.

CREATE SEQUENCE spool.epoch;
SELECT nextval('spool.epoch');

CREATE TABLE spool.arrivals (
    queue    spool.queue NOT NULL,
    priority smallint NOT NULL,
    at       bigint NOT NULL,
    since    bigint NOT NULL, -- the earliest run_at of what arrived
    batch    uuid NOT NULL,   -- all zeros where no limit of a batch matters
    tenant   text COLLATE "C" NOT NULL,
    kind     text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX arrivals_in_time ON spool.arrivals (queue, at);

-- A line, and the places of the limits it is under in an array of what they leave (0: none).
CREATE TYPE spool.line AS (
    priority      smallint,
    tenant        text COLLATE "C",
    kind          text COLLATE "C",
    batch         uuid,
    since         bigint,
    tenant_gate   integer,
    kind_gate     integer,
    provider_gate integer,
    batch_gate    integer
);

-- Written by the dispatcher that holds the queue's lock, some times a second. The newest number counts: a row that is updated is read by
-- way of all its dead versions, and what is read from the end is not.
CREATE TABLE spool.fronts (
    queue       spool.queue NOT NULL,
    number      bigint NOT NULL,
    floor       bigint NOT NULL, -- every arrival from before is in `lines`
    epoch       bigint NOT NULL, -- began at epoch_at; the next floor, once nobody is left in the earlier ones
    epoch_at    bigint NOT NULL,
    empty_below bigint NOT NULL, -- nobody is in the epochs below
    taken_since bigint NOT NULL,
    written_at  bigint NOT NULL,
    write_at    bigint NOT NULL, -- not again before
    look_at     bigint NOT NULL, -- when all is looked through once more, whatever the front says
    stragglers  uuid[] NOT NULL,
    lines       spool.line[] NOT NULL,
    CONSTRAINT fronts_pkey PRIMARY KEY (queue, number)
);

-- Whose turn it was last in each band. The newest number counts, as above.
CREATE TABLE spool.served (
    queue    spool.queue NOT NULL,
    priority smallint NOT NULL,
    number   bigint NOT NULL,
    tenant   text COLLATE "C" NOT NULL,
    CONSTRAINT served_pkey PRIMARY KEY (queue, priority, number)
);
INSERT INTO spool.served (queue, priority, number, tenant)
SELECT t.queue, t.priority, 1, t.tenant FROM spool.turns t WHERE t.priority >= 0;

CREATE INDEX tasks_in_line ON spool.tasks
    (queue, priority, tenant, kind, (coalesce(limited_batch, '00000000-0000-0000-0000-000000000000'::uuid)), run_at, id) WHERE lane = 1;
CREATE INDEX tasks_taken_since ON spool.tasks (queue, queued_at) WHERE lane = 2;
DROP INDEX spool.tasks_to_dispatch, spool.tasks_to_dispatch_of_batch, spool.tasks_taken;

-- Enters the epoch that is now, until the end of the transaction, and tells the time. Only what holds an epoch may write an arrival, or
-- queue, under a time that this has told.
CREATE FUNCTION spool.enter() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    entered bigint;
    current bigint;
BEGIN
    LOOP
        SELECT e.last_value INTO entered FROM spool.epoch e;
        -- Refused only where the epoch is over: never waited for, so this has no place in the order of locks.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock_shared(hashtext('spool.epoch'), (entered & 2147483647)::integer);
        -- If it ended before the lock was had, nobody waits for whoever comes that late.
        SELECT e.last_value INTO current FROM spool.epoch e;
        EXIT WHEN current = entered;
    END LOOP;
    RETURN spool.now_ms();
END $$;

CREATE FUNCTION spool.arrive() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spool.arrivals (queue, at, priority, tenant, kind, batch, since)
    SELECT f.queue, spool.enter(), f.priority, f.tenant, f.kind, f.batch, f.since FROM (
        SELECT n.queue, n.priority, n.tenant, n.kind, coalesce(n.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid) AS batch,
            min(n.run_at) AS since
        FROM fresh n WHERE n.lane = 1 GROUP BY 1, 2, 3, 4, 5) f;
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_arrive AFTER INSERT ON spool.tasks REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION spool.arrive();

CREATE FUNCTION spool.arrive_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spool.arrivals (queue, at, priority, tenant, kind, batch, since)
    VALUES (NEW.queue, spool.enter(), NEW.priority, NEW.tenant, NEW.kind,
        coalesce(NEW.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid), NEW.run_at);
    RETURN NULL;
END $$;
CREATE TRIGGER tasks_arrive_again AFTER UPDATE OF lane, priority, run_at ON spool.tasks
    FOR EACH ROW WHEN (NEW.lane = 1 AND (OLD.lane <> 1 OR NEW.priority <> OLD.priority OR NEW.run_at < OLD.run_at))
    EXECUTE FUNCTION spool.arrive_again();

-- A queue's front.
CREATE FUNCTION spool.front_of(c spool.queue) RETURNS SETOF spool.fronts LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT f.* FROM spool.fronts f WHERE f.queue = c ORDER BY f.number DESC LIMIT 1
$$;

-- The lines of a queue by what its front and the arrivals say.
CREATE FUNCTION spool.lines_of(c spool.queue) RETURNS spool.line[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, 0, 0, 0, 0)::spool.line
                              ORDER BY l.priority DESC, l.tenant, l.kind, l.batch), '{}')
    FROM (
        SELECT u.priority, u.tenant, u.kind, u.batch, min(u.since) AS since FROM (
            SELECT k.priority, k.tenant, k.kind, k.batch, k.since FROM spool.front_of(c) f CROSS JOIN unnest(f.lines) k
            UNION ALL
            SELECT a.priority, a.tenant, a.kind, a.batch, a.since FROM spool.arrivals a
            WHERE a.queue = c AND a.at >= (SELECT f.floor FROM spool.front_of(c) f)) u
        GROUP BY u.priority, u.tenant, u.kind, u.batch) l
$$;

-- The same, and takes the arrivals away: the caller writes the front.
CREATE FUNCTION spool.take_lines(c spool.queue, front spool.fronts) RETURNS spool.line[] LANGUAGE sql AS $$
    WITH arrived AS (
        DELETE FROM spool.arrivals a WHERE a.queue = c AND a.at >= front.floor RETURNING a.priority, a.tenant, a.kind, a.batch, a.since)
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, 0, 0, 0, 0)::spool.line
                              ORDER BY l.priority DESC, l.tenant, l.kind, l.batch), '{}')
    FROM (
        SELECT u.priority, u.tenant, u.kind, u.batch, min(u.since) AS since FROM (
            SELECT k.priority, k.tenant, k.kind, k.batch, k.since FROM unnest(front.lines) k
            UNION ALL
            SELECT a.priority, a.tenant, a.kind, a.batch, a.since FROM arrived a) u
        GROUP BY u.priority, u.tenant, u.kind, u.batch) l
$$;

-- The same by looking through the whole index, from line to line.
CREATE FUNCTION spool.all_lines(c spool.queue) RETURNS spool.line[] LANGUAGE plpgsql AS $$
DECLARE
    found spool.line[] := '{}';
    l record;
BEGIN
    SELECT t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid) AS batch, t.run_at INTO l
    FROM spool.tasks t WHERE t.queue = c AND t.lane = 1
    ORDER BY t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid), t.run_at LIMIT 1;
    WHILE l.priority IS NOT NULL LOOP
        found := found || ROW(l.priority, l.tenant, l.kind, l.batch, l.run_at, 0, 0, 0, 0)::spool.line;
        SELECT t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid) AS batch, t.run_at INTO l
        FROM spool.tasks t
        WHERE t.queue = c AND t.lane = 1
            AND (t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid))
                > (l.priority, l.tenant, l.kind, l.batch)
        ORDER BY t.priority, t.tenant, t.kind, coalesce(t.limited_batch, '00000000-0000-0000-0000-000000000000'::uuid), t.run_at LIMIT 1;
    END LOOP;
    RETURN found;
END $$;

-- What is queued or running of a queue. There is never more of it than slots and a little, so whoever wants to know of it reads it whole.
CREATE FUNCTION spool.taken(c spool.queue) RETURNS TABLE (
    id uuid, fence bigint, state spool.task_state, tenant text, kind text, run_at bigint, queued_at bigint, lease_until bigint
) LANGUAGE sql STABLE AS $$
    SELECT t.id, t.fence, t.state, t.tenant, t.kind, t.run_at, t.queued_at, t.lease_until FROM spool.tasks t
    WHERE t.queue = c AND t.lane = 2 AND t.queued_at >= (SELECT f.taken_since FROM spool.front_of(c) f)
    UNION ALL
    SELECT t.id, t.fence, t.state, t.tenant, t.kind, t.run_at, t.queued_at, t.lease_until
    FROM (SELECT unnest(f.stragglers) AS task, f.taken_since FROM spool.front_of(c) f) s
    CROSS JOIN LATERAL (
        SELECT x.id, x.fence, x.state, x.tenant, x.kind, x.run_at, x.queued_at, x.lease_until FROM spool.tasks x
        WHERE x.id = s.task AND x.lane = 2 AND x.queued_at < s.taken_since OFFSET 0) t
$$;

-- Raises a front's floor if nobody is left in the epochs before its own, and begins a new one. Called before the arrivals are read: what
-- committed before this sees them. If the clock was set back, all is to be looked through until it is right again.
CREATE FUNCTION spool.raise_floor(front spool.fronts, at bigint) RETURNS spool.fronts LANGUAGE plpgsql AS $$
BEGIN
    IF at < front.written_at THEN
        front.floor := 0;
        front.taken_since := 0;
        front.stragglers := '{}';
        front.look_at := 0;
    ELSE
        WHILE front.empty_below < front.epoch LOOP
            IF NOT pg_try_advisory_xact_lock(hashtext('spool.epoch'), (front.empty_below & 2147483647)::integer) THEN
                RETURN front;
            END IF;
            front.empty_below := front.empty_below + 1;
        END LOOP;
        front.floor := greatest(front.floor, front.epoch_at);
    END IF;
    front.epoch_at := spool.now_ms();
    front.epoch := nextval('spool.epoch');
    RETURN front;
END $$;

INSERT INTO spool.fronts (queue, number, floor, epoch, epoch_at, empty_below, taken_since, written_at, write_at, look_at, stragglers, lines)
SELECT c, 1, 0, 1, 0, 1, 0, 0, 0, 0, '{}', spool.all_lines(c) FROM unnest(enum_range(NULL::spool.queue)) c;
