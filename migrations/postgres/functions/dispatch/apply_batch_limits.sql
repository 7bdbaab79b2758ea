-- Applies the limits of batches to sub-queues, as `apply_limits` does. Looks at
-- {{BATCHES_PER_DISPATCH}} batches in one call and goes on after them in the next; the sub-queues
-- of other batches, of stopping batches and of those that another queue's dispatcher has locked
-- are left out.
CREATE OR REPLACE FUNCTION spool.apply_batch_limits(c spool.queue,
    INOUT sub_queues spool.sub_queue[], INOUT gate_room integer[]) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    no_batch CONSTANT uuid := '{{NO_BATCH}}';
    most CONSTANT integer := {{BATCHES_PER_DISPATCH}};
    before bigint;
    last_batch text;
    batches uuid[];
    seen uuid[] := '{}';
    places integer[] := '{}';
    next_batch uuid;
    room integer;
BEGIN
    batches := ARRAY(SELECT DISTINCT l.batch FROM unnest(sub_queues) l WHERE l.batch <> no_batch);
    IF cardinality(batches) = 0 THEN
        RETURN;
    END IF;
    -- Priority -1 belongs to no task: its row has the batch that was looked at last.
    SELECT s.number, s.tenant INTO before, last_batch FROM spool.fairness_cursors s
    WHERE s.queue = c AND s.priority = -1 ORDER BY s.number DESC LIMIT 1;
    IF cardinality(batches) > most THEN
        batches := ARRAY(SELECT b FROM unnest(batches) b ORDER BY b <= coalesce(last_batch::uuid,
            no_batch), b LIMIT most);
        INSERT INTO spool.fairness_cursors (queue, priority, number, tenant) VALUES (c, -1,
            coalesce(before, 0) + 1, batches[most]::text);
        DELETE FROM spool.fairness_cursors s WHERE s.queue = c AND s.priority = -1
            AND s.number = before;
    END IF;
    FOREACH next_batch IN ARRAY batches LOOP
        -- A batch that a dispatcher of another queue has locked is skipped: it comes up again
        -- within a second.
        PERFORM FROM spool.batch_limits l WHERE l.batch = next_batch FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        SELECT b.max_concurrent - (SELECT count(*) FROM spool.tasks x
            WHERE x.limited_batch = next_batch AND x.phase = 2)
        INTO room FROM spool.batches b WHERE b.id = next_batch AND NOT b.stopping;
        CONTINUE WHEN room IS NULL;
        gate_room := gate_room || room;
        seen := seen || next_batch;
        places := places || cardinality(gate_room);
    END LOOP;
    SELECT coalesce(array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, l.tenant_gate,
        l.kind_gate, l.provider_gate, coalesce(s.place, 0))::spool.sub_queue ORDER BY l.ordinality),
        '{}')
    INTO sub_queues FROM unnest(sub_queues) WITH ORDINALITY l LEFT JOIN unnest(seen, places) s
        (batch, place) ON s.batch = l.batch
    WHERE l.batch = no_batch OR s.place IS NOT NULL;
END $$;
