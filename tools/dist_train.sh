#!/usr/bin/env bash
# Trains on several GPUs: dist_train.sh CONFIG GPUS [options of train.py]
# Without a GPU: dist_train.sh CONFIG PROCESSES --cfg-options env_cfg.dist_cfg.backend=gloo
# NNODES, NODE_RANK, MASTER_ADDR and PORT are read from the environment.
set -e
if [ $# -lt 2 ]; then
    echo "usage: $0 CONFIG GPUS [options of train.py]" >&2
    exit 2
fi
TOOLS="$(cd "$(dirname "$0")" && pwd)"

PYTHONPATH="$TOOLS/..${PYTHONPATH:+:$PYTHONPATH}" \
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --nproc_per_node="$2" \
    --master_port="${PORT:-29500}" \
    "$TOOLS/${MMKD_TOOL:-train.py}" "$1" --launcher pytorch "${@:3}"
