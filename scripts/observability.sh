#!/bin/sh
# Check the dashboards and the alert rules, and run the tests of the rules.
set -eu
cd "$(dirname "$0")/.."
bin=$(scripts/prometheus.sh)
.venv/bin/python -m scripts.dashboards --check
"$bin/promtool" check rules k8s/components/monitoring/rules.yaml
"$bin/promtool" test rules k8s/components/monitoring/rules_test.yaml
