-- The effects of two writes.
CREATE OR REPLACE FUNCTION spool.add_effects(a spool.effects, b spool.effects)
    RETURNS spool.effects LANGUAGE sql IMMUTABLE AS $$
    SELECT ROW(a.jobs || b.jobs, a.ready_queues || b.ready_queues,
        a.tasks_to_stop || b.tasks_to_stop, a.tenants || b.tenants, a.keys || b.keys,
        a.batches_to_stop || b.batches_to_stop, a.jobs_to_repeat || b.jobs_to_repeat)::spool.effects
$$;
