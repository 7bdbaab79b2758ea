-- How statements are planned. Each function that touches tables is called with arrays and meant to go through indexes, whatever the
-- statistics say: these tables are empty one moment and hold a million rows the next, and a plan that was cached, or analysed, on an
-- empty one (read it whole) would stop the fleet on a full one. So plans are made once, for unknown arguments, without whole reads.
-- Where the first of many is wanted, the functions say ORDER BY … LIMIT 1 and not min() or max(), which on an empty table is planned
-- as reading all. `OFFSET 0` in the functions keeps a lookup a lookup, row by row from the array; `= ANY (array)` goes through an index sorted.
DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
             WHERE p.pronamespace = 'spool'::regnamespace AND (l.lanname = 'plpgsql' OR p.proname IN ('overdue', 'open_items', 'to_retry', 'hand_back', 'need_outcomes', 'items', 'ill_items'))
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off', f);
        EXECUTE format('ALTER FUNCTION %s SET enable_bitmapscan = off', f);
        EXECUTE format('ALTER FUNCTION %s SET enable_sort = off', f);
        EXECUTE format('ALTER FUNCTION %s SET jit = off', f);
        EXECUTE format('ALTER FUNCTION %s SET plan_cache_mode = force_generic_plan', f);
    END LOOP;
END $$;
SELECT spool.make_partitions();
