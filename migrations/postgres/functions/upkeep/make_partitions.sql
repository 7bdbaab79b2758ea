-- Makes the history's partitions from yesterday to a week ahead, a day each. Rows of other days go
-- to `history_rest`.
--
-- A table is made apart and then attached, and the attempt ends after a moment where it would have
-- to wait: a statement that waits for a lock on the whole history has all settles waiting behind
-- it. The next call comes soon enough.
CREATE OR REPLACE FUNCTION spool.make_partitions() RETURNS void LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    day    date;
    lower  uuid;
    upper  uuid;
    name   text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('spool.make_partitions'));
    PERFORM set_config('lock_timeout', '100ms', true);
    FOR day IN SELECT generate_series(current_date - 1, current_date + 7, interval '1 day')::date
        LOOP
        name := 'history_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('spool.' || name) IS NOT NULL;
        lower := spool.first_id((extract(epoch FROM day) * 1000)::bigint);
        upper := spool.first_id((extract(epoch FROM day + 1) * 1000)::bigint);
        -- Rows that were written before their partition existed stay in `history_rest`, and so does
        -- their day.
        CONTINUE WHEN EXISTS (SELECT FROM spool.history_rest h WHERE h.id >= lower
            AND h.id < upper);
        BEGIN
            EXECUTE format('CREATE TABLE spool.%I (LIKE spool.history INCLUDING DEFAULTS '
                || 'INCLUDING CONSTRAINTS INCLUDING INDEXES)', name);
            EXECUTE format('ALTER TABLE spool.history ATTACH PARTITION spool.%I '
                || 'FOR VALUES FROM (%L) TO (%L)', name, lower, upper);
        EXCEPTION WHEN lock_not_available THEN
            RETURN;
        END;
    END LOOP;
END $$;
