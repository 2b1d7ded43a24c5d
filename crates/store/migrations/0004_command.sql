-- What we ask of chargers, and what their configuration says of their metering.

-- Author: registration (somebody orders), then the gateway that holds the socket.
CREATE TABLE command (
    command_no  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pile_no     bigint NOT NULL REFERENCES pile,
    call        jsonb NOT NULL,
    person      text NOT NULL,
    asked_at    timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    sent_at     timestamptz,
    message_id  text,
    answered_at timestamptz,
    outcome     text,
    answer      text
);
CREATE INDEX command_waiting ON command (pile_no) WHERE sent_at IS NULL AND outcome IS NULL;
CREATE INDEX command_by_pile ON command (pile_no, command_no DESC);

-- Author: gateway. What a charger's configuration says of its metering, as last read.
CREATE TABLE readiness (
    pile_no bigint PRIMARY KEY REFERENCES pile,
    read_at timestamptz NOT NULL,
    body    jsonb NOT NULL
);

-- Author: gateway. Coded findings about how a pile speaks, counted, each with its last example (identities replaced).
CREATE TABLE finding (
    pile_no  bigint NOT NULL REFERENCES pile,
    code     text NOT NULL,
    action   text NOT NULL,
    count    bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    example  text NOT NULL,
    PRIMARY KEY (pile_no, code, action)
);

-- Author: gateway. Messages heard from a pile since it has findings counted, and those among them without any.
ALTER TABLE pile_live ADD COLUMN messages bigint NOT NULL DEFAULT 0, ADD COLUMN clean_messages bigint NOT NULL DEFAULT 0;
