#!/bin/sh
# Makes our namespace with its search attributes; safe to repeat. A workflow that sets an attribute nobody registered would
# hang, so this comes before the first worker. Address and namespace are in TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE.
set -eu

tries=60
until temporal operator cluster health >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "Temporal at $TEMPORAL_ADDRESS is not healthy" >&2; exit 1; }
    sleep 1
done

# Creating a namespace twice is an error; creating a search attribute twice is not. The pause between the two lets the
# server learn of the new namespace.
if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 30d
fi

tries=30
until temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
    --name TenantId --type Keyword \
    --name PaymentStatus --type Keyword \
    --name Provider --type Keyword \
    --name ProviderReference --type Keyword \
    --name Currency --type Keyword \
    --name AmountMinor --type Int \
    --name DueAt --type Datetime; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || exit 1
    sleep 1
done
