-- Renews leases, stores progress and the worker's registration. Returns for each task 0 (held), 1
-- (cancel it) or 2 (stale).
--
-- A heartbeat never waits in a lock queue: a task that another transaction holds (which settles
-- it, or found its lease expired) is tried again for a tenth of a second, and then left to the
-- next heartbeat, which comes in time.
CREATE OR REPLACE FUNCTION spool.heartbeat(
    worker_id uuid, a_name text, renders integer, generates integer, lights integer,
    leaving boolean, a_kinds text[], a_versions integer[], task_ids uuid[], a_fences bigint[],
    progresses real[], stages text[], lease_ms bigint
) RETURNS smallint[] LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    at bigint := spool.now_ms();
    held tid[];
    places integer[];
    replies smallint[];
    held_count integer;
BEGIN
    INSERT INTO spool.workers AS w (id, heartbeat_at, render, generate, light, draining, name,
        kinds, kind_versions)
    VALUES (worker_id, at, renders, generates, lights, leaving, a_name, a_kinds, a_versions)
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = at, render = renders, generate = generates,
        light = lights, draining = leaving, kinds = a_kinds, kind_versions = a_versions;
    IF cardinality(task_ids) = 0 THEN
        RETURN '{}';
    END IF;
    FOR round IN 1..6 LOOP
        SELECT array_agg(t.place_of), array_agg(u.place) INTO held, places
        FROM unnest(task_ids, a_fences) WITH ORDINALITY u (id, fence, place)
        CROSS JOIN LATERAL (SELECT x.ctid AS place_of FROM spool.tasks x
            WHERE x.id = u.id AND x.state = 'running' AND x.worker = worker_id AND x.fence = u.fence
            FOR NO KEY UPDATE SKIP LOCKED) t;
        SELECT array_agg(CASE WHEN t.id IS NULL THEN 2 WHEN t.cancel_requested THEN 1
            ELSE 0 END::smallint ORDER BY u.place), count(t.id)
        INTO replies, held_count FROM unnest(task_ids, a_fences) WITH ORDINALITY u (id, fence,
            place)
        LEFT JOIN LATERAL (SELECT x.id, x.cancel_requested FROM spool.tasks x
            WHERE x.id = u.id AND x.state = 'running' AND x.worker = worker_id
                AND x.fence = u.fence OFFSET 0) t ON true;
        EXIT WHEN held_count = coalesce(cardinality(held), 0);
        IF round < 6 THEN
            PERFORM pg_sleep(0.02);
        END IF;
    END LOOP;
    UPDATE spool.tasks t SET
        lease_until = greatest(t.lease_until, at + lease_ms),
        progress = coalesce(progresses[h.place], t.progress),
        stage = CASE WHEN progresses[h.place] IS NULL THEN t.stage ELSE stages[h.place] END
    FROM unnest(held, places) h (place_of, place)
    WHERE t.ctid = ANY (held) AND t.ctid = h.place_of;
    RETURN replies;
END $$;
