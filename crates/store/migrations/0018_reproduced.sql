-- Author: assess. Of a day the last run is kept, with all that it found, and every run that changed a pile's verdict, with what it said of
-- the piles whose verdict it changed. All else that a run said is told by a hash: it comes out again, or not.
ALTER TABLE assessment_run ADD COLUMN estimates_sha256 bytea;

CREATE TABLE verdict_change (
    run_no               bigint NOT NULL REFERENCES assessment_run,
    pile_no              bigint NOT NULL REFERENCES pile,
    verdict_before       text,
    as_of                timestamptz NOT NULL,
    component            bigint NOT NULL,
    grounded             boolean NOT NULL,
    charges              bigint NOT NULL,
    first_charge_at      timestamptz,
    last_charge_at       timestamptz,
    error                double precision,
    standard_uncertainty double precision,
    probability_conform  double precision,
    mpe                  double precision NOT NULL,
    rule                 text NOT NULL,
    verdict              text NOT NULL,
    PRIMARY KEY (pile_no, run_no)
);
CREATE INDEX verdict_change_by_run ON verdict_change (run_no);
CREATE INDEX estimate_by_run ON estimate (run_no);

-- Author: assess. What an operator's errors are in money, at the prices told of its stations, and over what share of its energy they are
-- known; null: before this was kept.
ALTER TABLE operator_balance
    ADD COLUMN excess_cny       numeric,
    ADD COLUMN excess_cny_lower numeric,
    ADD COLUMN excess_cny_upper numeric,
    ADD COLUMN priced_share     double precision;
