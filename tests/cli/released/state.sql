BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO "alembic_version" VALUES('0001');
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
  CONSTRAINT deliveries_pk PRIMARY KEY (id),
  CONSTRAINT deliveries_issue_key_unique UNIQUE (issue, "key"),
  CONSTRAINT deliveries_issue_fk FOREIGN KEY(issue) REFERENCES issues (number)
);
INSERT INTO "deliveries" VALUES(1,1,'ada@example.net','ada@example.net','Ada','{"city":"Lyon"}','sent',1,1.79570638155589509007e+09,NULL,250,'2.0.0','taken','.','127.0.0.1:39327',1.79570638157068967815e+09);
INSERT INTO "deliveries" VALUES(2,1,'ben@example.net','ben@example.net','Ben','{"city":""}','sent',1,1.79570638156828165047e+09,NULL,250,'2.0.0','taken','.','127.0.0.1:39327',1.79570638158280158043e+09);
INSERT INTO "deliveries" VALUES(3,1,'cem@example.net','cem@example.net','Cem','{"city":"Oslo"}','pending',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "deliveries" VALUES(4,1,'dora@example.net','dora@example.net','','{"city":"Rome"}','pending',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "deliveries" VALUES(5,1,'eve@example.net','eve@example.net','Eve O.','{"city":""}','pending',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
  CONSTRAINT issues_pk PRIMARY KEY (number),
  CONSTRAINT issues_id_unique UNIQUE (id)
);
INSERT INTO "issues" VALUES(1,'hello','posts/2026-05-04-hello.md','What the river knows',1.79570638133245491984e+09,'{"facts":{"issue":{"id":"hello","preheader":"Dear , the river knows, and so does the bridge. See you in . One Two & three","subject":"What the river knows"},"newsletter":{"author":"Ada Moreau <ada@example.org>","author_name":"Ada Moreau","background":"#f4f4f1","color":"#0b5cad","dir":"ltr","font":"","language":"en","logo":"","postal_address":"1 Main Street, Springfield","preferences":false,"reason":"","title":"The Long View","unsubscribe":true,"url":"https://example.org"},"post":{"author":{"name":"Ada Moreau","picture":""},"categories":[],"date":"2026-05-04T08:00:00+02:00","date_text":"4 May 2026","image":"","image_alt":"","personalize":true,"reading_minutes":1,"slug":"hello","subtitle":"","summary":"Dear , the river knows, and so does the bridge. See you in . One Two & three","tags":[],"title":"What the river knows","url":"https://example.org/hello/"},"site":{"title":"The Long View","url":"https://example.org"}},"html":["<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n<title>What the river knows</title>\n<style>@media (max-width: 480px) {\np {margin: 0 0 8px !important}\n}</style>\n</head>\n<body>\n<div lang=\"en\" dir=\"ltr\">\n<h1>What the river knows</h1>\n<p style=\"margin:0 0 12px\">Dear ",{"line":8,"path":"posts/2026-05-04-hello.md","source":"{{ (subscriber.name or \"reader\") }}"},",</p>\n<p style=\"margin:0 0 12px\">the river <em>knows</em>, and so does <a href=\"https://example.org/bridge/\" style=\"color:#0b5cad\">the bridge</a>.</p>\n",{"line":12,"path":"posts/2026-05-04-hello.md","source":"{% if subscriber.city %}\n<p style=\"margin:0 0 12px\">See you in {{ subscriber.city }}.</p>\n{% endif %}"},"\n<ul>\n<li>One</li>\n<li>Two &amp; three</li>\n</ul>\n<p style=\"margin:0 0 12px\"><a href=\"",{"line":16,"path":"email_templates/post.html","source":"{{ unsubscribe_url }}"},"\" style=\"color:#0b5cad\">Unsubscribe</a></p>\n<p style=\"margin:0 0 12px\">1 Main Street, Springfield</p>\n</div>\n</body>\n</html>"],"id":"hello","language":"en","list_id":"The Long View <example.org>","mail_from":"ada@example.org","post":"posts/2026-05-04-hello.md","preheader":"Dear , the river knows, and so does the bridge. See you in . One Two & three","reply_to":"","sender":"Ada Moreau <ada@example.org>","subject":["What the river knows"],"text":["What the river knows\n\nDear ",{"line":8,"path":"posts/2026-05-04-hello.md","source":"{{ (subscriber.name or \"reader\") }}"},",\n\nthe river _knows_, and so does the bridge [1].\n\n",{"line":12,"path":"posts/2026-05-04-hello.md","source":"{% if subscriber.city %}See you in {{ subscriber.city }}.\n\n{% endif %}"},"- One\n- Two & three\n\n[1] https://example.org/bridge/\n\nUnsubscribe: ",{"line":5,"path":"email_templates/post.txt","source":"{{ unsubscribe_url }}"},"\n1 Main Street, Springfield\n"],"unsubscribe_mailto":"leave@example.org","unsubscribe_url":"","view_url":"https://example.org/hello/"}','4fed45df1105f16614920755cc6910e274c73b1d0c55c9665c54c0a06d296172','fd75949761d2fb44acf8ebb3d6c361f8b73aa3684dce1a55321f6e5a9505cc09',NULL);
CREATE TABLE leases (
  issue TEXT NOT NULL,
  owner TEXT NOT NULL,
  host TEXT NOT NULL,
  boot TEXT NOT NULL,
  pid INTEGER NOT NULL,
  process TEXT NOT NULL,
  since DOUBLE NOT NULL,
  heartbeat DOUBLE NOT NULL,
  CONSTRAINT leases_pk PRIMARY KEY (issue)
);
CREATE TABLE suppressions (
  "key" TEXT NOT NULL,
  email TEXT NOT NULL,
  reason TEXT NOT NULL,
  source TEXT NOT NULL,
  created DOUBLE NOT NULL,
  CONSTRAINT suppressions_pk PRIMARY KEY ("key")
);
CREATE INDEX deliveries_due ON deliveries (issue, not_before) WHERE state = 'deferred';
CREATE INDEX deliveries_issue ON deliveries (issue, id);
COMMIT;
