-- Dead work: what failed for good, found by way of `history_dead`.

-- Failed tasks whose job failed, those of the newest jobs first, and the one to go on behind (NULL: there are no more). Looks at 10,000 rows
-- at most, as `list` does. A task ends later than its id was made, so what is too young by its id need not be looked at; an hour is
-- left for clocks that run ahead.
CREATE FUNCTION spool.dead(
    a_tenant text, a_kind text, a_class text, a_code text, since_ms bigint, until_ms bigint, behind uuid, most integer,
    OUT tasks uuid[], OUT next_behind uuid
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    bound CONSTANT integer := 10000;
    row record;
    looked_at integer := 0;
    last_match uuid;
BEGIN
    tasks := '{}';
    behind := coalesce(behind, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    IF until_ms IS NOT NULL THEN
        behind := least(behind, spool.first_id(until_ms + 3600000));
    END IF;
    FOR row IN
        SELECT h.id, h.job, h.kind, h.finished_at, h.superseded, CASE WHEN a_class IS NOT NULL OR a_code IS NOT NULL THEN h.error END AS error
        FROM spool.history h WHERE h.tenant = a_tenant AND h.state = 'failed' AND h.id < behind ORDER BY h.id DESC LIMIT bound + 1
    LOOP
        looked_at := looked_at + 1;
        IF looked_at > bound THEN
            next_behind := behind;
            RETURN;
        END IF;
        IF NOT row.superseded AND (a_kind IS NULL OR row.kind = a_kind)
            AND (since_ms IS NULL OR row.finished_at >= since_ms) AND (until_ms IS NULL OR row.finished_at < until_ms)
            AND (a_class IS NULL OR row.error::json ->> 'class' = a_class) AND (a_code IS NULL OR row.error::json ->> 'code' = a_code)
            AND EXISTS (SELECT FROM spool.jobs j WHERE j.id = row.job AND j.status = 'failed') THEN
            IF cardinality(tasks) = most THEN
                next_behind := last_match;
                RETURN;
            END IF;
            tasks := tasks || row.id;
            last_match := row.id;
        END IF;
        behind := row.id;
    END LOOP;
END $$;

-- As 0012 says of its predecessors.
ALTER FUNCTION spool.dead SET enable_seqscan = off;
ALTER FUNCTION spool.dead SET enable_bitmapscan = off;
ALTER FUNCTION spool.dead SET enable_sort = off;
ALTER FUNCTION spool.dead SET jit = off;
ALTER FUNCTION spool.dead SET plan_cache_mode = force_generic_plan;
