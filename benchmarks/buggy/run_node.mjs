// Runs the bugs of a program under the real JavaScript SDKs and prints each event as a line of JSON.
// In Node: @sentry/node. As a page would: @sentry/browser, on a bundle that stands at a web address.
import fs from "node:fs";
import vm from "node:vm";
import { pathToFileURL } from "node:url";

const order = JSON.parse(fs.readFileSync(0, "utf8"));
const Sentry = await import(pathToFileURL(order.sdk).href);
const WORDS = "amber birch cedar delta ember flint grove hazel iris jade koral linden maple nettle onyx pearl".split(" ");
const sent = [];

Sentry.init({
  dsn: "http://key@127.0.0.1:9/1",
  defaultIntegrations: order.address ? [Sentry.linkedErrorsIntegration(), Sentry.dedupeIntegration()] : undefined,
  transport: () => ({
    send: async ([, items]) => {
      for (const [header, payload] of items) if (header.type === "event") sent.push(payload);
      return {};
    },
    flush: async () => true,
  }),
});

function values(seed) {
  const pick = (step) => WORDS[(seed * step) % WORDS.length];
  return { id: 7 + seed * 13, amount: 3.5 + seed * 2.25, word: pick(3) + pick(5), name: pick(7) };
}

let bugs;
if (order.address) {
  vm.runInThisContext(fs.readFileSync(order.program, "utf8"), { filename: order.address });
  bugs = globalThis.bugs;
} else {
  bugs = await import(pathToFileURL(order.program).href);
}
for (const entry of order.entries) {
  try {
    await bugs[order.prefix + entry](values(order.seed));
  } catch (error) {
    Sentry.withScope((scope) => {
      scope.setTag("bug", entry);
      Sentry.captureException(error);
    });
  }
}
for (let waits = 0; waits < 500 && sent.length < order.entries.length; waits++) await new Promise((done) => setTimeout(done, 10));
for (const event of sent) fs.appendFileSync(order.output, JSON.stringify({ label: event.tags.bug, event }) + "\n");
process.exit(0);
