#!/usr/bin/env bash
# Tests under Slurm: slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of test.py]
# The environment is read as by slurm_train.sh, which it runs.
if [ $# -lt 4 ]; then
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [options of test.py]" >&2
    exit 2
fi
MMKD_TOOL=test.py MMKD_CHECKPOINT="$4" exec bash "$(dirname "$0")/slurm_train.sh" "$@"
