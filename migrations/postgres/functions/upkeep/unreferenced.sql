-- Of these artifacts, those that have had no reference for `quiet_ms`. An artifact that is first
-- seen without a reference is noted. Inserts in the order of hashes, then deletes without waiting,
-- so that no two calls wait for each other.
CREATE OR REPLACE FUNCTION spool.unreferenced(a_hashes bytea[], quiet_ms bigint) RETURNS bytea[]
    LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    at bigint := spool.now_ms();
    unreferenced bytea[];
BEGIN
    unreferenced := ARRAY(SELECT u FROM unnest(a_hashes) u
        WHERE NOT EXISTS (SELECT FROM spool.job_artifacts a WHERE a.hash = u)
            AND NOT EXISTS (SELECT FROM spool.memo_artifacts a WHERE a.hash = u));
    INSERT INTO spool.unreferenced_artifacts (hash, since) SELECT u, at FROM unnest(unreferenced) u
        ORDER BY u ON CONFLICT DO NOTHING;
    DELETE FROM spool.unreferenced_artifacts n WHERE n.hash = ANY (ARRAY(
        SELECT x.hash FROM spool.unreferenced_artifacts x WHERE x.hash = ANY (a_hashes)
            AND x.hash <> ALL (unreferenced) FOR UPDATE SKIP LOCKED));
    RETURN ARRAY(SELECT n.hash FROM spool.unreferenced_artifacts n WHERE n.hash = ANY (unreferenced)
        AND n.since <= at - quiet_ms);
END $$;
