-- Work that a crash between two statements left: keys on which tasks wait without a leader (found
-- by skipping from key to key), and batches whose rest was to be cancelled.
CREATE OR REPLACE FUNCTION spool.unfinished_work(most integer, OUT tenants text[], OUT keys bytea[],
    OUT stopping_batches uuid[]) LANGUAGE plpgsql
{{PLANNER_SETTINGS}} AS $$
DECLARE
    last_tenant text := '';
    last_key bytea := '';
BEGIN
    tenants := '{}';
    keys := '{}';
    FOR looked_at IN 1..most LOOP
        SELECT t.tenant, t.key INTO last_tenant, last_key FROM spool.tasks t
        WHERE t.key IS NOT NULL AND NOT t.is_leader AND (t.tenant, t.key) > (last_tenant, last_key)
            ORDER BY t.tenant, t.key LIMIT 1;
        EXIT WHEN last_key IS NULL;
        CONTINUE WHEN EXISTS (SELECT FROM spool.tasks t WHERE t.tenant = last_tenant
            AND t.key = last_key AND t.is_leader);
        tenants := tenants || last_tenant;
        keys := keys || last_key;
    END LOOP;
    stopping_batches := ARRAY(SELECT b.id FROM spool.batches b WHERE b.stopping ORDER BY b.id
        LIMIT most);
END $$;
