-- ready -> queued: highest priority first, fair between tenants, under the limits, nothing paused,
-- never more than the queue's room, and no kind that none of the queue's live workers can run.
--
-- It holds tasks while it looks for others, so it never waits for one: a task that another
-- transaction has locked is skipped, and is there for the next dispatch.
CREATE OR REPLACE FUNCTION spool.dispatch(
    a_queue text, ahead bigint, most bigint,
    OUT dispatched uuid[], OUT fences bigint[], OUT room_left bigint, OUT more boolean,
        OUT next_due bigint, OUT ended bigint,
    OUT tenants text[], OUT keys bytea[]
) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    c spool.queue := a_queue::spool.queue;
    at bigint;
    dispatch_cursor spool.dispatch_cursors;
    before spool.dispatch_cursors;
    writing boolean;
    full_scan boolean;
    known spool.sub_queue[];
    sub_queues spool.sub_queue[];
    gate_room integer[];
    paused boolean := false;
    runnable text[];
    room integer;
    next_priority smallint;
    below smallint := 10;
    chosen uuid[] := '{}';
    next_chosen uuid[];
    free uuid[];
    left_behind boolean := false;
    any_behind boolean := false;
    undecided uuid[];
    effects spool.effects;
BEGIN
    -- One dispatcher of a queue at a time, or two would both fill the same room. The lock is held
    -- for this statement only.
    PERFORM pg_advisory_xact_lock(hashtext('spool.dispatch'), hashtext(a_queue));
    SELECT f.* INTO dispatch_cursor FROM spool.read_dispatch_cursor(c) f;
    before := dispatch_cursor;
    at := spool.now_ms();
    writing := at >= dispatch_cursor.next_write_at OR at < dispatch_cursor.written_at;
    IF writing THEN
        dispatch_cursor := spool.raise_low_water(dispatch_cursor, at);
    END IF;
    full_scan := writing AND at >= dispatch_cursor.full_scan_at;

    UPDATE spool.tasks t SET phase = 1
    WHERE t.id = ANY (ARRAY(SELECT x.id FROM spool.tasks x WHERE x.queue = c AND x.phase = 3
        AND x.run_at <= at ORDER BY x.run_at LIMIT {{DUE_PER_DISPATCH}}
        FOR NO KEY UPDATE SKIP LOCKED));
    undecided := ARRAY(SELECT x.id FROM spool.tasks x WHERE x.queue = c AND x.phase = 0
        AND x.key IS NULL AND x.needs_left = 0
        AND x.run_at <= at ORDER BY x.run_at LIMIT {{UNDECIDED_PER_DISPATCH}}
        FOR NO KEY UPDATE SKIP LOCKED);
    IF cardinality(undecided) > 0 THEN
        effects := spool.make_ready(undecided, at, spool.no_effects());
        tenants := effects.tenants;
        keys := effects.keys;
    END IF;
    IF EXISTS (SELECT FROM spool.pauses) THEN
        PERFORM spool.return_paused(c);
        paused := EXISTS (SELECT FROM spool.pauses p WHERE p.scope = 'queue' AND p.name = a_queue);
    END IF;
    IF writing THEN
        -- Events are read from the low-water mark as it was, because those that were committed
        -- while the new mark was found to be safe are among them.
        known := spool.take_ready_events(c, before);
        IF full_scan THEN
            known := spool.scan_sub_queues(c);
        END IF;
    ELSE
        known := spool.sub_queues_of(c);
    END IF;
    runnable := spool.kinds_with_workers(c, at);
    sub_queues := CASE WHEN paused THEN '{}' ELSE ARRAY(
        SELECT l::spool.sub_queue FROM unnest(known) l
        WHERE (runnable IS NULL OR l.kind = ANY (runnable))
            AND NOT EXISTS (SELECT FROM spool.pauses p WHERE p.scope = 'tenant'
                AND p.name = l.tenant)) END;

    SELECT l.sub_queues, l.gate_room INTO sub_queues, gate_room FROM spool.apply_limits(sub_queues)
        l;
    SELECT l.sub_queues, l.gate_room INTO sub_queues, gate_room FROM spool.apply_batch_limits(c,
        sub_queues, gate_room) l;
    SELECT greatest(coalesce(sum(CASE a_queue WHEN 'render' THEN w.render WHEN 'generate'
        THEN w.generate ELSE w.light END), 0) + ahead
                    - (SELECT count(*) FROM spool.taken(c)), 0)
    INTO room_left FROM spool.workers w WHERE w.heartbeat_at > at - {{WORKER_ALIVE_MS}}
        AND NOT w.draining;
    room := least(room_left, most, {{COUNTED_BACKLOG}});
    WHILE cardinality(chosen) < room LOOP
        SELECT max(l.priority) INTO next_priority FROM unnest(sub_queues) l
            WHERE l.priority < below;
        EXIT WHEN next_priority IS NULL;
        SELECT o.chosen, o.gate_room, o.left_behind INTO next_chosen, gate_room, left_behind
        FROM spool.choose_tasks(c, next_priority, room - cardinality(chosen), sub_queues, gate_room)
            o;
        chosen := chosen || next_chosen;
        any_behind := any_behind OR left_behind;
        below := next_priority;
    END LOOP;

    -- A task that was cancelled in between is left out.
    free := ARRAY(SELECT x.id FROM spool.tasks x WHERE x.id = ANY (chosen) AND x.state = 'ready'
        FOR NO KEY UPDATE SKIP LOCKED);
    WITH queued AS (
        UPDATE spool.tasks t SET state = 'queued', phase = 2, queued_at = greatest(at,
            dispatch_cursor.low_water)
        WHERE t.id = ANY (free) RETURNING t.id, t.fence)
    SELECT coalesce(array_agg(q.id ORDER BY u.place), '{}'), coalesce(array_agg(q.fence
        ORDER BY u.place), '{}') INTO dispatched, fences
    FROM queued q JOIN unnest(chosen) WITH ORDINALITY u (id, place) ON u.id = q.id;

    room_left := CASE WHEN paused THEN 0 ELSE room_left - cardinality(dispatched) END;
    more := any_behind OR cardinality(free) < cardinality(chosen)
        OR (cardinality(chosen) >= room AND spool.some_left(c, sub_queues, gate_room));
    next_due := least(
        (SELECT t.run_at FROM spool.tasks t WHERE t.queue = c AND t.phase = 3 ORDER BY t.run_at
        LIMIT 1), (SELECT t.run_at FROM spool.tasks t
         WHERE t.queue = c AND t.phase = 0 AND t.key IS NULL AND t.needs_left = 0 ORDER BY t.run_at
             LIMIT 1));
    ended := spool.attempts_ended(c);
    IF writing THEN
        PERFORM spool.write_dispatch_cursor(dispatch_cursor, known, at, full_scan);
    END IF;
END $$;
