#!/bin/sh
# Copies the prepared cluster to the tmpfs on /data and serves it. Needs VERIFY_SUBNET, AGENCY_SUBNET, GRADER_PASSWORD
# and APP_PASSWORD. Each role is let in from its own network only, so the app cannot even try the grader's password.
set -eu
cp -a /seed/pg /data/pg
chmod 700 /data/pg
cat >/data/pg/pg_hba.conf <<HBA
local all     postgres                    trust
host  agency  grader    ${VERIFY_SUBNET}  scram-sha-256
host  agency  app       ${AGENCY_SUBNET}  scram-sha-256
HBA
# Passwords are set in single-user mode, before anybody can connect.
printf "ALTER ROLE grader PASSWORD '%s'\nALTER ROLE app PASSWORD '%s'\n" "${GRADER_PASSWORD}" "${APP_PASSWORD}" |
    postgres --single -D /data/pg -c shared_preload_libraries= postgres >/dev/null
unset GRADER_PASSWORD APP_PASSWORD
exec postgres -D /data/pg
