-- How statements are planned: as 0012 says, for the functions that came since. Left out are those of triggers, which run for each row and
-- look nothing up.
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
             WHERE p.pronamespace = 'spool'::regnamespace AND p.prorettype <> 'trigger'::regtype
                 AND (l.lanname = 'plpgsql' AND p.proname NOT IN ('enter', 'count_ended') OR p.proname IN ('overdue', 'median_ms'))
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', f);
        EXECUTE format('ALTER FUNCTION %s SET enable_bitmapscan = off', f);
        EXECUTE format('ALTER FUNCTION %s SET enable_sort = off', f);
        EXECUTE format('ALTER FUNCTION %s SET jit = off', f);
        EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', f);
    END LOOP;
END $$;
