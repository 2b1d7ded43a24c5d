-- A pile without a place of its own stands where its station is, and goes where it goes (DECISIONS 260).

-- Author: registration. Those that were let in at a station stood nowhere, so that they were on no map and near nothing.
UPDATE pile SET lon = station.lon, lat = station.lat, changed_at = now()
FROM station
WHERE station.station_id = pile.station_id AND pile.lon IS NULL AND pile.registered;
