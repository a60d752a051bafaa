#!/bin/sh
# A function is told by the name of its handler, a job of Batch by a command that begins with python.
if [ "$1" = python ]; then
  cd "${LAMBDA_TASK_ROOT}" || exit 1
  exec "$@"
fi
exec /lambda-entrypoint.sh "$@"
