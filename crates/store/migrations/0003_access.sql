-- Who may connect and how, every attempt to, and every text that chargers are sent.

-- Author: registration; the gateway only reads it. How a pile proves who it is, and where its messages are relayed to.
CREATE TABLE access (
    pile_no          bigint PRIMARY KEY REFERENCES pile,
    security_profile smallint CHECK (security_profile BETWEEN 0 AND 3),
    key_hash         text,
    key_made_at      timestamptz,
    previous_hash    text,
    upstream_url     text
);

-- Registration `inbox`: an unknown charger waits here until somebody lets it in.
ALTER TABLE pile ADD COLUMN inbox boolean NOT NULL DEFAULT false;

-- Author: gateway. Whether the upstream of a relayed pile is reached.
ALTER TABLE pile_live ADD COLUMN upstream text;

-- Author: gateway. Attempts to connect, let in or not: one row for each identity, reason, address and offer.
CREATE TABLE attempt (
    identity text COLLATE "C" NOT NULL,
    reason   text NOT NULL,
    address  text NOT NULL,
    offered  text NOT NULL,
    detail   text NOT NULL,
    attempts bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (identity, reason, address, offered)
);
CREATE INDEX attempt_by_time ON attempt (last_at DESC);

-- Author: gateway. Every text a charger was sent: our answers and calls, and what a relay's upstream said. Pairs with
-- `frame` by connection and message id.
CREATE TABLE sent (
    pile_no    bigint NOT NULL,
    time       timestamptz NOT NULL,
    connection uuid NOT NULL,
    kind       text NOT NULL,
    message_id text,
    body       text NOT NULL
);
CREATE INDEX sent_by_pile ON sent (pile_no, time);
CREATE INDEX frame_by_arrival ON frame (pile_no, received_at);
