#!/bin/sh
# A log that is told records and says acks: log.sh run DIRECTORY [no-sync], and log.sh dump DIRECTORY, which prints
# what is there. A file for each record, which gets its name when it is whole and durable.
# With no-sync that name is not yet durable when it says ack: `chaoswal explore` finds what that loses.
set -eu
cd "$2"

case $1 in
run)
    count=0
    for file in [0-9]*; do
        [ -e "$file" ] && count=$((count + 1))
    done
    told=0
    while read -r record; do
        printf '%s\n' "$record" >next
        sync next
        mv next "$(printf '%08d' "$count")"
        [ "${3-}" = no-sync ] || sync .
        count=$((count + 1)) told=$((told + 1))
        echo "ack $told"
    done
    ;;
dump)
    for file in [0-9]*; do
        [ -e "$file" ] && cat "$file"
    done
    exit 0
    ;;
esac
