-- Records the `artifact://` addresses in a new job's input.
CREATE OR REPLACE FUNCTION spool.reference_input_artifacts() RETURNS trigger LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
BEGIN
    INSERT INTO spool.job_artifacts (hash, job)
    SELECT DISTINCT decode(m[1], 'hex'), NEW.id FROM regexp_matches(NEW.input,
        'artifact://([0-9a-f]{64})', 'g') m ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
