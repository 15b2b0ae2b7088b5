#!/usr/bin/env bash
# Tests on several GPUs: dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# Without a GPU: dist_test.sh CONFIG CHECKPOINT PROCESSES --cfg-options env_cfg.dist_cfg.backend=gloo
# The environment is read as by dist_train.sh, which it runs.
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [options of test.py]" >&2
    exit 2
fi
MMKD_TOOL=test.py exec bash "$(dirname "$0")/dist_train.sh" "$1" "$3" "$2" "${@:4}"
