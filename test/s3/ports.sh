# Finds ports that are free at the moment.
ports() {
  node -e 'const n = require("net"); const s = Array.from({ length: +process.argv[1] }, () => n.createServer().listen(0, "127.0.0.1"));
    Promise.all(s.map((one) => new Promise((done) => one.once("listening", done)))).then(() => {
      console.log(s.map((one) => one.address().port).join(" ")); s.forEach((one) => one.close()); });' "$1"
}
