#!/bin/bash
# Time a command in a container with as little overhead as possible: bakery/benchmarks/startup.py explains the figures.
# Prints the times of the shell and of its children, then when bash forked, and when the command began and ended.
exec 3>/dev/shm/began
fork=$EPOCHREALTIME
(echo "$EPOCHREALTIME" >&3; exec "$@" >/dev/null 3>&-)
code=$? end=$EPOCHREALTIME
times
read -r began </dev/shm/began
echo "fork $fork exec $began end $end"
exit $code
