#!/usr/bin/env bash
# Everything that needs a GPU, the most valuable results first: see README.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: experiments/h100/run.sh --out DIR [--device NAME] [--minutes N] [--dry-run]

  --out DIR      where results, logs and done markers go
  --device NAME  h100, cuda, cuda:1 and so on (default: cuda)
  --minutes N    end after so many minutes (default: no limit)
  --dry-run      print the commands and run nothing

Steps that are done are left out when it is run again. Exit code: 0 if all steps are done, 1 if not, 2 for bad options.
TEXT
}

refuse() {
    echo "run.sh: $1" >&2
    exit 2
}

out='' device='cuda' minutes='' dry_run=''
while (($#)); do
    case $1 in
        --out | --device | --minutes)
            (($# > 1)) || refuse "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        --dry-run) dry_run=yes && shift ;;
        -h | --help) usage && exit ;;
        *) refuse "unknown option '$1'; there are --out, --device, --minutes and --dry-run" ;;
    esac
done
[[ $out ]] || refuse "--out DIR is needed"
[[ $minutes =~ ^([1-9][0-9]*)?$ ]] || refuse "--minutes $minutes: a whole number of at least 1 is needed"

case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")/../.."
# Works without installation and without a network.
export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" HF_HUB_OFFLINE=1
if command -v nas-search >/dev/null; then
    nas_search=(nas-search)
else
    nas_search=(python3 -c 'from nas_search.cli.main import main; main()')
fi
here=experiments/h100
imports='import torch, triton, transformers as hf, optuna, nas_search
print(torch.cuda.get_device_name(), *(m.__name__ + " " + m.__version__ for m in (torch, triton, hf, optuna, nas_search)))'
table=$out/paper.parquet
unfinished=()

# Seconds until the end; a day if there is none.
seconds_left() {
    if [[ $minutes ]]; then echo $((60 * minutes - SECONDS)); else echo 86400; fi
}

# step NAME COMMAND...: unless it is done. What fails or runs out of time is noted, and may go on when it is run again.
step() {
    local name=$1 status left
    shift
    if [[ $dry_run ]]; then
        printf '%s:' "$name" && printf ' %q' "$@" && echo
        return
    fi
    if [[ -e $out/done/$name ]]; then
        echo "== $name: done before"
        return
    fi
    left=$(seconds_left)
    if ((left <= 0)); then
        unfinished+=("$name (no time left)")
        return
    fi
    echo "== $name: $*"
    status=0
    # An interrupted command stops in order, as after Ctrl-C; it gets a minute for that.
    timeout --foreground --signal=INT --kill-after=60 "$left" "$@" 2>&1 | tee -ia "$out/logs/$name.log" || status=$?
    if ((status == 0)); then
        touch "$out/done/$name"
    else
        echo "== $name: exit code $status"
        unfinished+=("$name (exit code $status)")
    fi
}

# The search stops proposing early enough for its confirmation: after two thirds of the time that is left.
search_hours() {
    awk -v seconds="$(seconds_left)" 'BEGIN { printf "%.3f", (seconds > 60 ? seconds : 60) * 2 / 3 / 3600 }'
}

trap 'echo "run.sh: interrupted; the same command goes on" >&2; exit 130' INT TERM
[[ $dry_run ]] || mkdir -p "$out/done" "$out/logs"

step doctor "${nas_search[@]}" doctor
step devices "${nas_search[@]}" devices
step imports python3 -c "$imports"
step tests python3 -m pytest -q -m gpu
step tiny-table "${nas_search[@]}" table record --space "$here/tiny.yaml" --device "$device" --networks 8 \
    --workload decode:256 --workload throughput:4096 --out "$out/tiny.parquet"
step paper-table "${nas_search[@]}" table record --space paper --device "$device" \
    --workload generate:8192,prompt=1 --workload throughput:32768 --workload prefill:512 --workload decode:8704 \
    --out "$table"
step paper-latency python3 experiments/paper-latency/measure.py --device "$device" --out "$out/paper-latency"
step table-check "${nas_search[@]}" table check "$table" --device "$device" --networks 50
step kernels python3 experiments/benchmarks/gpu_operators.py --out "$out/gpu_operators.json"
step search "${nas_search[@]}" --device "$device" --config "$here/search.yaml" --table "$table" \
    --hours "$(search_hours)" --run "$out/search"

if ((${#unfinished[@]})); then
    printf 'not finished: %s\n' "${unfinished[@]}" >&2
    exit 1
fi
