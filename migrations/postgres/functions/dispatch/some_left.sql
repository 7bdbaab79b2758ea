-- Returns whether a sub-queue whose limits leave room has a ready task.
CREATE OR REPLACE FUNCTION spool.some_left(c spool.queue, sub_queues spool.sub_queue[],
    gate_room integer[]) RETURNS boolean LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    l spool.sub_queue;
BEGIN
    FOREACH l IN ARRAY sub_queues LOOP
        CONTINUE WHEN NOT spool.is_open(l, gate_room);
        PERFORM FROM spool.tasks t
        WHERE t.queue = c AND t.priority = l.priority AND t.tenant = l.tenant AND t.kind = l.kind
            AND t.phase = 1
            AND coalesce(t.limited_batch, '{{NO_BATCH}}'::uuid) = l.batch AND t.run_at >= l.since
                LIMIT 1;
        IF FOUND THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END $$;
