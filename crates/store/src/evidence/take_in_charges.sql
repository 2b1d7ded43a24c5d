-- Takes in charges that have ended: those that changed since they were taken in last, or those that are named; $2 known from,
-- $3 at most so many.
--
-- Of a connector's register only a lifetime one's ends are kept. The clock's offset is told where at least half of a charge's messages,
-- and three, arrived within ten seconds of the fastest: messages that waited for their connection say nothing of the clock.
WITH fresh AS MATERIALIZED (
    SELECT charge_no, updated_at, pile_no, connector, vehicle, started_at, ended_at,
           CASE WHEN 'unproven' = ANY(marks) OR started_at IS NULL OR ended_at < started_at THEN NULL ELSE energy_pile_wh END
               AS energy_pile_wh,
           energy_vehicle_wh,
           CASE WHEN pile_begin_phases = 0 THEN coalesce(pile_begin_wh, register_start_wh) ELSE register_start_wh END AS begin_wh,
           CASE WHEN pile_end_phases = 0 THEN coalesce(pile_end_wh, register_stop_wh) ELSE register_stop_wh END AS end_wh,
           signed_begin_wh IS NOT NULL AND signed_end_wh IS NOT NULL AS signed
    FROM charge
    WHERE ended_at IS NOT NULL AND {which}
    ORDER BY updated_at, charge_no
    LIMIT $3
), stored AS (
    INSERT INTO evidence_charge (charge_no, known_from, updated_at, pile_no, connector, vehicle, started_at, ended_at, energy_pile_wh,
        energy_vehicle_wh, register_start_wh, register_stop_wh, soc_start, soc_end, signed, signature_key, record_digest, clock_offset_s,
        witness_wh, witness_path, witness_vehicle, vehicle_model, ambient_c, amount, parts)
    SELECT fresh.charge_no, $2, fresh.updated_at, fresh.pile_no, fresh.connector, fresh.vehicle, fresh.started_at, fresh.ended_at,
           fresh.energy_pile_wh, CASE WHEN witnessed.contradictory THEN NULL ELSE fresh.energy_vehicle_wh END,
           CASE WHEN register.kind = 'lifetime' THEN fresh.begin_wh END, CASE WHEN register.kind = 'lifetime' THEN fresh.end_wh END,
           coalesce(battery.soc_start, witnessed.soc_start), coalesce(battery.soc_end, witnessed.soc_end), fresh.signed, record.key,
           record.digest, clock.offset_s, witnessed.wh, witnessed.path, witnessed.vehicle, witnessed.model, witnessed.ambient_c,
           witnessed.amount, witnessed.parts
    FROM fresh
    LEFT JOIN register ON register.pile_no = fresh.pile_no AND register.connector = fresh.connector
    -- Charge by charge by the indices, whatever the planner knows: what is new is little, and all readings and messages are many.
    LEFT JOIN LATERAL (
        SELECT min(series_no) AS series_no FROM series
        WHERE series.pile_no = fresh.pile_no AND series.connector = fresh.connector AND series.measurand = $4) AS state ON true
    LEFT JOIN LATERAL (
        SELECT (array_agg(reading.number ORDER BY reading.time))[1] AS soc_start,
               (array_agg(reading.number ORDER BY reading.time DESC))[1] AS soc_end
        FROM reading
        WHERE reading.series_no = state.series_no AND reading.time BETWEEN fresh.started_at AND fresh.ended_at
          AND reading.number BETWEEN 0 AND 100) AS battery ON true
    LEFT JOIN LATERAL (
        SELECT -min(delay_s) AS offset_s
        FROM (SELECT delay_s, min(delay_s) OVER () AS fastest, count(*) OVER () AS messages
              FROM (SELECT extract(epoch FROM frame.received_at - frame.time)::float8 AS delay_s
                    FROM frame
                    WHERE frame.pile_no = fresh.pile_no AND frame.time BETWEEN fresh.started_at AND fresh.ended_at
                      AND frame.time <> frame.received_at) AS message) AS message
        WHERE delay_s <= fastest + 10
        HAVING max(messages) >= 3 AND 2 * count(*) >= max(messages)) AS clock ON true
    LEFT JOIN LATERAL (
        SELECT sha256(convert_to(value.public_key, 'UTF8')) AS key, sha256(convert_to(value.container, 'UTF8')) AS digest
        FROM signed_value value
        WHERE fresh.signed AND value.pile_no = fresh.pile_no AND value.connector = fresh.connector AND value.verdict = 'valid'
          AND value.at BETWEEN fresh.started_at AND fresh.ended_at + interval '1 minute'
        ORDER BY value.at DESC, value.container LIMIT 1) AS record ON true
    -- Of each time and way the newest row; of each thing the newest that was told; of energies the reference vehicle's before its maker's
    -- before an app's. Two vehicles at one charge contradict each other, and nothing is compared: two names of one kind, since a maker calls
    -- a car by its VIN that its driver calls by its plate. A session told in pieces is no energy, nor is one piece of it, though it be the
    -- only one that lies in the charge's time. One of less than half of that time, beside what the pile relayed of it all, says that one of
    -- them is wrong of the time: nothing is compared, since it is the pile that says when a charge ended.
    LEFT JOIN LATERAL (
        SELECT bool_or(is_doubtful) AS contradictory,
               (array_agg(energy_vehicle_wh ORDER BY way, witness_no DESC) FILTER (WHERE is_told))[1] AS wh,
               (array_agg(vehicle_path ORDER BY way, witness_no DESC) FILTER (WHERE is_told))[1] AS path,
               coalesce((array_agg(vehicle ORDER BY way, witness_no DESC) FILTER (WHERE is_told AND vehicle IS NOT NULL))[1],
                        (array_agg(vehicle ORDER BY witness_no DESC) FILTER (WHERE vehicle IS NOT NULL))[1]) AS vehicle,
               (array_agg(vehicle_model ORDER BY witness_no DESC) FILTER (WHERE vehicle_model IS NOT NULL))[1] AS model,
               (array_agg(ambient_c ORDER BY witness_no DESC) FILTER (WHERE ambient_c IS NOT NULL))[1] AS ambient_c,
               (array_agg(soc_start ORDER BY witness_no DESC) FILTER (WHERE soc_start IS NOT NULL))[1] AS soc_start,
               (array_agg(soc_end ORDER BY witness_no DESC) FILTER (WHERE soc_end IS NOT NULL))[1] AS soc_end,
               (array_agg(amount ORDER BY witness_no DESC) FILTER (WHERE amount IS NOT NULL))[1] AS amount,
               (array_agg(parts ORDER BY witness_no DESC) FILTER (WHERE parts IS NOT NULL))[1] AS parts
        FROM (SELECT judged.*, contradictory OR is_short AND NOT is_part AS is_doubtful,
                     energy_vehicle_wh IS NOT NULL AND NOT bool_or(contradictory OR is_short AND NOT is_part) OVER ()
                     AND count(energy_vehicle_wh) OVER (PARTITION BY vehicle_path) = 1 AND NOT is_part AS is_told
              FROM (SELECT newest.*,
                           min(encode(vehicle, 'hex')) FILTER (WHERE energy_vehicle_wh IS NOT NULL) OVER kind
                               IS DISTINCT FROM max(encode(vehicle, 'hex')) FILTER (WHERE energy_vehicle_wh IS NOT NULL) OVER kind
                               AS contradictory,
                           newest.energy_vehicle_wh IS NOT NULL AND fresh.energy_vehicle_wh IS NOT NULL
                               AND 2 * (newest.ended_at - newest.started_at) < fresh.ended_at - fresh.started_at AS is_short,
                           EXISTS (SELECT FROM witness part
                                   WHERE part.pile_no = newest.pile_no AND part.vehicle_path = newest.vehicle_path
                                     AND part.vehicle IS NOT DISTINCT FROM newest.vehicle AND part.energy_vehicle_wh IS NOT NULL
                                     AND (part.started_at, part.ended_at) <> (newest.started_at, newest.ended_at)
                                     AND (part.connector IS NULL OR newest.connector IS NULL OR part.connector = newest.connector)
                                     AND part.started_at BETWEEN fresh.started_at - interval '1 day' AND fresh.ended_at - interval '5 minutes'
                                     AND part.ended_at > fresh.started_at + interval '5 minutes'
                                     AND NOT EXISTS (SELECT FROM witness later
                                                     WHERE later.pile_no = part.pile_no AND later.started_at = part.started_at
                                                       AND later.ended_at = part.ended_at AND later.vehicle_path = part.vehicle_path
                                                       AND later.connector IS NOT DISTINCT FROM part.connector
                                                       AND later.witness_no > part.witness_no)) AS is_part
                    FROM (SELECT DISTINCT ON (witness.started_at, witness.ended_at, witness.connector, vehicle_path)
                                 witness.*, array_position(ARRAY['reference', 'telematics', 'app'], vehicle_path) AS way
                          FROM witness_fit fit JOIN witness USING (witness_no)
                          WHERE fit.charge_no = fresh.charge_no
                            AND NOT EXISTS (SELECT FROM witness_fit other
                                            WHERE other.witness_no = fit.witness_no AND other.charge_no <> fresh.charge_no)
                          ORDER BY witness.started_at, witness.ended_at, witness.connector, vehicle_path, witness_no DESC) AS newest
                    WINDOW kind AS (PARTITION BY coalesce(vehicle_kind, 'other'))) AS judged) AS witness
        HAVING count(*) > 0) AS witnessed ON true
    -- What changed while it was taken in is taken in with the same moment.
    ON CONFLICT (charge_no, known_from) DO UPDATE SET
        updated_at = excluded.updated_at, connector = excluded.connector, vehicle = excluded.vehicle, started_at = excluded.started_at,
        ended_at = excluded.ended_at, energy_pile_wh = excluded.energy_pile_wh, energy_vehicle_wh = excluded.energy_vehicle_wh,
        register_start_wh = excluded.register_start_wh, register_stop_wh = excluded.register_stop_wh, soc_start = excluded.soc_start,
        soc_end = excluded.soc_end, signed = excluded.signed, signature_key = excluded.signature_key, record_digest = excluded.record_digest,
        clock_offset_s = excluded.clock_offset_s, witness_wh = excluded.witness_wh, witness_path = excluded.witness_path,
        witness_vehicle = excluded.witness_vehicle, vehicle_model = excluded.vehicle_model, ambient_c = excluded.ambient_c,
        amount = excluded.amount, parts = excluded.parts
    RETURNING charge_no, updated_at, ended_at,
        energy_pile_wh IS NOT NULL AND coalesce(witness_wh, energy_vehicle_wh) IS NOT NULL AND coalesce(witness_vehicle, vehicle) IS NOT NULL
            AS comparable
)
-- What was known of each before this statement, whose own rows it does not see.
SELECT coalesce(array_agg(charge_no), '{}'), count(*) FILTER (WHERE stored.comparable),
       count(*) FILTER (WHERE before.comparable AND NOT stored.comparable),
       min(ended_at) FILTER (WHERE stored.comparable OR before.comparable), max(updated_at)
FROM stored
LEFT JOIN LATERAL (
    SELECT e.energy_pile_wh IS NOT NULL AND coalesce(e.witness_wh, e.energy_vehicle_wh) IS NOT NULL
               AND coalesce(e.witness_vehicle, e.vehicle) IS NOT NULL AS comparable
    FROM evidence_charge e WHERE e.charge_no = stored.charge_no ORDER BY e.known_from DESC LIMIT 1) AS before ON true
