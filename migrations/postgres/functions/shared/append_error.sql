-- Appends an attempt's error to a task's JSON list of errors.
CREATE OR REPLACE FUNCTION spool.append_error(errors text, attempt integer, worker uuid, at bigint,
    error text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN errors IS NULL THEN '[' ELSE left(errors, -1) || ',' END
        || '{"attempt":' || attempt || ',"worker":' || coalesce('"' || worker || '"', 'null') ||
            ',"at":' || at
        || ',"error":' || error || '}]'
$$;
