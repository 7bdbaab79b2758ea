-- How many tasks of each tenant and kind are queued or running, in all queues.
CREATE OR REPLACE FUNCTION spool.taken_by() RETURNS TABLE (tenant text, kind text, n bigint)
    LANGUAGE sql STABLE AS $$
    SELECT t.tenant, t.kind, count(*) FROM (
        SELECT x.tenant, x.kind FROM spool.taken('render') x UNION ALL
        SELECT x.tenant, x.kind FROM spool.taken('generate') x UNION ALL
        SELECT x.tenant, x.kind FROM spool.taken('light') x) t
    GROUP BY t.tenant, t.kind
$$;
