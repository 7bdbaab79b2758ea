-- The error of a task whose need did not succeed, in the words of `backing::store::reason` (a test
-- compares).
CREATE OR REPLACE FUNCTION spool.need_failed_error(need text) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$
    SELECT '{"code":"need_failed","class":"permanent","detail":' || to_json('it needs `' || need ||
        '`, which did not succeed')::text
        || ',"retryable":false}'
$$;
