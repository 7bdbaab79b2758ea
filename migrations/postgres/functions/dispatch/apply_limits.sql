-- Applies the stored limits to sub-queues: each gets the positions of its limits in `gate_room`,
-- which has how many tasks each limit leaves. Locks the limits until the caller's tasks are
-- queued, so that these counts stay true; in the order of their names, as every function that
-- locks them.
CREATE OR REPLACE FUNCTION spool.apply_limits(INOUT sub_queues spool.sub_queue[],
    OUT gate_room integer[]) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    gate_room := '{}';
    IF cardinality(sub_queues) = 0 OR NOT EXISTS (SELECT FROM spool.limits) THEN
        RETURN;
    END IF;
    PERFORM FROM spool.limits m ORDER BY m.scope, m.name FOR UPDATE;
    -- A separate statement, so that it sees the commits of those who held the locks before.
    WITH taken AS MATERIALIZED (SELECT b.tenant, b.kind, b.n FROM spool.taken_by() b),
    gates AS MATERIALIZED (
        SELECT g.scope, g.name, g.kinds, g.room, row_number() OVER ()::integer AS place FROM (
            SELECT m.scope, t.tenant AS name, m.kinds,
                m.most - (SELECT coalesce(sum(k.n), 0) FROM taken k WHERE k.tenant = t.tenant) AS
                    room
            FROM (SELECT DISTINCT l.tenant FROM unnest(sub_queues) l) t
            CROSS JOIN LATERAL (
                SELECT x.scope, x.kinds, x.most FROM spool.limits x
                WHERE x.scope = 'tenant' AND x.name IN (t.tenant, '*') ORDER BY x.name = '*'
                    LIMIT 1) m
            UNION ALL
            SELECT m.scope, m.name, m.kinds, m.most - (SELECT coalesce(sum(k.n), 0) FROM taken k
                WHERE k.kind = ANY (m.kinds))
            FROM spool.limits m WHERE m.scope <> 'tenant') g)
    SELECT (SELECT array_agg(g.room::integer ORDER BY g.place) FROM gates g),
        array_agg(ROW(l.priority, l.tenant, l.kind, l.batch, l.since, coalesce(t.place, 0),
            coalesce(k.place, 0), coalesce(p.place, 0), 0)::spool.sub_queue
                  ORDER BY l.ordinality)
    INTO gate_room, sub_queues
    FROM unnest(sub_queues) WITH ORDINALITY l
    LEFT JOIN gates t ON t.scope = 'tenant' AND t.name = l.tenant
    LEFT JOIN gates k ON k.scope = 'kind' AND k.name = l.kind
    LEFT JOIN LATERAL (
        SELECT g.place FROM gates g WHERE g.scope = 'provider' AND l.kind = ANY (g.kinds)
            ORDER BY g.room LIMIT 1) p ON true;
    gate_room := coalesce(gate_room, '{}');
END $$;
