-- Keeps the artifact references of a memo as its row changes.
CREATE OR REPLACE FUNCTION spool.reference_memo_artifacts() RETURNS trigger LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.artifacts IS NOT NULL THEN
        DELETE FROM spool.memo_artifacts a WHERE a.tenant = OLD.tenant AND a.key = OLD.key;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.artifacts IS NOT NULL THEN
        INSERT INTO spool.memo_artifacts (hash, tenant, key)
        SELECT h, NEW.tenant, NEW.key FROM spool.artifact_hashes(NEW.artifacts) h
            ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
