// Prints the document's faults as JSON lines and exits 1 when there are any.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const ERROR = 0; // the severity of @asyncapi/parser's diagnostics; 1 and above are advice
const { diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const faults = diagnostics.filter((diagnostic) => diagnostic.severity === ERROR);
for (const { code, message, path } of faults) console.log(JSON.stringify({ code, message, path }));
process.exit(faults.length ? 1 : 0);
