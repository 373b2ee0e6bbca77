#!/bin/sh
# Starts Temporal's server as its image would. That knows its database's password by environment only, so the file is read
# here, and the container's settings, which everybody with access to the engine can read, do not hold it.
set -eu
POSTGRES_PWD=$(cat /run/secrets/temporal_database_password)
export POSTGRES_PWD
exec /etc/temporal/entrypoint.sh
