-- The remote assessment over time: what each run knew, what it found, and the week-by-week filter.

-- Author: gateway. Firmware as it was first heard of, when it differs from the one before; appended.
CREATE TABLE firmware_change (
    pile_no bigint NOT NULL REFERENCES pile,
    at      timestamptz NOT NULL,
    version text NOT NULL,
    PRIMARY KEY (pile_no, at)
);
INSERT INTO firmware_change (pile_no, at, version)
SELECT pile_no, booted_at, firmware FROM pile_live WHERE firmware IS NOT NULL AND booted_at IS NOT NULL;

-- Author: registration (`veripile register`). Energy by a station's master meter or a pile's register in an interval, appended; of rows
-- for one interval the newest counts. No energy: the meter was not read.
CREATE TABLE energy_interval (
    energy_no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id     text COLLATE "C" REFERENCES station,
    pile_no        bigint REFERENCES pile,
    from_at        timestamptz NOT NULL,
    to_at          timestamptz NOT NULL CHECK (from_at < to_at),
    energy_kwh     numeric,
    accuracy_class numeric,
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    CHECK ((station_id IS NULL) <> (pile_no IS NULL))
);
CREATE INDEX energy_interval_by_meter ON energy_interval (station_id, pile_no, from_at, to_at, energy_no DESC);

-- Charges that have ended, by when they last changed: an assessment reads the new ones only.
CREATE INDEX charge_ended ON charge (updated_at) WHERE ended_at IS NOT NULL;

-- Author: assess, the tables down to `next_date`.

-- Up to which change of a charge everything has been taken in.
CREATE TABLE evidence_taken (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    charges_until timestamptz NOT NULL
);

-- What a charge said when it was taken in, appended; again when it has changed since. A run of a moment knew of each charge the newest row
-- that was known before: so every past run can be made again. Without `energy_pile_wh` the charge says nothing any more.
CREATE TABLE evidence_charge (
    charge_no         bigint NOT NULL,
    known_from        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    pile_no           bigint NOT NULL REFERENCES pile,
    connector         bigint,
    vehicle           bytea,
    started_at        timestamptz,
    ended_at          timestamptz NOT NULL,
    energy_pile_wh    numeric,
    energy_vehicle_wh numeric,
    register_start_wh numeric,
    register_stop_wh  numeric,
    soc_start         numeric,
    soc_end           numeric,
    signed            boolean NOT NULL,
    signature_key     bytea,
    record_digest     bytea,
    clock_offset_s    double precision,
    PRIMARY KEY (charge_no, known_from)
);
CREATE INDEX evidence_charge_by_end ON evidence_charge (ended_at);

-- Piles, acts and intervals of energy, in the same way.
CREATE TABLE evidence_pile (
    pile_no        bigint NOT NULL REFERENCES pile,
    known_from     timestamptz NOT NULL,
    kind           text NOT NULL,
    accuracy_class numeric NOT NULL,
    station_id     text,
    operator_id    text,
    model          text,
    PRIMARY KEY (pile_no, known_from)
);
CREATE TABLE evidence_act (
    act_no     bigint PRIMARY KEY REFERENCES act,
    known_from timestamptz NOT NULL
);
CREATE TABLE evidence_energy (
    energy_no  bigint PRIMARY KEY REFERENCES energy_interval,
    known_from timestamptz NOT NULL
);

-- With what a run was made, so that it can be made again; none for runs of before.
ALTER TABLE assessment_run ADD COLUMN basis jsonb;

-- Findings of a run: reasons to look, never verdicts. Exactly one of pile, station and operator is named. They go with their run.
CREATE TABLE signal (
    run_no      bigint NOT NULL REFERENCES assessment_run ON DELETE CASCADE,
    place       integer NOT NULL,
    pile_no     bigint REFERENCES pile,
    station_id  text COLLATE "C" REFERENCES station,
    operator_id text COLLATE "C" REFERENCES operator,
    code        text NOT NULL,
    severity    text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    statistic   double precision NOT NULL,
    p_value     double precision,
    from_at     timestamptz,
    to_at       timestamptz,
    detail      text NOT NULL,
    charges     bigint[] NOT NULL,
    PRIMARY KEY (run_no, place)
);
CREATE INDEX signal_by_pile ON signal (pile_no, run_no);

-- How operators' errors balance, by run.
CREATE TABLE operator_balance (
    run_no               bigint NOT NULL REFERENCES assessment_run ON DELETE CASCADE,
    operator_id          text COLLATE "C" NOT NULL REFERENCES operator,
    piles                bigint NOT NULL,
    energy_kwh           numeric NOT NULL,
    mean_error           double precision,
    standard_uncertainty double precision,
    p_value              double precision,
    balance              text NOT NULL CHECK (balance IN ('balanced', 'biased', 'undecided')),
    excess_kwh           double precision,
    excess_kwh_lower     double precision,
    excess_kwh_upper     double precision,
    PRIMARY KEY (run_no, operator_id)
);

-- By when a pile is to be verified next by its state, or why no such day is proposed; and how much is at stake until then. By run.
CREATE TABLE next_date (
    run_no    bigint NOT NULL REFERENCES assessment_run ON DELETE CASCADE,
    pile_no   bigint NOT NULL REFERENCES pile,
    due_on    date,
    withdrawn text[] NOT NULL,
    risk_kwh  double precision,
    chosen    text CHECK (chosen IN ('by_lot', 'by_risk')),
    PRIMARY KEY (run_no, pile_no),
    CHECK ((due_on IS NULL) = (withdrawn <> '{}'))
);
CREATE INDEX next_date_by_pile ON next_date (pile_no, run_no);

-- Author: assess. The filter: what it knows at the end of a finished week (weeks since 1970, from Mondays), the last few only.
CREATE TABLE filter_week (
    week  integer PRIMARY KEY,
    state bytea NOT NULL
);

-- Author: assess. A pile's error at the end of a week and how that week differed from what was expected; the open week's is overwritten.
CREATE TABLE weekly_error (
    pile_no              bigint NOT NULL REFERENCES pile,
    week                 integer NOT NULL,
    error                double precision NOT NULL,
    standard_uncertainty double precision NOT NULL,
    charges              bigint NOT NULL,
    innovation           double precision,
    innovation_variance  double precision,
    PRIMARY KEY (pile_no, week)
);

-- Author: assess. Steps of a pile's error: found in which week, between which weeks it took place, its size.
CREATE TABLE error_step (
    pile_no              bigint NOT NULL REFERENCES pile,
    found_week           integer NOT NULL,
    first_week           integer NOT NULL,
    earliest_week        integer NOT NULL,
    latest_week          integer NOT NULL,
    size                 double precision NOT NULL,
    standard_uncertainty double precision NOT NULL,
    statistic            double precision NOT NULL,
    PRIMARY KEY (pile_no, found_week)
);
