-- Deletes old rows, at most `most` of each table. One call at a time: another returns at once.
--
-- `jobs` is not partitioned: its rows are small and written again at their end, a retry can reopen
-- one, and a day that holds a single job for next year could not be dropped. So jobs are deleted
-- row by row, and a partition of the history is dropped whole once no job of its day is left.
CREATE OR REPLACE FUNCTION spool.retain(jobs_ms bigint, memos_ms bigint, most bigint) RETURNS bigint
    LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    at bigint := spool.now_ms();
    old uuid[];
    gone bigint := 0;
    n bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('spool.retain')) THEN
        RETURN 0;
    END IF;
    old := ARRAY(
        SELECT j.id FROM spool.jobs j
        WHERE j.id < spool.first_id(at - jobs_ms + 1) AND j.finished_at IS NOT NULL
            AND j.finished_at <= at - jobs_ms
            -- The results of a batch stay complete for as long as they are kept.
            AND NOT EXISTS (SELECT FROM spool.batches b WHERE b.id = j.batch
                AND coalesce(b.settled_at > at - jobs_ms, true))
        ORDER BY j.id LIMIT most FOR UPDATE SKIP LOCKED);
    IF cardinality(old) > 0 THEN
        DELETE FROM spool.plan_kinds k WHERE k.job = ANY (old);
        DELETE FROM spool.unique_jobs u WHERE u.job = ANY (old);
        DELETE FROM spool.jobs j WHERE j.id = ANY (old);
        gone := cardinality(old);
    END IF;
    DELETE FROM spool.batches b WHERE b.id = ANY (ARRAY(
        SELECT x.id FROM spool.batches x WHERE x.settled_at <= at - jobs_ms
            AND NOT EXISTS (SELECT FROM spool.jobs j WHERE j.batch = x.id) ORDER BY x.settled_at
                LIMIT most FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.refused_items r WHERE (r.batch, r.item) IN (
        SELECT x.batch, x.item FROM spool.refused_items x
            WHERE x.batch < spool.first_id(at - jobs_ms + 1)
            AND NOT EXISTS (SELECT FROM spool.batches b WHERE b.id = x.batch) ORDER BY x.batch,
                x.item LIMIT most);
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.batch_limits l WHERE l.batch = ANY (ARRAY(
        SELECT x.batch FROM spool.batch_limits x WHERE x.batch < spool.first_id(at - jobs_ms + 1)
            AND NOT EXISTS (SELECT FROM spool.batches b WHERE b.id = x.batch) ORDER BY x.batch
                LIMIT most));
    DELETE FROM spool.memos m WHERE (m.tenant, m.key) IN (
        SELECT x.tenant, x.key FROM spool.memos x WHERE x.used_at <= at - memos_ms
            ORDER BY x.used_at LIMIT most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.traces r WHERE r.job = ANY (ARRAY(
        SELECT x.job FROM spool.traces x WHERE x.stored_at < at - jobs_ms
        ORDER BY x.stored_at LIMIT most));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.retry_policies r WHERE r.job = ANY (ARRAY(
        SELECT x.job FROM spool.retry_policies x WHERE x.stored_at < at - jobs_ms
            AND NOT EXISTS (SELECT FROM spool.jobs j WHERE j.id = x.job)
        ORDER BY x.stored_at LIMIT most));
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.idempotency_keys i WHERE (i.tenant, i.key) IN (
        SELECT x.tenant, x.key FROM spool.idempotency_keys x WHERE x.expires_at <= at
        ORDER BY x.expires_at LIMIT most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
    DELETE FROM spool.workers w WHERE w.id = ANY (ARRAY(
        SELECT x.id FROM spool.workers x WHERE x.heartbeat_at < at - {{WORKER_KEPT_MS}}
            ORDER BY x.heartbeat_at LIMIT most FOR UPDATE SKIP LOCKED));

    DELETE FROM spool.history_rest h WHERE h.id = ANY (ARRAY(
        SELECT x.id FROM spool.history_rest x WHERE x.id < spool.first_id(at - jobs_ms + 1)
            AND NOT EXISTS (SELECT FROM spool.jobs j WHERE j.id = x.job) ORDER BY x.id LIMIT most));
    RETURN gone;
END $$;
