-- Writes a ready event for each sub-queue that inserted tasks belong to (see `ready_events` in the
-- schema).
CREATE OR REPLACE FUNCTION spool.record_ready() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spool.ready_events (queue, at, priority, tenant, kind, batch, since)
    SELECT f.queue, spool.enter_epoch(), f.priority, f.tenant, f.kind, f.batch, f.since FROM (
        SELECT n.queue, n.priority, n.tenant, n.kind, coalesce(n.limited_batch,
            '{{NO_BATCH}}'::uuid) AS batch, min(n.run_at) AS since
        FROM fresh n WHERE n.phase = 1 GROUP BY 1, 2, 3, 4, 5) f;
    RETURN NULL;
END $$;
