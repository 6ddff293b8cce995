#!/usr/bin/env bash
# Runs the tests on several Pythons, with the oldest and with the newest packages that pyproject.toml allows.
#
#   scripts/versions.sh                              # 3.11 oldest; 3.12, 3.13 and 3.14 newest: an hour or two
#   scripts/versions.sh 3.13:newest                  # one of them; a path to a Python works too
#   PYTEST_ARGS="tests/test_commands.py" scripts/versions.sh 3.11:oldest
#
# Needs `uv` (pip install uv), the Pythons, and 8 GB of disk for each environment. Everything stays in local/versions/.
set -u
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 3.11:oldest 3.12:newest 3.13:newest 3.14:newest
here=$PWD/local/versions
mkdir -p "$here"
declare -A resolution=([oldest]=lowest-direct [newest]=highest)
failed=0
for wanted in "$@"; do
    python=${wanted%:*} kind=${wanted##*:}
    if [ -z "${resolution[$kind]:-}" ]; then
        echo "$wanted: write PYTHON:oldest or PYTHON:newest" >&2
        exit 2
    fi
    name=$(basename "$python")-$kind
    log=$here/$name.log
    echo "$name: installing (see $log)"
    if uv venv --quiet --clear --python "$python" "$here/$name" &&
        uv pip install --python "$here/$name" --resolution "${resolution[$kind]}" --editable '.[dev,bible,fonts]' >"$log" 2>&1 &&
        echo "$name: testing" &&
        OMP_NUM_THREADS=1 "$here/$name/bin/python" -m pytest --numprocesses auto --dist loadfile ${PYTEST_ARGS:-} >>"$log" 2>&1; then
        echo "$name: $(tail -n 1 "$log")"
    else
        echo "$name: FAILED: $(tail -n 1 "$log")"
        failed=1
    fi
done
exit $failed
