-- Returns whether a live worker has slots for a queue and can run a task of this kind and version.
CREATE OR REPLACE FUNCTION spool.has_worker(c spool.queue, a_kind text, a_version integer,
    at bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM spool.workers w WHERE w.heartbeat_at > at - {{WORKER_ALIVE_MS}}
            AND NOT w.draining
            AND CASE c WHEN 'render' THEN w.render WHEN 'generate' THEN w.generate
                ELSE w.light END > 0
            AND spool.knows(w.kinds, w.kind_versions, a_kind, a_version))
$$;
