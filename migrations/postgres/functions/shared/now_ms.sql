-- The server's clock, in milliseconds since the epoch.
CREATE OR REPLACE FUNCTION spool.now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
    $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;
