-- Roles and databases of a new server, run once by the image when its data directory is made. The passwords come from the
-- files that are mounted as secrets. Tables are for migrations. What it says of our roles is what local/roles.py says.
\set ON_ERROR_STOP on
\set owner_password `cat "${SECRETS_DIR:-/run/secrets}/paysaga_owner_password"`
\set runtime_password `cat "${SECRETS_DIR:-/run/secrets}/paysaga_runtime_password"`
\set temporal_password `cat "${SECRETS_DIR:-/run/secrets}/temporal_database_password"`

-- The schema's owner, the role that row-level security binds, and the one it enters to read across tenants.
CREATE ROLE paysaga_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD :'owner_password';
CREATE ROLE paysaga_runtime LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD :'runtime_password';
CREATE ROLE paysaga_system NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB;
GRANT paysaga_system TO paysaga_runtime WITH INHERIT FALSE, SET TRUE;

CREATE ROLE temporal LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB PASSWORD :'temporal_password';

CREATE DATABASE paysaga OWNER paysaga_owner;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

REVOKE ALL ON DATABASE paysaga FROM PUBLIC;
REVOKE ALL ON DATABASE temporal FROM PUBLIC;
REVOKE ALL ON DATABASE temporal_visibility FROM PUBLIC;
GRANT CONNECT ON DATABASE paysaga TO paysaga_runtime;

\connect paysaga
REVOKE ALL ON SCHEMA public FROM PUBLIC;
