-- Raises a cursor's low-water mark if no transaction is left in the epochs before its own, and
-- begins a new epoch. Called before the ready events are read, which therefore include everything
-- committed before. If the clock was set back, everything is scanned until the clock is right
-- again.
CREATE OR REPLACE FUNCTION spool.raise_low_water(dispatch_cursor spool.dispatch_cursors, at bigint)
    RETURNS spool.dispatch_cursors LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    IF at < dispatch_cursor.written_at THEN
        dispatch_cursor.low_water := 0;
        dispatch_cursor.taken_since := 0;
        dispatch_cursor.taken_before := '{}';
        dispatch_cursor.full_scan_at := 0;
    ELSE
        WHILE dispatch_cursor.drained_below < dispatch_cursor.epoch LOOP
            IF NOT pg_try_advisory_xact_lock(hashtext('spool.visibility_epoch'),
                (dispatch_cursor.drained_below & 2147483647)::integer) THEN
                RETURN dispatch_cursor;
            END IF;
            dispatch_cursor.drained_below := dispatch_cursor.drained_below + 1;
        END LOOP;
        dispatch_cursor.low_water := greatest(dispatch_cursor.low_water, dispatch_cursor.epoch_at);
    END IF;
    dispatch_cursor.epoch_at := spool.now_ms();
    dispatch_cursor.epoch := nextval('spool.visibility_epoch');
    RETURN dispatch_cursor;
END $$;
