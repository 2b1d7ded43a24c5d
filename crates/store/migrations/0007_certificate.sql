-- Certificates of chargers that our authority was asked for.

-- Author: gateway. Certificates issued. What became of one is the outcome of the command that delivers it.
CREATE TABLE certificate (
    certificate_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pile_no        bigint NOT NULL REFERENCES pile,
    serial         text COLLATE "C" NOT NULL UNIQUE,
    subject        text NOT NULL,
    not_before     timestamptz NOT NULL,
    not_after      timestamptz NOT NULL,
    issued_at      timestamptz NOT NULL,
    pem            text NOT NULL,
    request_id     integer,
    command_no     bigint REFERENCES command
);
CREATE INDEX certificate_by_pile ON certificate (pile_no, certificate_no DESC);

-- Author: gateway. Requests refused, counted by reason, each with its last detail; the requests themselves are in `frame`.
CREATE TABLE certificate_refusal (
    pile_no  bigint NOT NULL REFERENCES pile,
    reason   text NOT NULL,
    detail   text NOT NULL,
    count    bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (pile_no, reason)
);
