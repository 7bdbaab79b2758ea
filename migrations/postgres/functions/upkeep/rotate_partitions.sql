-- Makes the partitions that will be needed and drops those of days of which no job is left. A
-- statement of its own that never waits for long (see `make_partitions`).
CREATE OR REPLACE FUNCTION spool.rotate_partitions(jobs_ms bigint) RETURNS bigint LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    at bigint := spool.now_ms();
    oldest uuid;
    part record;
    dropped bigint := 0;
BEGIN
    PERFORM spool.make_partitions();
    SELECT j.id INTO oldest FROM spool.jobs j ORDER BY j.id LIMIT 1;
    FOR part IN
        SELECT c.relname, to_date(right(c.relname, 8), 'YYYYMMDD') AS day FROM pg_inherits i
            JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'spool.history'::regclass AND c.relname ~ '^history_\d{8}$'
    LOOP
        -- The partitions of yesterday and today are still written to, by clocks that run behind.
        CONTINUE WHEN part.day >= current_date - 1
            OR (extract(epoch FROM part.day + 1) * 1000)::bigint > at - jobs_ms
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
