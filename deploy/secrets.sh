#!/bin/sh
# Makes the secrets of a new installation: one file each in the folder named, which docker-compose.yml mounts. What is
# there already stays as it is, so it is safe to repeat, after an upgrade that needs one more. `sandbox` as the second word
# makes the key of the pretend payment company, too.
#
# The folder is for its owner only; the files are for everybody who gets that far, as containers run as several users and
# Compose gives them the files as they are. Keep a copy elsewhere: without paysaga_vault_keys no stored secret opens, and
# without paysaga_payload_keys no running payment goes on.
set -eu

[ $# -ge 1 ] || { echo "usage: $0 FOLDER [sandbox]" >&2; exit 2; }
folder=$1
umask 077
mkdir -p "$folder"

hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
key() { head -c 32 /dev/urandom | base64; }

keep() {
    if [ ! -s "$folder/$1" ]; then
        rm -f "$folder/$1"
        printf '%s\n' "$2" >"$folder/$1"
        echo "made $1"
    fi
    chmod 0444 "$folder/$1"
}

# An empty file sets nothing. Compose insists on a file for each name.
maybe() {
    [ -e "$folder/$1" ] || : >"$folder/$1"
    chmod 0444 "$folder/$1"
}

# Passwords stand in addresses, so they are hexadecimal.
keep postgres_password "$(hex 24)"
keep paysaga_owner_password "$(hex 24)"
keep paysaga_runtime_password "$(hex 24)"
keep temporal_database_password "$(hex 24)"
keep grafana_admin_password "$(hex 16)"
keep paysaga_migration_database_url \
    "postgresql://paysaga_owner:$(cat "$folder/paysaga_owner_password")@postgres:5432/paysaga"
keep paysaga_database_url "postgresql://paysaga_runtime:$(cat "$folder/paysaga_runtime_password")@postgres:5432/paysaga"

# What each of them is, and how it is changed: docs/operations/keys.md.
keep paysaga_admin_key "adm_$(hex 32)"
keep paysaga_signing_keys "$(key)"
keep paysaga_audit_keys "$(key)"
keep paysaga_vault_keys "$(key)"
keep paysaga_payload_keys "$(key)"

maybe paysaga_previous_admin_key
maybe paysaga_redis_url
if [ "${2-}" = sandbox ]; then keep paysaga_sandbox_platform_key "$(hex 24)"; else maybe paysaga_sandbox_platform_key; fi
