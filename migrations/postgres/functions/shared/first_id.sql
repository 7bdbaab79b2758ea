-- The least UUIDv7 of a millisecond.
CREATE OR REPLACE FUNCTION spool.first_id(ms bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT (lpad(to_hex(greatest(ms, 0)), 12, '0') || repeat('0', 20))::uuid $$;
