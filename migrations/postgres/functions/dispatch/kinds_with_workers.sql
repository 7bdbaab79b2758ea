-- The kinds that the live workers of a queue can run; NULL if there is no worker, or one that runs
-- any kind.
CREATE OR REPLACE FUNCTION spool.kinds_with_workers(c spool.queue, at bigint) RETURNS text[]
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN bool_and(w.kinds IS NOT NULL) THEN array_agg(k) END
    FROM spool.workers w LEFT JOIN LATERAL unnest(w.kinds) k ON true
    WHERE w.heartbeat_at > at - {{WORKER_ALIVE_MS}} AND NOT w.draining
        AND CASE c WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate ELSE w.light END > 0
$$;
