#!/bin/sh
# Copies the prepared data to the tmpfs on /data, serves them, and opens the door through which the app comes in. Needs
# VERIFY_ADDRESS, VERIFY_SUBNET, AGENCY_ADDRESS, GRADER_PASSWORD and APP_PASSWORD. The grader's account exists for the
# verify network only and the app's for the door's socket only, so the app cannot even try the grader's password.
set -eu
cp -a /seed/my /data/my
mkdir -m 0700 /data/audit
netmask=$(python3 -I -c 'import ipaddress, sys; print(ipaddress.ip_network(sys.argv[1]).with_netmask)' "${VERIFY_SUBNET}")
(
    umask 077
    cat >/data/accounts.sql <<SQL
CREATE USER 'grader'@'${netmask}' IDENTIFIED VIA mysql_native_password USING PASSWORD('${GRADER_PASSWORD}');
GRANT ALL PRIVILEGES ON *.* TO 'grader'@'${netmask}';
CREATE USER 'app'@'localhost' IDENTIFIED VIA mysql_native_password USING PASSWORD('${APP_PASSWORD}') WITH MAX_USER_CONNECTIONS 20 MAX_STATEMENT_TIME 10;
GRANT SELECT ON agency.* TO 'app'@'localhost';
SQL
)
# The container ends with the server, and the server is ended when the door ends.
(python3 -I -m grader.agency door || :; kill -KILL $$) &
unset GRADER_PASSWORD APP_PASSWORD
# LOAD_FILE reads only what everybody may read; the folder above is closed to everybody.
export UMASK=0644
exec mariadbd --defaults-file=/seed/agency.cnf --bind-address="${VERIFY_ADDRESS}" --init-file=/data/accounts.sql
