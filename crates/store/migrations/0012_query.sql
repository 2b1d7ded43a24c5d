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
