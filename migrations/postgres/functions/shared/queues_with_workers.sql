-- The queues that a live worker has slots for.
CREATE OR REPLACE FUNCTION spool.queues_with_workers(at bigint) RETURNS text[]
    LANGUAGE sql STABLE AS $$
    SELECT array_remove(ARRAY[CASE WHEN bool_or(w.render > 0) THEN 'render' END,
                              CASE WHEN bool_or(w.generate > 0) THEN 'generate' END,
                              CASE WHEN bool_or(w.light > 0) THEN 'light' END], NULL)
    FROM spool.workers w WHERE w.heartbeat_at > at - {{WORKER_ALIVE_MS}} AND NOT w.draining
$$;
