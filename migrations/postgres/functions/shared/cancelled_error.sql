-- The error of a cancelled task, in the words of `backing::store::reason` (a test compares).
CREATE OR REPLACE FUNCTION spool.cancelled_error() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"code":"cancelled","class":"caller","detail":"it was cancelled before it ended",'
        || '"retryable":true}'
$$;
