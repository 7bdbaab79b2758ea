-- Returns whether a worker with these kinds can run a task of a kind and version. NULL kinds are
-- any.
CREATE OR REPLACE FUNCTION spool.knows(kinds text[], kind_versions integer[], a_kind text,
    a_version integer) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT kinds IS NULL
        OR coalesce(a_version <= kind_versions[array_position(kinds, a_kind COLLATE "C")], false)
$$;
