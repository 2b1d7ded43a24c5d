-- A status counts by the order in which it came.

-- Author: gateway. Over which connection (UUID v7: later ones are greater) a status was told, none once the charger booted on it; and when,
-- by our clock. Null: told before these were kept.
ALTER TABLE connector_live ADD COLUMN connection uuid, ADD COLUMN told_at timestamptz;
