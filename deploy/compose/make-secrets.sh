#!/bin/sh
# Makes the secrets of this fleet in ./secrets, once: what is there stays. The folder is for its owner alone; the files in it are
# readable, because each container reads them as a user of its own.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

write() {
  [ -e "secrets/$1" ] || printf '%s\n' "$2" > "secrets/$1"
}

write postgres-password "$(random)"
write database-url "postgres://tidings:$(cat secrets/postgres-password)@postgres:5432/tidings"
write nats-user tidings
write nats-password "p$(random)"
write nats-authorization.conf "authorization { user: \"$(cat secrets/nats-user)\", password: \"$(cat secrets/nats-password)\" }"
chmod 0644 secrets/*
