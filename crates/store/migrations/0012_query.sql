-- What the query API asks for.

-- Author: registration. Longitude and latitude stay WGS-84; beside them the pair as it was given, in which system
-- (pile::CoordinateSystem), and what looks wrong with it (pile::PlaceDoubt). Null: nobody gave it, or before this was kept.
ALTER TABLE station
    ADD COLUMN given_system text CHECK (given_system IN ('wgs84', 'gcj02', 'bd09')),
    ADD COLUMN given_lon    double precision,
    ADD COLUMN given_lat    double precision,
    ADD COLUMN place_doubts text[] NOT NULL DEFAULT '{}';
ALTER TABLE pile
    ADD COLUMN given_system text CHECK (given_system IN ('wgs84', 'gcj02', 'bd09')),
    ADD COLUMN given_lon    double precision,
    ADD COLUMN given_lat    double precision,
    ADD COLUMN place_doubts text[] NOT NULL DEFAULT '{}';

-- Author: registration. What can be plugged in (pile::ConnectorType).
ALTER TABLE pile ADD COLUMN connectors text[] NOT NULL DEFAULT '{}';

-- Author: `veripile api-key`. Keys of those who ask more than anybody may; the key itself is drawn, told once and kept as SHA-256.
CREATE TABLE api_key (
    name                text PRIMARY KEY,
    key_hash            bytea NOT NULL UNIQUE,
    requests_per_minute bigint NOT NULL CHECK (requests_per_minute > 0),
    made_at             timestamptz NOT NULL DEFAULT now()
);
