-- What drivers look for is found (DECISIONS 243).

-- Author: registration. A pile without a place of its own stands where its station is: until now only one that came by a list of Locations, or
-- moved, did. Such a pile was on no map and near nothing.
UPDATE pile SET lon = station.lon, lat = station.lat, changed_at = now()
FROM station
WHERE station.station_id = pile.station_id AND pile.lon IS NULL AND pile.registered;

-- What piles are found by is in simplified characters, and long names have the usual reading of each (src/search.rs): it is written anew at the
-- next start.
UPDATE station SET search = NULL;
UPDATE operator SET search = NULL;
UPDATE pile SET search = NULL WHERE octet_length(pile_id) <> char_length(pile_id);

-- Author: none, it is read: of each station the prices by hours that are in force today in China, and the highest of them.
CREATE VIEW station_price_today AS
SELECT DISTINCT ON (station_id) station_id, valid_from, from_minute, cny_kwh, (SELECT max(price) FROM unnest(cny_kwh) AS price) AS highest_cny_kwh
FROM station_price
WHERE valid_from IS NULL OR valid_from <= (now() AT TIME ZONE 'Asia/Shanghai')::date
ORDER BY station_id, valid_from DESC NULLS LAST, price_no DESC;
