-- Stores submissions as `spool.accept` does, where some of the jobs are unique. `same` has for each
-- of these the job that it is the same as, in place of which it is not stored, or NULL.
--
-- Of two calls with one key, the second waits at the key's row until the first has committed. The
-- rows are locked in order, so two calls cannot deadlock. A call whose idempotency key was used
-- before is left to `spool.accept` (`replayed`).
CREATE OR REPLACE FUNCTION spool.accept_unique(
    jobs spool.new_job[], batches spool.new_batch[], calls spool.idempotent_call[],
    uniques spool.unique_job[],
    OUT at bigint, OUT queues_with_workers text[], OUT fresh uuid[], OUT replays text[],
    OUT credited boolean, OUT same uuid[]
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    replayed uuid[];
    stopped uuid[];
    replays_of_others text[];
BEGIN
    at := spool.now_ms();
    replayed := ARRAY(
        SELECT c.target FROM unnest(calls) c CROSS JOIN LATERAL (
            SELECT i.target, i.expires_at FROM spool.idempotency_keys i
            WHERE i.tenant = c.tenant AND i.key = c.key OFFSET 0) k
        WHERE k.expires_at > at AND k.target <> c.target);
    INSERT INTO spool.unique_jobs AS u (tenant, key, job, accepted_at)
    SELECT n.tenant, n.key, n.job, 0 FROM unnest(uniques) n WHERE n.job <> ALL (replayed)
    ORDER BY n.tenant COLLATE "C", n.key
    ON CONFLICT (tenant, key) DO UPDATE SET job = u.job;
    at := spool.now_ms();
    same := ARRAY(
        SELECT k.id FROM unnest(uniques) WITH ORDINALITY n LEFT JOIN LATERAL (
            SELECT j.id FROM spool.unique_jobs u CROSS JOIN LATERAL (
                SELECT x.id, x.finished_at, x.status FROM spool.jobs x
                WHERE x.id = u.job OFFSET 0) j
            WHERE u.tenant = n.tenant AND u.key = n.key AND u.job <> n.job
                AND (n.period_ms IS NULL OR u.accepted_at > at - n.period_ms)
                AND (j.finished_at IS NULL OR j.status::text = ANY (n.statuses))
                AND n.job <> ALL (replayed)) k ON true
        ORDER BY n.ordinality);
    UPDATE spool.unique_jobs u SET job = n.job, accepted_at = at
    FROM unnest(uniques) WITH ORDINALITY n
    WHERE u.tenant = n.tenant AND u.key = n.key AND same[n.ordinality] IS NULL
        AND n.job <> ALL (replayed) AND (u.job <> n.job OR u.accepted_at = 0);

    stopped := ARRAY(SELECT n.job FROM unnest(uniques) WITH ORDINALITY n
        WHERE same[n.ordinality] IS NOT NULL);
    SELECT a.at, a.queues_with_workers, a.fresh, a.replays, a.credited
    INTO at, queues_with_workers, fresh, replays_of_others, credited
    FROM spool.accept(
        ARRAY(SELECT j FROM unnest(jobs) j WHERE j.id <> ALL (stopped)), batches,
        ARRAY(SELECT c FROM unnest(calls) c WHERE c.target <> ALL (stopped))) a;
    replays := ARRAY(
        SELECT CASE WHEN c.target <> ALL (stopped) THEN replays_of_others[
            count(*) FILTER (WHERE c.target <> ALL (stopped)) OVER (ORDER BY c.ordinality)] END
        FROM unnest(calls) WITH ORDINALITY c ORDER BY c.ordinality);
END $$;
