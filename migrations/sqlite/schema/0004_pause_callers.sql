-- The name that the caller of a pause gave, such as `ann@host`.
ALTER TABLE pauses ADD COLUMN paused_by TEXT;
