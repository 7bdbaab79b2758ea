-- How many tasks of each tenant and kind are queued or running, in all queues.
CREATE OR REPLACE FUNCTION spool.taken_by() RETURNS TABLE (tenant text, kind text, n bigint)
    LANGUAGE sql STABLE AS $$
    SELECT t.tenant, t.kind, count(*)
    FROM unnest(enum_range(NULL::spool.queue)) q CROSS JOIN LATERAL spool.taken(q) t
    GROUP BY t.tenant, t.kind
$$;
