-- Returns whether scanning the queue past the dead rows of `tasks` costs more than removing
-- them, and they can be removed: while a transaction is open that began before they died, a vacuum
-- changes nothing. Autovacuum looks once a minute by default, and in a minute a busy fleet leaves a
-- million dead rows.
CREATE OR REPLACE FUNCTION spool.needs_vacuum() RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT s.n_dead_tup > greatest(20000, s.n_live_tup / 10)
        AND NOT EXISTS (
            SELECT FROM pg_stat_activity a
            WHERE (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL)
                AND a.xact_start < clock_timestamp() - interval '30 s'
                AND a.backend_type <> 'walsender')
    FROM pg_stat_user_tables s WHERE s.relid = 'spool.tasks'::regclass
$$;
