-- What others than the pile tell of a charge: a vehicle's maker, a driver's app, an authority with a reference vehicle.

-- Author: `veripile witness`. Appended; of rows that speak of the same time by the same way the newest counts, and one without an energy
-- takes back the energy of those before. A row is kept whether it fits a charge or not: the charge may come later.
CREATE TABLE witness (
    witness_no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pile_no           bigint NOT NULL REFERENCES pile,
    connector         bigint,
    started_at        timestamptz NOT NULL,
    ended_at          timestamptz NOT NULL CHECK (started_at < ended_at),
    vehicle           bytea,
    vehicle_model     text,
    vehicle_path      text CHECK (vehicle_path IN ('telematics', 'app', 'reference')),
    energy_vehicle_wh numeric,
    soc_start         numeric,
    soc_end           numeric,
    ambient_c         numeric,
    amount            numeric,
    parts             jsonb,
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    CHECK (vehicle_path IS NOT NULL OR energy_vehicle_wh IS NULL),
    CHECK ((amount IS NULL) = (parts IS NULL))
);
CREATE INDEX witness_by_pile ON witness (pile_no, started_at);

-- Which charges a row may speak of, of those that have ended: it lies in the time of the charge but for five minutes, as pile and vehicle
-- have clocks of their own. A row that fits two charges speaks of neither. Bounds on both begins let both sides be found by an index.
CREATE VIEW witness_fit AS
SELECT witness_no, charge_no
FROM witness
JOIN charge ON charge.pile_no = witness.pile_no
    AND (witness.connector IS NULL OR witness.connector = charge.connector)
    AND charge.started_at BETWEEN witness.started_at - interval '7 days' AND witness.started_at + interval '5 minutes'
    AND witness.started_at BETWEEN charge.started_at - interval '5 minutes' AND charge.started_at + interval '7 days'
    AND witness.started_at <= charge.ended_at + interval '5 minutes'
    AND witness.ended_at <= charge.ended_at + interval '5 minutes'
WHERE charge.ended_at IS NOT NULL;

-- Author: `veripile witness` and assess. Charges to be taken in anew though they did not change: what fits them did.
CREATE TABLE evidence_due (
    charge_no bigint PRIMARY KEY REFERENCES charge
);

-- Author: registration. Calibrations of reference vehicles, appended; of rows of one vehicle and moment the newest counts.
CREATE TABLE reference_vehicle (
    reference_no                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vehicle                      bytea NOT NULL,
    verified_at                  timestamptz NOT NULL,
    error_percent                numeric NOT NULL,
    expanded_uncertainty_percent numeric NOT NULL,
    coverage_factor              numeric NOT NULL,
    recorded_at                  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reference_by_vehicle ON reference_vehicle (vehicle, verified_at, reference_no DESC);

-- Author: assess, from here on.
CREATE TABLE evidence_reference (
    reference_no bigint PRIMARY KEY REFERENCES reference_vehicle,
    known_from   timestamptz NOT NULL
);

-- What witnesses told of a charge when it was taken in.
ALTER TABLE evidence_charge
    ADD COLUMN witness_wh      numeric,
    ADD COLUMN witness_path    text,
    ADD COLUMN witness_vehicle bytea,
    ADD COLUMN vehicle_model   text,
    ADD COLUMN ambient_c       numeric,
    ADD COLUMN amount          numeric,
    ADD COLUMN parts           jsonb;
