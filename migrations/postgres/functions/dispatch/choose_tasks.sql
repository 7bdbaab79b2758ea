-- Chooses up to `room` tasks of one priority in turns, one of each tenant after the other,
-- beginning after the tenant that was served last. It reads as many rows of each sub-queue as it
-- could use, and none of a sub-queue that its limits close: a backlog is never scanned.
-- `left_behind` says whether a task was left for want of room.
CREATE OR REPLACE FUNCTION spool.choose_tasks(
    c spool.queue, a_priority smallint, room integer, sub_queues spool.sub_queue[],
        INOUT gate_room integer[], OUT chosen uuid[], OUT left_behind boolean)
LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    before bigint;
    last_served text;
    next_served text;
    in_turn text[];
    seen integer := 0;
    mine spool.sub_queue[];
    share integer;
    gated boolean;
    gate_room_now integer[];
    now_chosen uuid[];
    some_have_more boolean;
    wanted integer;
    one record;
    gate integer;
BEGIN
    SELECT s.number, s.tenant INTO before, last_served FROM spool.fairness_cursors s
    WHERE s.queue = c AND s.priority = a_priority ORDER BY s.number DESC LIMIT 1;
    last_served := coalesce(last_served, '');
    in_turn := ARRAY(SELECT l.tenant FROM unnest(sub_queues) l WHERE l.priority = a_priority
        AND spool.is_open(l, gate_room)
                     GROUP BY l.tenant ORDER BY l.tenant <= last_served, l.tenant);
    chosen := '{}';
    left_behind := false;
    -- As many tenants at a time as there is room for. If some of their sub-queues turn out to be
    -- empty, the next tenants follow.
    WHILE cardinality(chosen) < room AND seen < cardinality(in_turn) LOOP
        wanted := room - cardinality(chosen);
        SELECT array_agg(l::spool.sub_queue), ceil(wanted::numeric / count(DISTINCT l.tenant)) + 1,
            bool_or(l.tenant_gate + l.kind_gate + l.provider_gate + l.batch_gate > 0)
        INTO mine, share, gated
        FROM unnest(sub_queues) l
        WHERE l.priority = a_priority AND l.tenant = ANY (in_turn[seen + 1:seen + wanted])
            AND spool.is_open(l, gate_room);
        seen := seen + wanted;
        CONTINUE WHEN mine IS NULL;
        LOOP
            now_chosen := '{}';
            gate_room_now := gate_room;
            some_have_more := false;
            left_behind := false;
            FOR one IN
                WITH candidates AS MATERIALIZED (
                    SELECT t.id, t.run_at, l.tenant, l.tenant_gate, l.kind_gate, l.provider_gate,
                        l.batch_gate, row_number() OVER (PARTITION BY l.ordinality) AS
                        nth_of_sub_queue
                    FROM unnest(mine) WITH ORDINALITY l CROSS JOIN LATERAL (
                        SELECT y.id, y.run_at FROM spool.tasks y
                        WHERE y.queue = c AND y.priority = a_priority AND y.tenant = l.tenant
                            AND y.kind = l.kind AND y.phase = 1
                            AND coalesce(y.limited_batch, '{{NO_BATCH}}'::uuid) = l.batch
                                AND y.run_at >= l.since
                        ORDER BY y.run_at, y.id LIMIT share) t)
                SELECT n.id, n.tenant, n.tenant_gate, n.kind_gate, n.provider_gate, n.batch_gate,
                    max(n.nth_of_sub_queue) OVER () >= share AS more_in_sub_queue
                FROM (SELECT p.*, row_number() OVER (PARTITION BY p.tenant ORDER BY p.run_at, p.id)
                    AS nth FROM candidates p) n
                ORDER BY n.nth, n.tenant <= last_served, n.tenant LIMIT CASE WHEN gated THEN NULL
                    ELSE wanted + 1 END
            LOOP
                some_have_more := one.more_in_sub_queue;
                CONTINUE WHEN gated AND NOT spool.is_open(ROW(a_priority, one.tenant, '', NULL, 0,
                    one.tenant_gate, one.kind_gate, one.provider_gate,
                    one.batch_gate)::spool.sub_queue, gate_room_now);
                left_behind := cardinality(now_chosen) >= wanted;
                EXIT WHEN left_behind;
                IF gated THEN
                    FOREACH gate IN ARRAY ARRAY[one.tenant_gate, one.kind_gate, one.provider_gate,
                        one.batch_gate] LOOP
                        IF gate > 0 THEN
                            gate_room_now[gate] := gate_room_now[gate] - 1;
                        END IF;
                    END LOOP;
                END IF;
                now_chosen := now_chosen || one.id;
                next_served := one.tenant;
            END LOOP;
            -- Tenants with many tasks get the room that tenants with few leave.
            EXIT WHEN cardinality(now_chosen) >= wanted OR NOT some_have_more OR share > wanted;
            share := least(wanted + 1, share * 4);
        END LOOP;
        gate_room := gate_room_now;
        chosen := chosen || now_chosen;
    END LOOP;
    IF next_served IS NOT NULL AND next_served <> last_served THEN
        INSERT INTO spool.fairness_cursors (queue, priority, number, tenant) VALUES (c, a_priority,
            coalesce(before, 0) + 1, next_served);
        DELETE FROM spool.fairness_cursors s WHERE s.queue = c AND s.priority = a_priority
            AND s.number = before;
    END IF;
END $$;
