-- A queue's dispatch cursor: the row with the highest number.
CREATE OR REPLACE FUNCTION spool.read_dispatch_cursor(c spool.queue)
    RETURNS SETOF spool.dispatch_cursors LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT f.* FROM spool.dispatch_cursors f WHERE f.queue = c ORDER BY f.number DESC LIMIT 1
$$;
