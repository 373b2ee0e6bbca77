// The reader's Node: one context for a page. Names may be declared again, and `await` stands anywhere.

import { Session } from "node:inspector/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { createInterface } from "node:readline";
import { format } from "node:util";

const session = new Session();
session.connect();

const near = pathToFileURL(process.cwd() + "/page.mjs").href;
globalThis.require = createRequire(near);
// The inspector cannot import by itself.
globalThis.__import = (name) => (/^[./]/.test(name) ? import(new URL(name, near)) : import(name));

let printed = "";
for (const channel of ["log", "info", "error", "warn"]) {
  console[channel] = (...words) => {
    printed += format(...words) + "\n";
  };
}

function asScript(code) {
  return code
    .replace(/^import\s+([\s\S]*?)\s+from\s+(["'][^"']+["']);?/gm, (_, names, from) => binding(names, from))
    .replace(/^import\s+(["'][^"']+["']);?/gm, "await __import($1);")
    .replace(/\bimport\(/g, "__import(")
    .replace(/^export\s+(default\s+)?/gm, "");
}

function binding(names, from) {
  if (names.startsWith("*")) return `const ${names.replace(/\*\s+as\s+/, "")} = await __import(${from});`;
  const [, plain, several] = /^(\w+)?\s*,?\s*(\{[\s\S]*\})?$/.exec(names);
  const taken = several ? several.replace(/\bas\b/g, ":").slice(1, -1) : "";
  return `const { ${plain ? `default: ${plain}, ` : ""}${taken} } = await __import(${from});`;
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  Object.assign(process.env, asked.env);
  printed = "";
  const { exceptionDetails } = await session.post("Runtime.evaluate", {
    expression: `${asScript(asked.code)}\n//# sourceURL=${asked.place}`,
    replMode: true,
    awaitPromise: true,
  });
  const failure = exceptionDetails ? exceptionDetails.exception?.description ?? exceptionDetails.text : null;
  process.stdout.write(JSON.stringify({ reader: { printed, failure } }) + "\n");
}
process.exit(0);
