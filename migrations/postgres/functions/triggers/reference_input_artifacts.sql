-- Records the `artifact://` addresses in a new job's input.
CREATE OR REPLACE FUNCTION spool.reference_input_artifacts() RETURNS trigger LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
BEGIN
    INSERT INTO spool.job_artifacts (hash, job)
    SELECT DISTINCT decode(m[1], 'hex'), NEW.id FROM regexp_matches(NEW.input,
        'artifact://([0-9a-f]{64})', 'g') m ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
