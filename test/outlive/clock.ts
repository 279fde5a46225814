// Loaded before everything else in a process whose clock jumps: an hour forth with SIGUSR2, and back again with the next.
let isAhead = false;
const now = Date.now.bind(Date);
Date.now = () => now() + (isAhead ? 3_600_000 : 0);
process.on("SIGUSR2", () => (isAhead = !isAhead));
