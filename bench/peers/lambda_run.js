// Runs a Node handler as Lambda would: a first event, and then some more with other tokens; prints what it took.
"use strict";
const [, , module_, first, count] = process.argv;
(async () => {
  const began = performance.now();
  const { handler } = require(module_);
  const answer = await handler(JSON.parse(first));
  const started = performance.now() - began;
  console.log(JSON.stringify({ principal: answer.principalId, started }));
  const before = performance.now();
  const cpu = process.cpuUsage();
  for (let number = 0; number < Number(count); number++) {
    await handler({ ...JSON.parse(first), authorizationToken: `Bearer token-${number}` });
  }
  const spent = process.cpuUsage(cpu);
  console.log(JSON.stringify({ warm: (performance.now() - before) / count, cpu: (spent.user + spent.system) / 1000 / count }));
  process.exit(0);
})();
