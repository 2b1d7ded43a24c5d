-- Records what witnesses tell, row by row as it comes; gives the numbers of what is new.
WITH told AS (
    SELECT pile_no, told.*
    FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::bytea[], $6::text[], $7::text[], $8::numeric[],
                $9::numeric[], $10::numeric[], $11::numeric[], $12::numeric[], $13::jsonb[], $14::text[]) WITH ORDINALITY
         AS told (pile_id, connector, started_at, ended_at, vehicle, vehicle_model, vehicle_path, energy_vehicle_wh, soc_start, soc_end,
                  ambient_c, amount, parts, vehicle_kind, place)
    JOIN pile USING (pile_id)
)
INSERT INTO witness (pile_no, connector, started_at, ended_at, vehicle, vehicle_model, vehicle_path, energy_vehicle_wh, soc_start, soc_end,
    ambient_c, amount, parts, vehicle_kind)
SELECT pile_no, connector, started_at, ended_at, vehicle, vehicle_model, vehicle_path, energy_vehicle_wh, soc_start, soc_end, ambient_c,
       amount, parts, vehicle_kind
FROM told
WHERE NOT EXISTS (
    SELECT FROM (SELECT * FROM witness w
                 WHERE w.pile_no = told.pile_no AND w.started_at = told.started_at AND w.ended_at = told.ended_at
                   AND w.connector IS NOT DISTINCT FROM told.connector AND w.vehicle_path IS NOT DISTINCT FROM told.vehicle_path
                 ORDER BY witness_no DESC LIMIT 1) AS known
    WHERE (known.vehicle, known.vehicle_model, known.energy_vehicle_wh, known.soc_start, known.soc_end, known.ambient_c, known.amount,
           known.parts)
          IS NOT DISTINCT FROM
          (told.vehicle, told.vehicle_model, told.energy_vehicle_wh, told.soc_start, told.soc_end, told.ambient_c, told.amount, told.parts))
ORDER BY place
RETURNING witness_no
