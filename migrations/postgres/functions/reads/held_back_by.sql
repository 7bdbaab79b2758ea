-- Why a ready task is not queued though its queue has room, in the word of its job's view; NULL if
-- only room is missing.
CREATE OR REPLACE FUNCTION spool.held_back_by(c spool.queue, a_tenant text, a_kind text,
    a_batch uuid) RETURNS text LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
DECLARE
    word text;
BEGIN
    IF EXISTS (SELECT FROM spool.pauses p WHERE (p.scope = 'queue' AND p.name = c::text)
        OR (p.scope = 'tenant' AND p.name = a_tenant)) THEN
        RETURN 'paused';
    END IF;
    IF EXISTS (SELECT FROM spool.limits) THEN
        SELECT 'limit:' || m.scope INTO word FROM (
            (SELECT x.scope, x.most, x.kinds, 1 AS place FROM spool.limits x
             WHERE x.scope = 'tenant' AND x.name IN (a_tenant, '*') ORDER BY x.name = '*' LIMIT 1)
            UNION ALL
            SELECT x.scope, x.most, x.kinds, 2 FROM spool.limits x WHERE x.scope <> 'tenant'
                AND a_kind = ANY (x.kinds)) m
        WHERE m.most <= (
            SELECT coalesce(sum(t.n), 0) FROM spool.taken_by() t
            WHERE CASE m.scope WHEN 'tenant' THEN t.tenant = a_tenant ELSE t.kind = ANY (m.kinds)
                END)
        ORDER BY m.place, m.scope LIMIT 1;
    END IF;
    IF word IS NULL AND a_batch IS NOT NULL AND spool.at_limit(a_batch) THEN
        word := 'limit:batch';
    END IF;
    RETURN word;
END $$;
