// Turns CEL's conformance data (npm package @bufbuild/cel-spec) into JSON lines that need no protobuf:
//
//   node convert.mjs PACKAGE_DIR > cases.jsonl
//
// A line: {"section", "name", "expr", "checked", "bindings": {name: value}} and one of "value",
// "error", "skip" (the reason why the case has no place in millrace's language).
// A value: {"int"|"uint"|"double"|"string"|"timestamp"|"duration"|"type": text}, {"bytes": hex},
// {"bool": boolean}, {"null": true}, {"list": [value]}, {"map": [[value, value]]}.

import { pathToFileURL } from "node:url";
import { join } from "node:path";

const SECTIONS = [
  "basic", "comparisons", "conversions", "fields", "fp_math", "integer_math", "lists", "logic",
  "macros", "macros2", "bindings_ext", "namespace", "parse", "plumbing", "string", "string_ext",
  "timestamps",
];
const MESSAGES = "protobuf messages";
const PREFIX = "type.googleapis.com/google.protobuf.";

class Skipped extends Error {}

function convertValue(value) {
  const [[kind, content]] = Object.entries(value);
  switch (kind) {
    case "nullValue": return { null: true };
    case "boolValue": return { bool: content };
    case "int64Value": return { int: content };
    case "uint64Value": return { uint: content };
    case "doubleValue": return { double: String(content) };
    case "stringValue": return { string: content };
    case "bytesValue": return { bytes: Buffer.from(content, "base64").toString("hex") };
    case "typeValue": return { type: content };
    case "listValue": return { list: (content.values ?? []).map(convertValue) };
    case "mapValue":
      return {
        map: (content.entries ?? []).map((e) => [convertValue(e.key), convertValue(e.value)]),
      };
    case "objectValue":
      if (content["@type"] === PREFIX + "Duration") return { duration: content.value };
      if (content["@type"] === PREFIX + "Timestamp") return { timestamp: content.value };
      throw new Skipped(MESSAGES);
    case "enumValue": throw new Skipped("enums");
    default: throw new Error(`unknown kind of value: ${kind}`);
  }
}

function convertCase(section, path, test) {
  const line = {
    section,
    name: [...path, test.name].join("/"),
    expr: test.expr,
    checked: !test.disableCheck,
    bindings: {},
  };
  try {
    const hasMessages =
      /TestAllTypes|GlobalEnum|google\.protobuf\.\w+\s*\{|single_int64/.test(test.expr);
    if (hasMessages) throw new Skipped(MESSAGES);
    if (test.container) throw new Skipped("containers (name spaces)");
    for (const [name, bound] of Object.entries(test.bindings ?? {})) {
      line.bindings[name] = convertValue(bound.value);
    }
    if (test.evalError) {
      line.error = test.evalError.errors.map((e) => e.message).join("; ");
    } else {
      line.value = test.value ? convertValue(test.value) : { bool: true };
    }
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    line.skip = error.message;
  }
  return line;
}

function* casesOf(section, suite, path) {
  for (const test of suite.tests ?? []) yield convertCase(section, path, test.original);
  for (const inner of suite.suites ?? []) yield* casesOf(section, inner, [...path, inner.name]);
}

const data = pathToFileURL(join(process.argv[2], "dist/esm/testdata/conformance.js"));
const { tests } = await import(data);
for (const section of SECTIONS) {
  const suite = tests.suites.find((s) => s.name === section);
  if (!suite) throw new Error(`the package has no section ${section}`);
  for (const line of casesOf(section, suite, [])) console.log(JSON.stringify(line));
}
