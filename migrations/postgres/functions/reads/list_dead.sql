-- Failed tasks whose job failed, those of the newest jobs first, and the id to continue after
-- (NULL: there are no more). Looks at {{LIST_SCAN}} rows at most, as `list_jobs` does. A task ends
-- later than its id was made, so ids after `until_ms` are skipped, with an hour left for clocks
-- that run ahead.
CREATE OR REPLACE FUNCTION spool.list_dead(
    a_tenant text, a_kind text, error_class text, a_code text, since_ms bigint, until_ms bigint,
        behind uuid, most integer,
    OUT tasks uuid[], OUT next_behind uuid
) LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
DECLARE
    bound CONSTANT integer := {{LIST_SCAN}};
    row record;
    looked_at integer := 0;
    last_match uuid;
BEGIN
    tasks := '{}';
    behind := coalesce(behind, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    IF until_ms IS NOT NULL THEN
        behind := least(behind, spool.first_id(until_ms + {{CLOCK_AHEAD_MS}}));
    END IF;
    FOR row IN
        SELECT h.id, h.job, h.kind, h.finished_at, h.superseded, CASE WHEN error_class IS NOT NULL
            OR a_code IS NOT NULL THEN h.error END AS error
        FROM spool.history h WHERE h.tenant = a_tenant AND h.state = 'failed' AND h.id < behind
            ORDER BY h.id DESC LIMIT bound + 1
    LOOP
        looked_at := looked_at + 1;
        IF looked_at > bound THEN
            next_behind := behind;
            RETURN;
        END IF;
        IF NOT row.superseded AND (a_kind IS NULL OR row.kind = a_kind)
            AND (since_ms IS NULL OR row.finished_at >= since_ms) AND (until_ms IS NULL
                OR row.finished_at < until_ms)
            AND (error_class IS NULL OR row.error::json ->> 'class' = error_class)
                AND (a_code IS NULL OR row.error::json ->> 'code' = a_code)
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
