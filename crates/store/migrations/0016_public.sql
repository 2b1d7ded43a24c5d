-- What the public pages count by, and the life of cases.

-- Author: registration. The district or county (行政区划) that a station stands in, as its name is written; null: nobody said.
ALTER TABLE station ADD COLUMN region text;

-- Author: registration. The day on which the operator made the public commitment to honest metering (诚信计量自我承诺); null: it has not.
ALTER TABLE operator ADD COLUMN committed_on date;

-- Author: `veripile case`, the regulator's pages later. Steps of cases, appended; those that are acts of authority stand in `act`, too.
CREATE TABLE case_step (
    step_no         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pile_no         bigint NOT NULL REFERENCES pile,
    number          text COLLATE "C" NOT NULL,
    outlet          bigint CHECK (outlet > 0),
    issuer          text NOT NULL,
    person          text NOT NULL,
    taken_at        timestamptz NOT NULL,
    from_stage      text,
    to_stage        text NOT NULL,
    reason          text NOT NULL,
    evidence_sha256 text
);
CREATE INDEX case_step_by_case ON case_step (pile_no, number, step_no);
