-- Writes a ready event for a task that an update made ready, raised in priority or moved to an
-- earlier time.
CREATE OR REPLACE FUNCTION spool.record_ready_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spool.ready_events (queue, at, priority, tenant, kind, batch, since)
    VALUES (NEW.queue, spool.enter_epoch(), NEW.priority, NEW.tenant, NEW.kind,
        coalesce(NEW.limited_batch, '{{NO_BATCH}}'::uuid), NEW.run_at);
    RETURN NULL;
END $$;
