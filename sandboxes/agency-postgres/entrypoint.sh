#!/bin/sh
# Copies the prepared cluster to the tmpfs on /data, serves it, and opens the door through which the app comes in. Needs
# VERIFY_ADDRESS, VERIFY_SUBNET, AGENCY_ADDRESS, GRADER_PASSWORD and APP_PASSWORD. The grader is let in from the verify
# network only and the app through the door's socket only, so the app cannot even try the grader's password.
set -eu
cp -a /seed/pg /data/pg
chmod 700 /data/pg
# The texts of the app's statements are kept here; too many of them must not fill the tmpfs of the data.
mkdir -m 0700 /tmp/meter
rm -rf /data/pg/pg_stat_tmp
ln -s /tmp/meter /data/pg/pg_stat_tmp
cat >/data/pg/pg_hba.conf <<HBA
local agency  app                         scram-sha-256
host  agency  grader    ${VERIFY_SUBNET}  scram-sha-256
HBA
# Passwords are set in single-user mode, before anybody can connect.
printf "ALTER ROLE grader PASSWORD '%s'\nALTER ROLE app PASSWORD '%s'\n" "${GRADER_PASSWORD}" "${APP_PASSWORD}" |
    postgres --single -D /data/pg -c shared_preload_libraries= postgres >/dev/null
# The container ends with the server, and the server is ended when the door ends.
(python3 -I -m grader.agency door || :; kill -KILL $$) &
unset GRADER_PASSWORD APP_PASSWORD
exec postgres -D /data/pg -c listen_addresses="${VERIFY_ADDRESS}"
