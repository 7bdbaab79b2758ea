-- The error of a task that was not run because its job's result can no longer come, in the words
-- of `backing::store::reason` (a test compares).
CREATE OR REPLACE FUNCTION spool.without_result_error() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"code":"cancelled","class":"permanent","detail":"it was not run, because '
        || 'the task that makes the job''s result did not succeed","retryable":false}'
$$;
