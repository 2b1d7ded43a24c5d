-- Over OCPI a station's prices are tariffs now, and its connectors name them (DECISIONS 235).

-- Author: registration. What is told of these stations is more than before: who asks for what changed must see it.
UPDATE station SET changed_at = now() WHERE station_id IN (SELECT station_id FROM station_price);
