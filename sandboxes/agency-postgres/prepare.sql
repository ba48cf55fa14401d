-- grader: ours, reachable over the verify network only. app: what a submission gets; it can read and nothing else, and
-- the temporary files of its 20 connections together leave room on the tmpfs.
CREATE ROLE grader LOGIN SUPERUSER;
CREATE ROLE app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT 20;
ALTER ROLE app SET default_transaction_read_only = on;
ALTER ROLE app SET statement_timeout = '10s';
ALTER ROLE app SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE app SET temp_file_limit = '6MB';
-- A plan for each execution: that is how they are counted while a transaction is open.
ALTER ROLE app SET plan_cache_mode = 'force_custom_plan';
CREATE DATABASE agency OWNER grader;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
REVOKE ALL ON DATABASE agency FROM PUBLIC;
GRANT CONNECT ON DATABASE agency TO app;
\connect agency
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO app;
CREATE SCHEMA meter;
CREATE EXTENSION pg_stat_statements SCHEMA meter;
