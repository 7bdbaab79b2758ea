-- Enters the current visibility epoch until the end of the transaction, and returns the time. Only
-- a transaction that holds an epoch may write a ready event or queue a task, and only under a time
-- that this function returned.
CREATE OR REPLACE FUNCTION spool.enter_epoch() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    entered bigint;
    current bigint;
BEGIN
    LOOP
        SELECT e.last_value INTO entered FROM spool.visibility_epoch e;
        -- The lock is refused only if the epoch is over, and never waited for, so it has no place
        -- in the lock order.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock_shared(hashtext('spool.visibility_epoch'),
            (entered & 2147483647)::integer);
        -- If the epoch ended before the lock was taken, nothing waits for this transaction.
        SELECT e.last_value INTO current FROM spool.visibility_epoch e;
        EXIT WHEN current = entered;
    END LOOP;
    RETURN spool.now_ms();
END $$;
