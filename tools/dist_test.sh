#!/usr/bin/env bash
# Tests on several GPUs: dist_test.sh CONFIG CHECKPOINT GPUS [options of test.py]
# Without a GPU: dist_test.sh CONFIG CHECKPOINT PROCESSES --cfg-options env_cfg.dist_cfg.backend=gloo
# NNODES, NODE_RANK, MASTER_ADDR and PORT are read from the environment.
set -e
if [ $# -lt 3 ]; then
    echo "usage: $0 CONFIG CHECKPOINT GPUS [options of test.py]" >&2
    exit 2
fi
TOOLS="$(cd "$(dirname "$0")" && pwd)"

PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}" \
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --nproc_per_node="$3" \
    --master_port="${PORT:-29500}" \
    "$TOOLS/test.py" "$1" "$2" --launcher pytorch "${@:4}"
