-- How many attempts of a queue have ended since the schema was made.
CREATE OR REPLACE FUNCTION spool.attempts_ended(c spool.queue) RETURNS bigint LANGUAGE sql AS $$
    SELECT CASE c WHEN 'render' THEN (SELECT s.last_value FROM spool.attempt_count_render s)
                  WHEN 'generate' THEN (SELECT s.last_value FROM spool.attempt_count_generate s)
                  ELSE (SELECT s.last_value FROM spool.attempt_count_light s) END
$$;
