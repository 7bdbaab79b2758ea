-- Ids of jobs, newest first, and the id to continue after (NULL: there are no more). Looks at
-- {{LIST_SCAN}} rows at most: a filter that matches few rows returns a short page and where to
-- continue, never a long wait. Tags are compared in their JSON spelling; the caller compares them
-- once more.
CREATE OR REPLACE FUNCTION spool.list_jobs(
    a_tenant text, a_status text, a_kind text, a_tag text, behind uuid, most integer,
        OUT jobs uuid[], OUT next_behind uuid
) LANGUAGE plpgsql STABLE
{{PLANNER_SETTINGS}} AS $$
DECLARE
    bound CONSTANT integer := {{LIST_SCAN}};
    row record;
    looked_at integer := 0;
    last_match uuid;
BEGIN
    jobs := '{}';
    FOR row IN EXECUTE
        'SELECT j.id, j.status, j.solo, j.result_task, j.kind, j.tags '
        || 'FROM spool.jobs j WHERE j.tenant = $1 AND j.id < $2'
        || CASE WHEN a_status IN ('failed', 'cancelled') THEN ' AND j.unsuccessful'
            ELSE '' END || ' ORDER BY j.id DESC LIMIT $3'
        USING a_tenant, coalesce(behind, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), bound + 1
    LOOP
        looked_at := looked_at + 1;
        IF looked_at > bound THEN
            next_behind := behind;
            RETURN;
        END IF;
        IF (a_kind IS NULL OR row.kind = a_kind) AND (a_tag IS NULL OR strpos(row.tags, a_tag) > 0)
            AND (a_status IS NULL OR spool.has_status(row.id, row.status, row.solo, row.result_task,
                a_status)) THEN
            IF cardinality(jobs) = most THEN
                next_behind := last_match;
                RETURN;
            END IF;
            jobs := jobs || row.id;
            last_match := row.id;
        END IF;
        behind := row.id;
    END LOOP;
END $$;
