-- What is old goes: the history by whole partitions, the rest in steps of at most so many rows.
--
-- `jobs` is not in partitions. Its rows are small and are written again at their end, a retry can bring one back to life, and a day
-- that holds a single job for next year could not be dropped. So jobs are deleted in steps, and a partition of the history goes as a
-- whole once no job of its days is left.
CREATE FUNCTION spool.retain(jobs_ms bigint, memos_ms bigint, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    at bigint := spool.now_ms();
    old uuid[];
    gone bigint := 0;
    n bigint;
BEGIN
    old := ARRAY(
        SELECT j.id FROM spool.jobs j
        WHERE j.id < spool.first_id(at - jobs_ms + 1) AND j.finished_at IS NOT NULL AND j.finished_at <= at - jobs_ms
            -- A batch's results stay whole for as long as they are there.
            AND NOT EXISTS (SELECT FROM spool.batches b WHERE b.id = j.batch AND coalesce(b.settled_at > at - jobs_ms, true))
        ORDER BY j.id LIMIT most FOR UPDATE SKIP LOCKED);
    IF cardinality(old) > 0 THEN
        DELETE FROM spool.plan_kinds k WHERE k.job = ANY (old);
        DELETE FROM spool.jobs j WHERE j.id = ANY (old);
        gone := cardinality(old);
    END IF;
    DELETE FROM spool.batches b WHERE b.id = ANY (ARRAY(
        SELECT x.id FROM spool.batches x WHERE x.settled_at <= at - jobs_ms
            AND NOT EXISTS (SELECT FROM spool.jobs j WHERE j.batch = x.id) ORDER BY x.settled_at LIMIT most FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.refusals r WHERE (r.batch, r.item) IN (
        SELECT x.batch, x.item FROM spool.refusals x WHERE x.batch < spool.first_id(at - jobs_ms + 1)
            AND NOT EXISTS (SELECT FROM spool.batches b WHERE b.id = x.batch) ORDER BY x.batch, x.item LIMIT most);
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.batch_limits l WHERE l.batch = ANY (ARRAY(
        SELECT x.batch FROM spool.batch_limits x WHERE x.batch < spool.first_id(at - jobs_ms + 1)
            AND NOT EXISTS (SELECT FROM spool.batches b WHERE b.id = x.batch) ORDER BY x.batch LIMIT most));
    DELETE FROM spool.memos m WHERE (m.tenant, m.key) IN (
        SELECT x.tenant, x.key FROM spool.memos x WHERE x.used_at <= at - memos_ms ORDER BY x.used_at LIMIT most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.idempotency i WHERE (i.tenant, i.key) IN (
        SELECT x.tenant, x.key FROM spool.idempotency x WHERE x.created_at <= at - 24 * 3600 * 1000
        ORDER BY x.created_at LIMIT most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.workers w WHERE w.id = ANY (ARRAY(
        SELECT x.id FROM spool.workers x WHERE x.seen_at < at - 24 * 3600 * 1000 ORDER BY x.seen_at LIMIT most FOR UPDATE SKIP LOCKED));
    -- What dead workers counted stays in the total, in one row for all of them.
    WITH dead AS (
        DELETE FROM spool.tallies a WHERE a.worker <> spool.first_id(0)
            AND NOT EXISTS (SELECT FROM spool.workers w WHERE w.id = a.worker) RETURNING a.queue, a.ended)
    INSERT INTO spool.tallies AS a (worker, queue, ended)
    SELECT spool.first_id(0), d.queue, sum(d.ended) FROM dead d GROUP BY d.queue
    ON CONFLICT (worker, queue) DO UPDATE SET ended = a.ended + excluded.ended;

    DELETE FROM spool.history_rest h WHERE h.id = ANY (ARRAY(
        SELECT x.id FROM spool.history_rest x WHERE x.id < spool.first_id(at - jobs_ms + 1)
            AND NOT EXISTS (SELECT FROM spool.jobs j WHERE j.id = x.job) ORDER BY x.id LIMIT most));
    RETURN gone;
END $$;

-- Makes the partitions that will be needed and drops those of days of which no job is left. A statement of its own, and one that waits
-- for nobody for long (see `make_partitions`).
CREATE FUNCTION spool.turn_partitions(jobs_ms bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    at bigint := spool.now_ms();
    oldest uuid;
    part record;
    dropped bigint := 0;
BEGIN
    PERFORM spool.make_partitions();
    SELECT j.id INTO oldest FROM spool.jobs j ORDER BY j.id LIMIT 1;
    FOR part IN
        SELECT c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits i JOIN pg_queue c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'spool.history'::regclass AND c.relname ~ '^history_\d{8}$'
    LOOP
        -- Yesterday's and today's are still written to, by clocks that run behind.
        CONTINUE WHEN part.day >= current_date - 1 OR (extract(epoch FROM part.day + 1) * 1000)::bigint > at - jobs_ms
            OR oldest < spool.first_id((extract(epoch FROM part.day + 1) * 1000)::bigint);
        BEGIN
            EXECUTE format('DROP TABLE spool.%I', part.relname);
            dropped := dropped + 1;
        EXCEPTION WHEN lock_not_available THEN
            RETURN dropped;
        END;
    END LOOP;
    RETURN dropped;
END $$;

-- Whether the table of what is open has gathered so many dead rows that looking through its queue costs more than removing them. A server
-- looks once a minute unless told otherwise, and in a minute a busy fleet leaves a million.
CREATE FUNCTION spool.wants_vacuum() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT s.n_dead_tup > greatest(20000, s.n_live_tup / 10) FROM pg_stat_user_tables s WHERE s.relid = 'spool.tasks'::regclass
$$;
