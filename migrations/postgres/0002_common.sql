-- What the other functions are made of.

CREATE FUNCTION spool.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- The least UUIDv7 of a millisecond.
CREATE FUNCTION spool.first_id(ms bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT (lpad(to_hex(greatest(ms, 0)), 12, '0') || repeat('0', 20))::uuid $$;

-- Makes the history's partitions from yesterday to a week ahead, a day each. What comes later than that lands in `history_rest`.
--
-- A table is made aside and then attached, and gives up after a moment where it would have to wait: whoever waits for a lock on the
-- whole history has all settles waiting behind it. The next call comes soon enough.
CREATE FUNCTION spool.make_partitions() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    day    date;
    lower  uuid;
    upper  uuid;
    name   text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spool.make_partitions'));
    PERFORM set_config('lock_timeout', '100ms', true);
    FOR day IN SELECT generate_series(current_date - 1, current_date + 7, interval '1 day')::date LOOP
        name := 'history_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('spool.' || name) IS NOT NULL;
        lower := spool.first_id((extract(epoch FROM day) * 1000)::bigint);
        upper := spool.first_id((extract(epoch FROM day + 1) * 1000)::bigint);
        -- Rows that came too early for their partition stay where they are, and so does their day.
        CONTINUE WHEN EXISTS (SELECT FROM spool.history_rest h WHERE h.id >= lower AND h.id < upper);
        BEGIN
            EXECUTE format('CREATE TABLE spool.%I (LIKE spool.history INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
            EXECUTE format('ALTER TABLE spool.history ATTACH PARTITION spool.%I FOR VALUES FROM (%L) TO (%L)', name, lower, upper);
        EXCEPTION WHEN lock_not_available THEN
            RETURN;
        END;
    END LOOP;
END $$;

-- The queues that a live worker has slots for.
CREATE FUNCTION spool.attended(at bigint) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_remove(ARRAY[CASE WHEN bool_or(w.render > 0) THEN 'render' END,
                              CASE WHEN bool_or(w.generate > 0) THEN 'generate' END,
                              CASE WHEN bool_or(w.light > 0) THEN 'light' END], NULL)
    FROM spool.workers w WHERE w.seen_at > at - 10000 AND NOT w.draining
$$;

-- How a task ends.
CREATE TYPE spool.ending AS (
    task      uuid,
    state     spool.task_state,
    cached  boolean,
    cause     uuid,
    hash      bytea,
    artifacts text,
    error     text,
    output    text
);

-- What a write moved: jobs that changed, queues with something to dispatch, running tasks asked to stop, keys to decide on
-- (a tenant and a key at the same place of two arrays), batches whose rest is to be cancelled, and what must be asked once more.
CREATE TYPE spool.effects AS (
    jobs     uuid[],
    readied  text[],
    stopping uuid[],
    tenants  text[],
    keys     bytea[],
    halted   uuid[],
    again    uuid[]
);

CREATE FUNCTION spool.no_effects() RETURNS spool.effects LANGUAGE sql IMMUTABLE AS
    $$ SELECT ROW('{}', '{}', '{}', '{}', '{}', '{}', '{}')::spool.effects $$;

-- The errors that the store gives by itself, in the words of `backing::store::reason` (a test compares).
CREATE FUNCTION spool.cancelled_error() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"code":"cancelled","class":"caller","detail":"it was cancelled before it ended","retryable":true}'
$$;
CREATE FUNCTION spool.without_result_error() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"code":"cancelled","class":"permanent","detail":"it was not run, because the task that makes the job''s result did not '
        || 'succeed","retryable":false}'
$$;
CREATE FUNCTION spool.need_failed_error(need text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"code":"need_failed","class":"permanent","detail":' || to_json('it needs `' || need || '`, which did not succeed')::text
        || ',"retryable":false}'
$$;

-- The chain of errors with one more.
CREATE FUNCTION spool.chained(errors text, attempt integer, worker uuid, at bigint, error text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN errors IS NULL THEN '[' ELSE left(errors, -1) || ',' END
        || '{"attempt":' || attempt || ',"worker":' || coalesce('"' || worker || '"', 'null') || ',"at":' || at
        || ',"error":' || error || '}]'
$$;

-- Locks the jobs of those of these tasks that are of a plan, before any task is locked: within a plan all writes go one after another.
-- A job of one task is locked after its task instead, when it is written.
CREATE FUNCTION spool.lock_plans(task_ids uuid[]) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    plans uuid[];
BEGIN
    SELECT array_agg(DISTINCT t.job) INTO plans FROM spool.tasks t WHERE t.id = ANY (task_ids) AND NOT t.solo;
    IF plans IS NOT NULL THEN
        PERFORM FROM spool.jobs j WHERE j.id = ANY (plans) ORDER BY j.id FOR NO KEY UPDATE;
    END IF;
    RETURN coalesce(plans, '{}');
END $$;

-- Tasks that wait for nothing more: ready, or, where equal keys share one output, with their key and waiting to be decided on.
CREATE FUNCTION spool.free(task_ids uuid[], at bigint, fx spool.effects) RETURNS spool.effects LANGUAGE plpgsql AS $$
DECLARE
    more text[];
    keyed_tenants text[];
    keyed bytea[];
BEGIN
    WITH freed AS (
        UPDATE spool.tasks t SET
            key = k.key,
            state = (CASE WHEN k.key IS NULL THEN 'ready' ELSE 'waiting' END)::spool.task_state,
            lane = CASE WHEN k.key IS NOT NULL THEN 0 WHEN t.run_at > at THEN 3 ELSE 1 END
        FROM unnest(task_ids) u CROSS JOIN LATERAL (
            SELECT CASE
                WHEN w.input_key IS NULL THEN NULL
                WHEN coalesce(cardinality(w.needs), 0) = 0 THEN w.input_key
                -- A need that failed and was passed on as data gives no hash, and so no key: SQL's NULL spreads.
                ELSE (SELECT CASE WHEN bool_and(h.hash IS NOT NULL)
                             THEN sha256(w.input_key || string_agg(h.hash, ''::bytea ORDER BY n.place)) END
                      FROM unnest(w.needs) WITH ORDINALITY n(need, place)
                      CROSS JOIN LATERAL (SELECT x.hash FROM spool.history x WHERE x.id = n.need OFFSET 0) h)
                END AS key
            FROM spool.tasks w WHERE w.id = u OFFSET 0) k
        WHERE t.id = ANY (task_ids) AND t.id = u AND t.state = 'waiting' AND t.needs_left = 0 AND (k.key IS NULL OR t.run_at <= at)
        RETURNING t.tenant, t.key, t.queue, t.lane)
    SELECT array_agg(DISTINCT f.queue::text) FILTER (WHERE f.lane = 1),
           array_agg(f.tenant) FILTER (WHERE f.key IS NOT NULL), array_agg(f.key) FILTER (WHERE f.key IS NOT NULL)
    INTO more, keyed_tenants, keyed FROM freed f;
    fx.readied := fx.readied || coalesce(more, '{}');
    fx.tenants := fx.tenants || coalesce(keyed_tenants, '{}');
    fx.keys := fx.keys || coalesce(keyed, '{}');
    RETURN fx;
END $$;

-- Moves the counters of batches, each locked in the order of ids, and tells which are to be halted.
CREATE FUNCTION spool.count_items(batch_ids uuid[], good integer[], bad integer[], at bigint) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    change record;
    stopped boolean;
    halted uuid[] := '{}';
BEGIN
    FOR change IN
        SELECT u.batch, sum(u.good)::integer AS good, sum(u.bad)::integer AS bad
        FROM unnest(batch_ids, good, bad) u (batch, good, bad) GROUP BY u.batch ORDER BY u.batch
    LOOP
        UPDATE spool.batches b SET
            fulfilled = b.fulfilled + change.good,
            rejected = b.rejected + change.bad,
            settled_at = CASE WHEN b.fulfilled + change.good + b.rejected + change.bad = b.total THEN at END,
            halting = b.stop_on_error AND (b.halting OR change.bad > 0)
                AND b.fulfilled + change.good + b.rejected + change.bad < b.total
        WHERE b.id = change.batch RETURNING b.halting INTO stopped;
        IF stopped THEN
            halted := halted || change.batch;
        END IF;
    END LOOP;
    RETURN halted;
END $$;

-- Attempts that ended, for the dispatcher's window.
CREATE FUNCTION spool.count_ended(worker_id uuid, queues spool.queue[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO spool.tallies AS a (worker, queue, ended)
    SELECT worker_id, c, count(*) FROM unnest(queues) c GROUP BY c ORDER BY c
    ON CONFLICT (worker, queue) DO UPDATE SET ended = a.ended + excluded.ended
$$;
