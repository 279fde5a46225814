#!/usr/bin/env bash
# Judges the files of deploy/ by the programs that read them. Needs Debian or those programs; installs nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
source test/deploy/debian.sh
gateway=
trap '[ -z "$gateway" ] || kill "$gateway"; wait; rm -rf "$scratch"' EXIT

echo "alerts, and the dashboard's expressions as rules"
promtool=$(program_of prometheus promtool)
"$promtool" check rules deploy/alerts.yaml
node - >"$scratch/dashboard.json" <<'JS'
const { panels } = JSON.parse(require("node:fs").readFileSync("deploy/grafana.json", "utf8"));
const exprs = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr.replaceAll("$__rate_interval", "5m").replaceAll("$job", ".*")));
console.log(JSON.stringify({ groups: [{ name: "dashboard", rules: exprs.map((expr, index) => ({ record: `panel:${index}`, expr })) }] }));
JS
"$promtool" check rules "$scratch/dashboard.json"

echo "/metrics of a gateway"
npm run --silent build
PORT=0 PICTOR_DATA=$scratch/data PICTOR_API_KEYS=key node dist/src/main.js serve --workers 0 >"$scratch/log" 2>"$scratch/said" &
gateway=$!
for _ in $(seq 200); do grep -q 'pictor listens' "$scratch/said" && break; sleep 0.1; done
url=$(sed -n 's/.*pictor listens on \([^;]*\);.*/\1/p' "$scratch/said")
curl -fs "$url/v1/images/generations" -H "authorization: Bearer key" -H "content-type: application/json" -d '{"model":"demo","prompt":"a lighthouse"}' -o /dev/null
# Node's own metrics, of the library, are linted by those who wrote them.
curl -fs "$url/metrics" | grep -E '^(# (HELP|TYPE) )?pictor_' | "$promtool" check metrics

echo "the unit of systemd"
if command -v systemd-analyze >/dev/null; then
  sed 's|^ExecStart=.*|ExecStart=/bin/true|' deploy/pictor.service >"$scratch/pictor.service"
  systemd-analyze verify "$scratch/pictor.service"
  systemd-analyze security --offline=true --threshold=20 "$scratch/pictor.service" >"$scratch/security" || { tail -3 "$scratch/security"; exit 1; }
else
  echo "not judged: there is no systemd-analyze"
fi

echo "kubernetes"
if command -v kubectl >/dev/null; then kubectl kustomize deploy/kubernetes >/dev/null; else echo "not built: there is no kubectl"; fi
