-- Counts ended attempts for the dispatcher's room, and records how long the successful ones took
-- (milliseconds, NULL for the others).
CREATE OR REPLACE FUNCTION spool.count_ended(worker_id uuid, queues spool.queue[],
    took bigint[] DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT u.queue, count(*) AS n, percentile_disc(0.5) WITHIN GROUP (ORDER BY u.ms) AS ms
        FROM unnest(queues, took) u (queue, ms) WHERE u.queue IS NOT NULL GROUP BY u.queue
    LOOP
        PERFORM nextval(('spool.attempt_count_' || one.queue)::regclass) FROM generate_series(1,
            one.n);
        IF one.ms IS NOT NULL THEN
            INSERT INTO spool.run_times (queue, at, ms) VALUES (one.queue, spool.now_ms(),
                greatest(one.ms, 0));
        END IF;
    END LOOP;
END $$;
