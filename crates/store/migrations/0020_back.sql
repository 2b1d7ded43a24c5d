-- What changes by time alone, for those who ask what changed.

-- Author: gateway. When a pile was last heard of after so long a silence that it had counted as out of use (720 hours); null: never.
ALTER TABLE pile_live ADD COLUMN back_at timestamptz;
