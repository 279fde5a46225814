# What the scripts with real services share: programs and ports to find, processes to end.
has_all() {
  local program
  for program in "$@"; do command -v "$program" >/dev/null || return 1; done
}

# So many ports that are free at the moment.
ports() {
  node -e 'const n = require("net"); const s = Array.from({ length: +process.argv[1] }, () => n.createServer().listen(0, "127.0.0.1"));
    Promise.all(s.map((one) => new Promise((done) => one.once("listening", done)))).then(() => {
      console.log(s.map((one) => one.address().port).join(" ")); s.forEach((one) => one.close()); });' "$1"
}

# Ends the processes of these pid files and waits for them, ten seconds at most.
end_services() {
  local pid pids=()
  # A process that ends removes its file.
  mapfile -t pids < <(cat "$@" 2>/dev/null | tr -s ' \n' '\n')
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || continue 2; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
}
