-- Returns whether every limit of a sub-queue leaves room.
CREATE OR REPLACE FUNCTION spool.is_open(l spool.sub_queue, gate_room integer[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS $$
    SELECT (l.tenant_gate = 0 OR gate_room[l.tenant_gate] > 0) AND (l.kind_gate = 0
        OR gate_room[l.kind_gate] > 0)
        AND (l.provider_gate = 0 OR gate_room[l.provider_gate] > 0) AND (l.batch_gate = 0
            OR gate_room[l.batch_gate] > 0)
$$;
