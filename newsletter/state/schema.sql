-- Made from state/schema.py by `make docs`.

CREATE TABLE events (
  id INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  kind TEXT NOT NULL,
  created DOUBLE NOT NULL,
  issue TEXT,
  detail TEXT NOT NULL,
  CONSTRAINT events_pk PRIMARY KEY (id)
);

CREATE INDEX events_key ON events ("key");

CREATE INDEX events_kind ON events (kind, created);

CREATE TABLE handled (
  digest TEXT NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT handled_pk PRIMARY KEY (digest)
);

CREATE TABLE issues (
  number INTEGER NOT NULL,
  id TEXT NOT NULL,
  post TEXT NOT NULL,
  subject TEXT NOT NULL,
  created DOUBLE NOT NULL,
  frozen TEXT NOT NULL,
  hash TEXT NOT NULL,
  list_hash TEXT NOT NULL,
  git_commit TEXT,
  state TEXT DEFAULT 'running' NOT NULL,
  starts DOUBLE,
  send_before DOUBLE,
  queued DOUBLE,
  secret TEXT,
  CONSTRAINT issues_pk PRIMARY KEY (number),
  CONSTRAINT issues_id_unique UNIQUE (id)
);

CREATE TABLE leases (
  issue TEXT NOT NULL,
  owner TEXT NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process TEXT NOT NULL,
  since DOUBLE NOT NULL,
  heartbeat DOUBLE NOT NULL,
  epoch INTEGER DEFAULT 0 NOT NULL,
  log_epoch INTEGER DEFAULT 0 NOT NULL,
  log_mark INTEGER,
  CONSTRAINT leases_pk PRIMARY KEY (issue)
);

CREATE TABLE limits (
  relay TEXT NOT NULL,
  version INTEGER NOT NULL,
  windows TEXT NOT NULL,
  slots TEXT NOT NULL,
  CONSTRAINT limits_pk PRIMARY KEY (relay)
);

CREATE TABLE marks (
  name TEXT NOT NULL,
  moment DOUBLE NOT NULL,
  CONSTRAINT marks_pk PRIMARY KEY (name)
);

CREATE TABLE notices (
  id INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  email TEXT NOT NULL,
  kind TEXT NOT NULL,
  detail TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  created DOUBLE NOT NULL,
  not_before DOUBLE NOT NULL,
  reply TEXT,
  CONSTRAINT notices_pk PRIMARY KEY (id)
);

CREATE INDEX notices_due ON notices (state, not_before);

CREATE INDEX notices_key ON notices ("key");

CREATE TABLE signups (
  "key" TEXT NOT NULL,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  columns TEXT NOT NULL,
  created DOUBLE NOT NULL,
  asked DOUBLE NOT NULL,
  CONSTRAINT signups_pk PRIMARY KEY ("key")
);

CREATE TABLE subscriber_columns (
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  CONSTRAINT subscriber_columns_pk PRIMARY KEY (number),
  CONSTRAINT subscriber_columns_name_unique UNIQUE (name)
);

CREATE TABLE subscribers (
  id INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  columns TEXT NOT NULL,
  CONSTRAINT subscribers_pk PRIMARY KEY (id)
);

CREATE UNIQUE INDEX subscribers_key ON subscribers ("key");

CREATE TABLE suppressions (
  "key" TEXT NOT NULL,
  email TEXT,
  reason TEXT NOT NULL,
  source TEXT NOT NULL,
  created DOUBLE NOT NULL,
  issue TEXT,
  CONSTRAINT suppressions_pk PRIMARY KEY ("key")
);

CREATE TABLE workers (
  number INTEGER NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process TEXT NOT NULL,
  since DOUBLE NOT NULL,
  heartbeat DOUBLE NOT NULL,
  CONSTRAINT workers_pk PRIMARY KEY (number)
);

CREATE TABLE claims (
  number INTEGER NOT NULL,
  issue INTEGER NOT NULL,
  boot TEXT NOT NULL,
  ids TEXT NOT NULL,
  CONSTRAINT claims_pk PRIMARY KEY (number),
  CONSTRAINT claims_issue_fk FOREIGN KEY(issue) REFERENCES issues (number)
);

CREATE TABLE deliveries (
  id INTEGER NOT NULL,
  issue INTEGER NOT NULL,
  "key" TEXT NOT NULL,
  email TEXT NOT NULL,
  name TEXT NOT NULL,
  columns TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  first_attempt DOUBLE,
  not_before DOUBLE,
  code INTEGER,
  status TEXT,
  text TEXT,
  command TEXT,
  relay TEXT,
  updated DOUBLE,
  chosen INTEGER DEFAULT 1 NOT NULL,
  CONSTRAINT deliveries_pk PRIMARY KEY (id),
  CONSTRAINT deliveries_issue_key_unique UNIQUE (issue, "key"),
  CONSTRAINT deliveries_issue_fk FOREIGN KEY(issue) REFERENCES issues (number)
);

CREATE INDEX deliveries_due ON deliveries (issue, not_before) WHERE not_before IS NOT NULL;

CREATE INDEX deliveries_issue ON deliveries (issue, id);

CREATE TABLE shards (
  number INTEGER NOT NULL,
  issue INTEGER NOT NULL,
  epoch INTEGER DEFAULT 0 NOT NULL,
  worker INTEGER,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  due DOUBLE,
  job INTEGER,
  serial INTEGER DEFAULT 0 NOT NULL,
  CONSTRAINT shards_pk PRIMARY KEY (number),
  CONSTRAINT shards_issue_fk FOREIGN KEY(issue) REFERENCES issues (number)
);

CREATE INDEX shards_issue ON shards (issue);
