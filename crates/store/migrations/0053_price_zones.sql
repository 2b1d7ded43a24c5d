-- Prices by hours of the day hold by the clock of the place where their station stands (DECISIONS 289).

-- Author: registration. Whose clock the days and hours of a list are by (IANA), as was told of its station when it was recorded; null: nobody said, or
-- China's. And when its first day begins by it.
ALTER TABLE station_price ADD COLUMN time_zone text, ADD COLUMN starts_at timestamptz;
UPDATE station_price SET starts_at = valid_from::timestamp AT TIME ZONE 'Asia/Shanghai';
ALTER TABLE station_price ADD CHECK ((valid_from IS NULL) = (starts_at IS NULL));

-- Lists of stations whose zone had been told are recorded anew at the next start, as if it were told then (src/price.rs).

-- Author: none, it is read: of each station the prices by hours that are in force today where it stands, and the highest of them.
CREATE OR REPLACE VIEW station_price_today AS
SELECT DISTINCT ON (station_id) station_id, valid_from, from_minute, cny_kwh, (SELECT max(price) FROM unnest(cny_kwh) AS price) AS highest_cny_kwh,
       time_zone
FROM (SELECT DISTINCT ON (station_id, valid_from) * FROM station_price ORDER BY station_id, valid_from, price_no DESC) AS newest
WHERE starts_at IS NULL OR starts_at <= now()
ORDER BY station_id, valid_from DESC NULLS LAST;
