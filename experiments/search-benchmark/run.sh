#!/usr/bin/env bash
# Every table of the benchmark of samplers: see README.md.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: experiments/search-benchmark/run.sh --out DIR [--samplers A,B,C] [--trials N] [--seeds N] [--jobs N] [TABLE ...]

  --out DIR         where replays, figures and pictures go, a folder for each table
  --samplers A,B,C  who takes part (default: all samplers of a search, ablations, and packages by themselves)
  --trials N        evaluations of each search (default: 200)
  --seeds N         searches with each sampler (default: 20)
  --jobs N          processes (default: 1)
  TABLE             macro-h100, macro-cpu, pool-h100, pool-rtx3080, own (default: all that are there)

Replays that are done are left out when it is run again. Exit code: that of the first table that fails, 2 for bad options.
TEXT
}

refuse() {
    echo "run.sh: $1" >&2
    exit 2
}

out='' samplers='' trials=200 seeds=20 jobs=1 chosen=()
while (($#)); do
    case $1 in
        --out | --samplers | --trials | --seeds | --jobs)
            (($# > 1)) || refuse "$1 needs a value"
            declare "${1#--}=$2"
            shift 2
            ;;
        -h | --help) usage && exit ;;
        macro-h100 | macro-cpu | pool-h100 | pool-rtx3080 | own) chosen+=("$1") && shift ;;
        *) refuse "unknown option or table '$1'; see --help" ;;
    esac
done
[[ $out ]] || refuse "--out DIR is needed"
case $out in /*) ;; *) out=$PWD/$out ;; esac
cd "$(dirname "$0")/../.."

export PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"
if command -v nas-search >/dev/null; then
    nas_search=(nas-search)
else
    nas_search=(python3 -c 'from nas_search.cli.main import main; main()')
fi
tables=experiments/search-benchmark/tables
own=experiments/search-table/recorded/table.csv

# Words with commas between them.
joined() {
    local IFS=,
    echo "$*"
}

macro_genes=$(joined embed_dim n_layer bias {mlp,heads}_{early,middle,late})
pool_genes=$(joined embed_dim n_layer bias {mlp,head}_{0..11})
# The genes of our own table stand before its column of architectures.
own_genes() { head -n 1 "$own" | sed 's/,architecture,.*//'; }
# What our models are told about its rows stands last.
own_features() { head -n 1 "$own" | sed 's/.*,latency_ms,//'; }

# bench NAME FILE GENES LOSS LATENCY [FEATURES]: one table.
bench() {
    local name=$1
    echo "== $name"
    mkdir -p "$out/$name"
    "${nas_search[@]}" bench search --table "$2" --genes "$3" --loss "$4" --latency "$5" \
        ${6:+--features "$6"} \
        ${samplers:+--samplers "$samplers"} --trials "$trials" --seeds "$seeds" --jobs "$jobs" --out "$out/$name" |
        tee "$out/$name/table.txt"
}

run() {
    case $1 in
        macro-h100) bench "$1" "$tables/hwgpt_s_macro.parquet" "$macro_genes" perplexity lat_h100_ms ;;
        macro-cpu) bench "$1" "$tables/hwgpt_s_macro.parquet" "$macro_genes" perplexity lat_cpu_alldlc_ms ;;
        pool-h100) bench "$1" "$tables/hwgpt_s_pool.parquet" "$pool_genes" perplexity lat_h100_ms ;;
        pool-rtx3080) bench "$1" "$tables/hwgpt_s_pool.parquet" "$pool_genes" perplexity lat_rtx3080_ms ;;
        own) bench "$1" "$own" "$(own_genes)" bits_per_byte_393216 latency_ms "$(own_features)" ;;
    esac
}

trap 'echo "run.sh: interrupted; the same command goes on" >&2; exit 130' INT TERM
if ((${#chosen[@]} == 0)); then
    chosen=(macro-h100 macro-cpu pool-h100 pool-rtx3080)
    if [[ -e $own ]]; then chosen+=(own); fi
fi
for name in "${chosen[@]}"; do run "$name"; done
