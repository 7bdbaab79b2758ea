-- Returns the queued tasks of a paused queue or tenant to ready, including those that a dispatcher
-- queued before it saw the pause. A task that another transaction has locked is skipped: every
-- dispatch calls this again while the pause lasts.
CREATE OR REPLACE FUNCTION spool.return_paused(c spool.queue) RETURNS void LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    held uuid[];
BEGIN
    held := ARRAY(
        SELECT t.id FROM spool.taken(c) t WHERE t.state = 'queued' AND EXISTS (
            SELECT FROM spool.pauses p WHERE (p.scope = 'queue' AND p.name = c::text)
                OR (p.scope = 'tenant' AND p.name = t.tenant)));
    held := ARRAY(SELECT t.id FROM spool.tasks t WHERE t.id = ANY (held) AND t.state = 'queued'
        FOR NO KEY UPDATE SKIP LOCKED);
    UPDATE spool.tasks t SET state = 'ready', phase = 1, queued_at = NULL WHERE t.id = ANY (held);
END $$;
