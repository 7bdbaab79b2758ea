-- Takes idempotency keys, or reports what they were used for. The rows are sorted, so that two
-- calls with the same keys cannot deadlock.
CREATE OR REPLACE FUNCTION spool.claim_idempotency_keys(
    at bigint, k_tenant text[], k_key text[], k_fingerprint bytea[], k_response text[],
        k_target uuid[],
    OUT replays text[], OUT stopped uuid[]
) LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_bitmapscan = off
SET enable_sort = off SET jit = off
AS $$
BEGIN
    INSERT INTO spool.idempotency_keys AS i (tenant, key, fingerprint, target, expires_at, response)
    SELECT u.tenant, u.key, u.fingerprint, u.target, at + {{IDEMPOTENCY_KEPT_MS}}, u.response
    FROM unnest(k_tenant, k_key, k_fingerprint, k_response, k_target) u (tenant, key, fingerprint,
        response, target)
    ORDER BY u.tenant COLLATE "C", u.key COLLATE "C"
    ON CONFLICT (tenant, key) DO UPDATE SET
        fingerprint = excluded.fingerprint, target = excluded.target,
            expires_at = excluded.expires_at, response = excluded.response
        WHERE i.expires_at <= at;
    SELECT array_agg(CASE WHEN i.target = u.target THEN NULL WHEN i.fingerprint = u.fingerprint
        THEN '=' || i.response ELSE '!' END ORDER BY u.place), coalesce(array_agg(u.target)
        FILTER (WHERE i.target <> u.target), '{}')
    INTO replays, stopped
    FROM unnest(k_tenant, k_key, k_fingerprint, k_target) WITH ORDINALITY u (tenant, key,
        fingerprint, target, place)
    CROSS JOIN LATERAL (
        SELECT x.fingerprint, x.target, x.response FROM spool.idempotency_keys x
            WHERE x.tenant = u.tenant AND x.key = u.key OFFSET 0) i;
END $$;
