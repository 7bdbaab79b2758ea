-- Returns whether any limit or pause is set. Then only the dispatcher may queue tasks, because it
-- checks them.
CREATE OR REPLACE FUNCTION spool.has_controls() RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT EXISTS (SELECT FROM spool.limits) OR EXISTS (SELECT FROM spool.pauses) $$;
