-- Effects with every list empty.
CREATE OR REPLACE FUNCTION spool.no_effects() RETURNS spool.effects LANGUAGE sql IMMUTABLE AS
    $$ SELECT ROW('{}', '{}', '{}', '{}', '{}', '{}', '{}')::spool.effects $$;
