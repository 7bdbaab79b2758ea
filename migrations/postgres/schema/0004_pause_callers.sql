-- The name that the caller of a pause gave, such as `ann@host`.
ALTER TABLE spool.pauses ADD COLUMN paused_by text COLLATE "C";
