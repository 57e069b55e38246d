#!/bin/sh
# Run all tests: unit, integration, end to end. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
echo "Tests start real PostgreSQL, Valkey and SeaweedFS in temporary directories."
echo "At the first time, the demo's models and videos are fetched: at most 170 MB."
exec .venv/bin/python -m pytest "$@"
