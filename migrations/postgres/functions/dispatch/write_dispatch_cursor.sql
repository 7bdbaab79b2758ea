-- Writes a dispatch cursor: each sub-queue from its first task on, and the taken tasks from the
-- low-water mark on (or as before, while that spares too little to be worth a new list of older
-- ones).
--
-- The next write waits ten times as long as this dispatch took, and the next full scan a hundred
-- times, so that neither takes much of a dispatcher's time.
CREATE OR REPLACE FUNCTION spool.write_dispatch_cursor(dispatch_cursor spool.dispatch_cursors,
    known spool.sub_queue[], began bigint, full_scan boolean)
RETURNS void LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    c CONSTANT spool.queue := dispatch_cursor.queue;
    took bigint;
BEGIN
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, f.run_at, 0, 0, 0,
        0)::spool.sub_queue), '{}') INTO dispatch_cursor.sub_queues
    FROM unnest(known) l CROSS JOIN LATERAL (
        SELECT t.run_at FROM spool.tasks t
        WHERE t.queue = c AND t.priority = l.priority AND t.tenant = l.tenant AND t.kind = l.kind
            AND t.phase = 1
            AND coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid) = l.batch AND t.run_at >= l.since
        ORDER BY t.run_at, t.id LIMIT 1) f;
    IF full_scan THEN
        dispatch_cursor.taken_before := ARRAY(SELECT t.id FROM spool.tasks t WHERE t.queue = c
            AND t.phase = 2 AND t.queued_at < dispatch_cursor.low_water);
        dispatch_cursor.taken_since := dispatch_cursor.low_water;
    ELSIF dispatch_cursor.low_water > dispatch_cursor.taken_since + 300 THEN
        dispatch_cursor.taken_before := ARRAY(SELECT t.id FROM spool.taken(c) t
            WHERE t.queued_at < dispatch_cursor.low_water);
        dispatch_cursor.taken_since := dispatch_cursor.low_water;
    END IF;
    dispatch_cursor.written_at := spool.now_ms();
    took := greatest(dispatch_cursor.written_at - began, 0);
    dispatch_cursor.next_write_at := dispatch_cursor.written_at + greatest(50, 10 * took);
    IF full_scan THEN
        dispatch_cursor.full_scan_at := dispatch_cursor.written_at
            + greatest({{FULL_SCAN_EVERY_MS}}, 100 * took);
        -- Only the newest run times are read, so older ones are deleted.
        DELETE FROM spool.run_times r
        WHERE r.queue = c AND r.at < (SELECT x.at FROM spool.run_times x WHERE x.queue = c
            ORDER BY x.at DESC OFFSET 200 LIMIT 1);
    END IF;
    DELETE FROM spool.dispatch_cursors f WHERE f.queue = c AND f.number = dispatch_cursor.number;
    dispatch_cursor.number := dispatch_cursor.number + 1;
    INSERT INTO spool.dispatch_cursors SELECT dispatch_cursor.*;
END $$;
