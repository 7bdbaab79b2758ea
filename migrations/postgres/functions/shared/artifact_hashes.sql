-- The hashes in a JSON list of artifacts.
CREATE OR REPLACE FUNCTION spool.artifact_hashes(artifacts text) RETURNS SETOF bytea
    LANGUAGE sql IMMUTABLE AS
    $$ SELECT DISTINCT decode(a ->> 'hash', 'hex') FROM json_array_elements(artifacts::json) a $$;
