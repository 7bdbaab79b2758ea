-- The median run time of the latest successful attempts; NULL where none succeeded yet.
CREATE OR REPLACE FUNCTION spool.median_ms(c spool.queue) RETURNS bigint LANGUAGE sql STABLE
{{PLANNER_SETTINGS}} AS $$
    SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY r.ms) FROM (
        SELECT x.ms FROM spool.run_times x WHERE x.queue = c ORDER BY x.at DESC LIMIT 101) r
$$;
