-- Charges as they are after a batch, new ones and those that were there.
INSERT INTO charge (charge_no, pile_no, reference, start_key, connector, vehicle, started_at, ended_at,
    register_start_wh, register_stop_wh, pile_begin_at, pile_begin_wh, pile_end_at, pile_end_wh,
    vehicle_begin_at, vehicle_begin_wh, vehicle_end_at, vehicle_end_wh,
    signed_begin_at, signed_begin_wh, signed_end_at, signed_end_wh, reason, energy_pile_wh, energy_vehicle_wh,
    marks, updated_at, pile_begin_phases, pile_end_phases, last_at, last_wh, last_phases, course, sequence, offline, placed, booted_at)
SELECT charge_no, pile_no, reference, start_key, connector, vehicle, started_at, ended_at,
    register_start_wh, register_stop_wh, pile_begin_at, pile_begin_wh, pile_end_at, pile_end_wh,
    vehicle_begin_at, vehicle_begin_wh, vehicle_end_at, vehicle_end_wh,
    signed_begin_at, signed_begin_wh, signed_end_at, signed_end_wh, reason, energy_pile_wh, energy_vehicle_wh,
    coalesce(string_to_array(marks, ','), '{}'), updated_at,
    pile_begin_phases, pile_end_phases, last_at, last_wh, last_phases, course, sequence, offline, placed, booted_at
FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::timestamptz[],
    $8::timestamptz[], $9::numeric[], $10::numeric[], $11::timestamptz[], $12::numeric[], $13::timestamptz[],
    $14::numeric[], $15::timestamptz[], $16::numeric[], $17::timestamptz[], $18::numeric[], $19::timestamptz[],
    $20::numeric[], $21::timestamptz[], $22::numeric[], $23::text[], $24::numeric[], $25::numeric[], $26::text[],
    $27::timestamptz[], $28::smallint[], $29::smallint[], $30::timestamptz[], $31::numeric[], $32::smallint[], $33::jsonb[],
    $34::text[], $35::boolean[], $36::boolean[], $37::timestamptz[])
    AS c(charge_no, pile_no, reference, start_key, connector, vehicle, started_at, ended_at,
    register_start_wh, register_stop_wh, pile_begin_at, pile_begin_wh, pile_end_at, pile_end_wh,
    vehicle_begin_at, vehicle_begin_wh, vehicle_end_at, vehicle_end_wh,
    signed_begin_at, signed_begin_wh, signed_end_at, signed_end_wh, reason, energy_pile_wh, energy_vehicle_wh,
    marks, updated_at, pile_begin_phases, pile_end_phases, last_at, last_wh, last_phases, course, sequence, offline, placed, booted_at)
ON CONFLICT (charge_no) DO UPDATE SET
    reference = excluded.reference, start_key = excluded.start_key, connector = excluded.connector, vehicle = excluded.vehicle,
    started_at = excluded.started_at, ended_at = excluded.ended_at,
    register_start_wh = excluded.register_start_wh, register_stop_wh = excluded.register_stop_wh,
    pile_begin_at = excluded.pile_begin_at, pile_begin_wh = excluded.pile_begin_wh,
    pile_end_at = excluded.pile_end_at, pile_end_wh = excluded.pile_end_wh,
    vehicle_begin_at = excluded.vehicle_begin_at, vehicle_begin_wh = excluded.vehicle_begin_wh,
    vehicle_end_at = excluded.vehicle_end_at, vehicle_end_wh = excluded.vehicle_end_wh,
    signed_begin_at = excluded.signed_begin_at, signed_begin_wh = excluded.signed_begin_wh,
    signed_end_at = excluded.signed_end_at, signed_end_wh = excluded.signed_end_wh,
    reason = excluded.reason, energy_pile_wh = excluded.energy_pile_wh,
    energy_vehicle_wh = excluded.energy_vehicle_wh, marks = excluded.marks, updated_at = excluded.updated_at,
    pile_begin_phases = excluded.pile_begin_phases, pile_end_phases = excluded.pile_end_phases,
    last_at = excluded.last_at, last_wh = excluded.last_wh, last_phases = excluded.last_phases, course = excluded.course,
    sequence = excluded.sequence, offline = excluded.offline, placed = excluded.placed, booted_at = excluded.booted_at
