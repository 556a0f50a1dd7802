// Runs a Node handler as Lambda would: a first event, and then the others; prints what it took.
"use strict";
const [, , events, module_] = process.argv;
const [first, ...others] = JSON.parse(require("fs").readFileSync(events, "utf8"));
const spent = (since) => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};
const said = (answer) => answer.context.Authorization ?? answer.context.token;
(async () => {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const { handler } = require(module_);
  const context = said(await handler(first));
  const started = performance.now() - began;
  console.log(JSON.stringify({ context, started, started_cpu: spent(cpu), cpu: spent() }));
  const walls = [];
  const idle = process.cpuUsage();
  for (const event of others) {
    const before = performance.now();
    await handler(event);
    walls.push(performance.now() - before);
  }
  const wall = walls.sort((one, other) => one - other)[walls.length >> 1];
  console.log(JSON.stringify({ wall, cpu: spent(idle) / others.length }));
  process.exit(0);
})();
