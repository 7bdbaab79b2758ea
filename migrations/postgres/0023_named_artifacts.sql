-- Who names an artifact: jobs that are kept (by what their tasks made, and by `artifact://` in their input) and memos. Kept by triggers, so
-- that every way by which a task settles is covered, an older program's too. Work without artifacts pays for a comparison.
CREATE TABLE spool.job_artifacts (
    hash bytea NOT NULL,
    job  uuid NOT NULL,
    CONSTRAINT job_artifacts_pkey PRIMARY KEY (hash, job)
);
CREATE INDEX job_artifacts_of_job ON spool.job_artifacts (job);
CREATE TABLE spool.memo_artifacts (
    hash   bytea NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    key    bytea NOT NULL,
    CONSTRAINT memo_artifacts_pkey PRIMARY KEY (hash, tenant, key)
);
CREATE INDEX memo_artifacts_of_memo ON spool.memo_artifacts (tenant, key);
-- Artifacts that nobody named when they were looked at, and since when.
CREATE TABLE spool.unreferenced_artifacts (
    hash  bytea NOT NULL,
    since bigint NOT NULL,
    CONSTRAINT unnamed_artifacts_pkey PRIMARY KEY (hash)
);

-- The hashes in a list of artifacts.
CREATE FUNCTION spool.hashes_of(artifacts text) RETURNS SETOF bytea LANGUAGE sql IMMUTABLE AS
    $$ SELECT DISTINCT decode(a ->> 'hash', 'hex') FROM json_array_elements(artifacts::json) a $$;

CREATE FUNCTION spool.job_names_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spool.job_artifacts (hash, job) SELECT h, NEW.job FROM spool.hashes_of(NEW.artifacts) h ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER names_artifacts AFTER INSERT ON spool.history FOR EACH ROW
    WHEN (NEW.artifacts IS NOT NULL) EXECUTE FUNCTION spool.job_names_artifacts();

CREATE FUNCTION spool.input_names_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO spool.job_artifacts (hash, job)
    SELECT DISTINCT decode(m[1], 'hex'), NEW.id FROM regexp_matches(NEW.input, 'artifact://([0-9a-f]{64})', 'g') m ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER names_artifacts AFTER INSERT ON spool.jobs FOR EACH ROW
    WHEN (strpos(NEW.input, 'artifact://') > 0) EXECUTE FUNCTION spool.input_names_artifacts();

CREATE FUNCTION spool.jobs_name_nothing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM spool.job_artifacts a WHERE a.job = ANY (ARRAY(SELECT g.id FROM gone g));
    RETURN NULL;
END $$;
CREATE TRIGGER name_nothing AFTER DELETE ON spool.jobs REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION spool.jobs_name_nothing();

CREATE FUNCTION spool.memo_names_artifacts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.artifacts IS NOT NULL THEN
        DELETE FROM spool.memo_artifacts a WHERE a.tenant = OLD.tenant AND a.key = OLD.key;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.artifacts IS NOT NULL THEN
        INSERT INTO spool.memo_artifacts (hash, tenant, key)
        SELECT h, NEW.tenant, NEW.key FROM spool.hashes_of(NEW.artifacts) h ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER names_artifacts AFTER INSERT ON spool.memos FOR EACH ROW
    WHEN (NEW.artifacts IS NOT NULL) EXECUTE FUNCTION spool.memo_names_artifacts();
CREATE TRIGGER renames_artifacts AFTER UPDATE OF artifacts ON spool.memos FOR EACH ROW
    WHEN (NEW.artifacts IS DISTINCT FROM OLD.artifacts) EXECUTE FUNCTION spool.memo_names_artifacts();
CREATE TRIGGER names_nothing AFTER DELETE ON spool.memos FOR EACH ROW
    WHEN (OLD.artifacts IS NOT NULL) EXECUTE FUNCTION spool.memo_names_artifacts();

-- Of these artifacts, those that nobody has named for so long. What is seen unreferenced for the first time is noted.
CREATE FUNCTION spool.unreferenced(a_hashes bytea[], quiet_ms bigint) RETURNS bytea[] LANGUAGE plpgsql AS $$
DECLARE
    at bigint := spool.now_ms();
    loose bytea[];
BEGIN
    loose := ARRAY(SELECT u FROM unnest(a_hashes) u
        WHERE NOT EXISTS (SELECT FROM spool.job_artifacts a WHERE a.hash = u)
            AND NOT EXISTS (SELECT FROM spool.memo_artifacts a WHERE a.hash = u));
    DELETE FROM spool.unreferenced_artifacts n WHERE n.hash = ANY (a_hashes) AND n.hash <> ALL (loose);
    INSERT INTO spool.unreferenced_artifacts (hash, since) SELECT u, at FROM unnest(loose) u ON CONFLICT DO NOTHING;
    RETURN ARRAY(SELECT n.hash FROM spool.unreferenced_artifacts n WHERE n.hash = ANY (loose) AND n.since <= at - quiet_ms);
END $$;

-- As 0012 says of its predecessors.
DO $$
DECLARE
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['job_names_artifacts', 'input_names_artifacts', 'jobs_name_nothing', 'memo_names_artifacts', 'unreferenced'] LOOP
        EXECUTE format('ALTER FUNCTION spool.%I SET enable_seqscan = off', f);
        EXECUTE format('ALTER FUNCTION spool.%I SET enable_bitmapscan = off', f);
        EXECUTE format('ALTER FUNCTION spool.%I SET jit = off', f);
        EXECUTE format('ALTER FUNCTION spool.%I SET plan_cache_mode = force_generic_plan', f);
    END LOOP;
END $$;
