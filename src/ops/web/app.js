"use strict";
// The status page. Every second it asks the HTTP API and draws what it finds; what is missing in an
// answer is left out. Text only ever enters the page as text nodes.

const kPollMs = 1000;
const kSlowPollEvery = 5;       // lake and features change slowly
const kHistoryMax = 60;         // samples per pipeline, one a poll
const kRateSamples = 5;         // a rate is over this many samples
const kRowsMax = 20;            // of lake files and open windows

const list = (value) => (Array.isArray(value) ? value : []);
const object = (value) =>
  value && typeof value === "object" && !Array.isArray(value) ? value : {};
const number = (value) => (typeof value === "number" && isFinite(value) ? value : 0);
const text = (value, otherwise = "") =>
  value === null || value === undefined || value === "" ? otherwise : String(value);
const objects = (value) => list(value).filter((entry) => entry && typeof entry === "object");
const sum = (values) => values.reduce((total, value) => total + number(value), 0);

function element(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const count = (value) => grouped.format(number(value));
const counted = (value, noun) => count(value) + " " + noun + (number(value) === 1 ? "" : "s");

function short_count(value) {
  for (const [bound, unit] of [[1e9, "G"], [1e6, "M"], [1e5, "k"]]) {
    if (value < bound) continue;
    const scaled = value / (unit === "k" ? 1e3 : bound);
    return scaled.toFixed(scaled < 100 ? 1 : 0) + " " + unit;
  }
  return count(value);
}

function bytes(value) {
  let rest = number(value);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (rest < 1024) return rest.toFixed(unit === "B" || rest >= 100 ? 0 : 1) + " " + unit;
    rest /= 1024;
  }
  return rest.toFixed(1) + " TiB";
}

function duration(ms) {
  const seconds = Math.floor(number(ms) / 1000);
  if (seconds < 60) return seconds + " s";
  const minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  if (hours === 0) return minutes + " min " + (seconds % 60) + " s";
  if (hours < 24) return hours + " h " + (minutes % 60) + " min";
  return Math.floor(hours / 24) + " d " + (hours % 24) + " h";
}

// "2012-06-21T13:29:31.000Z" -> "2012-06-21 13:29:31"; all times are UTC.
const moment = (value) => text(value, "none yet").replace("T", " ").replace(/(\.\d+)?Z$/, "");

function tone(state) {
  if (/^(running|ready|done|committed)$/.test(state)) return "pill good";
  if (/(fail|error|stopped|lost|fenced)/.test(state)) return "pill bad";
  return "pill warn";
}

const pill = (state) => element("span", { class: tone(state) }, state);

// columns: [title, cell of a row, class?]
function table(columns, rows) {
  const head = columns.map(([title, , style]) =>
    element("th", { class: style, scope: "col" }, title));
  const body = rows.map((row) =>
    element("tr", null,
      columns.map(([, cell, style]) => element("td", { class: style }, cell(row)))));
  return element("div", { class: "scroll" },
    element("table", null,
      element("thead", null, element("tr", null, head)), element("tbody", null, body)));
}

const fact = (label, value, style) =>
  element("div", null, element("dt", null, label), element("dd", { class: style }, value));

// Samples of a pipeline's input counter; a counter that falls (a restart) starts anew.
const histories = new Map();

function remember(name, events) {
  const history = histories.get(name) || [];
  if (history.length > 0 && history[history.length - 1].events > events) history.length = 0;
  history.push({ at_ms: performance.now(), events });
  if (history.length > kHistoryMax) history.shift();
  histories.set(name, history);
}

function rate_at(history, index) {
  const from = history[Math.max(0, index - kRateSamples)];
  const to = history[index];
  if (!to || to.at_ms <= from.at_ms) return 0;
  return ((to.events - from.events) * 1000) / (to.at_ms - from.at_ms);
}

const rate_now = (name) => {
  const history = histories.get(name) || [];
  return history.length > 0 ? rate_at(history, history.length - 1) : 0;
};

function sparkline(name) {
  const history = histories.get(name) || [];
  const rates = history.map((_, index) => rate_at(history, index)).slice(1);
  if (rates.length < 2) return null;
  const width = 220, height = 40, top = Math.max(1, ...rates);
  const step = width / (kHistoryMax - 2);
  const points = rates.map((rate, index) => {
    const x = width - (rates.length - 1 - index) * step;
    return x.toFixed(1) + "," + (height - 1 - (rate / top) * (height - 4)).toFixed(1);
  });
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "events per second over the last minute, at most " + count(top));
  const left = (width - (rates.length - 1) * step).toFixed(1);
  for (const [style, d] of [
    ["area", `M${left},${height} L${points.join(" L")} L${width},${height} Z`],
    ["line", `M${points.join(" L")}`]]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("class", style);
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}

const tasks_of = (pipeline) =>
  objects(pipeline.stages).flatMap((stage) =>
    objects(stage.tasks).map((task) => ({ stage: text(stage.stage), ...task })));
const lag_of = (pipeline) => sum(tasks_of(pipeline).map((task) => task.lag));
const dead_letters_of = (pipeline) => object(object(pipeline.counters).dead_letters);
const dead_letter_count = (pipeline) => sum(Object.values(dead_letters_of(pipeline)));

// The slowest task's: RFC 3339 in UTC sorts as text.
function watermark_of(pipeline) {
  const marks = tasks_of(pipeline).map((task) => task.watermark).filter(Boolean).map(String).sort();
  return marks.length > 0 ? marks[0] : null;
}

function draw_header(status) {
  const state = text(status.state, "unknown");
  const pill = document.getElementById("state");
  pill.textContent = state;
  pill.className = tone(state);
  document.getElementById("about").textContent = [
    status.version ? "version " + status.version : "",
    status.uptime_ms === undefined ? "" : "up " + duration(status.uptime_ms),
    text(status.data),
    status.pid ? "pid " + status.pid : "",
  ].filter(Boolean).join("  \u00b7  ");
}

function draw_tiles(status) {
  const pipelines = objects(status.pipelines);
  const log = object(status.log);
  const dead = sum(pipelines.map(dead_letter_count));
  const tiles = [
    ["events/s", short_count(sum(pipelines.map((p) => rate_now(text(p.pipeline)))))],
    ["lag", short_count(sum(pipelines.map(lag_of)))],
    ["dead letters", short_count(dead), dead > 0 ? "alert" : ""],
    ["duplicates", short_count(sum(pipelines.map((p) => object(p.counters).duplicates)))],
    ["log commits", short_count(number(log.commits))],
    ["log on disk", bytes(number(log.wal_bytes) + number(log.segment_bytes))],
  ];
  document.getElementById("tiles").replaceChildren(...tiles.map(([label, value, style]) =>
    element("div", { class: "tile " + (style || "") },
      element("div", { class: "value" }, value), element("div", { class: "label" }, label))));
}

function draw_open_windows(tasks) {
  const windows = tasks.flatMap((task) =>
    objects(task.open_windows).map((window) => ({ partition: task.partition, ...window })));
  if (windows.length === 0) return null;
  const rest = windows.length - kRowsMax;
  return [
    element("h3", null, "Open windows"),
    table([
      ["window", (w) => text(w.window)],
      ["start", (w) => moment(w.window_start)],
      ["end", (w) => moment(w.window_end)],
      ["partition", (w) => text(w.partition), "number"],
      ["keys", (w) => count(w.keys), "number"],
      ["waits for", (w) => text(w.waits_for, "\u2013"), "wide"],
    ], windows.slice(0, kRowsMax)),
    rest > 0 ? element("p", { class: "quiet small" }, "and " + count(rest) + " more") : null,
  ];
}

const opened = new Set();  // keys of <details> the reader has opened, kept over redraws

function details(key, title, content) {
  const node = element("details", { open: opened.has(key) ? "" : null },
    element("summary", null, title), content);
  node.addEventListener("toggle", () => (node.open ? opened.add(key) : opened.delete(key)));
  return node;
}

function draw_pipeline(pipeline) {
  const name = text(pipeline.pipeline, "pipeline");
  const counters = object(pipeline.counters);
  const tasks = tasks_of(pipeline);
  const dead = dead_letters_of(pipeline);
  const dead_count = dead_letter_count(pipeline);
  const windows_open = sum(tasks.map((task) => list(task.open_windows).length));
  const watermark = watermark_of(pipeline);
  return element("article", { class: "card" },
    element("div", { class: "top" },
      element("h2", null, name),
      pipeline.version === undefined ? null
        : element("span", { class: "quiet" }, "version " + pipeline.version),
      pill(text(pipeline.state, "unknown")),
      sparkline(name)),
    element("dl", { class: "facts" },
      fact("events/s", short_count(rate_now(name))),
      fact("in", count(counters.in)),
      fact("out", count(counters.out)),
      fact("lag", count(lag_of(pipeline))),
      element("div", { class: "double" }, element("dt", null, "watermark"),
        element("dd", null, moment(watermark), watermark ? element("small", null, " UTC") : null)),
      fact("windows open", count(windows_open)),
      fact("windows fired", count(counters.windows)),
      fact("late", count(counters.late)),
      fact("duplicates", count(counters.duplicates)),
      fact("dead letters", count(dead_count), dead_count > 0 ? "alert" : null)),
    dead_count > 0 ? [
      element("h3", null, "Dead letters by cause"),
      element("ul", { class: "causes" }, Object.entries(dead).filter(([, n]) => number(n) > 0)
        .sort((a, b) => b[1] - a[1])
        .map(([cause, n]) => element("li", { class: "pill bad" }, cause + "  " + count(n)))),
    ] : null,
    draw_open_windows(tasks),
    tasks.length === 0 ? null : details("tasks of " + name, counted(tasks.length, "task"),
      table([
        ["stage", (t) => text(t.stage)],
        ["partition", (t) => text(t.partition), "number"],
        ["next offset", (t) => count(t.next_offset), "number"],
        ["high watermark", (t) => count(t.high_watermark), "number"],
        ["lag", (t) => count(t.lag), "number"],
        ["event-time watermark", (t) => moment(t.watermark)],
        ["windows open", (t) => count(list(t.open_windows).length), "number"],
      ], tasks)));
}

function draw_pipelines(status) {
  const pipelines = objects(status.pipelines);
  const cards = pipelines.length > 0 ? pipelines.map(draw_pipeline)
    : [element("p", { class: "card quiet" }, "No pipeline is running.")];
  document.getElementById("pipelines").replaceChildren(...cards);
}

function draw_card(id, title, note, content) {
  const section = document.getElementById(id);
  if (!content) return section.replaceChildren();
  section.replaceChildren(element("article", { class: "card" },
    element("div", { class: "top" }, element("h2", null, title),
      note ? element("span", { class: "quiet small" }, note) : null),
    content));
}

function draw_topics(answer) {
  const topics = objects(answer.topics);
  const own = topics.filter((topic) => !topic.internal);
  const internal = topics.filter((topic) => topic.internal);
  const columns = [
    ["topic", (t) => text(t.topic)],
    ["partitions", (t) => count(t.partitions), "number"],
    ["records", (t) => count(t.records), "number"],
    ["bytes", (t) => bytes(t.bytes), "number"],
    ["offsets", (t) => objects(t.offsets)
      .map((o) => count(o.start) + "\u2013" + count(o.high_watermark)).join("   "), "wide quiet"],
    ["", (t) => (t.compacted ? element("span", { class: "pill" }, "compacted") : "")],
  ];
  draw_card("topics", "Topics", "", topics.length === 0 ? null : [
    own.length > 0 ? table(columns, own) : "",
    internal.length === 0 ? ""
      : details("internal topics", counted(internal.length, "internal topic"),
        table(columns, internal)),
  ]);
}

function draw_lake(answer) {
  const files = objects(answer.files);
  const rest = files.length - kRowsMax;
  draw_card("lake", "Lake files",
    counted(files.length, "file") + ", " + counted(sum(files.map((f) => f.rows)), "row") + ", " +
      bytes(sum(files.map((f) => f.bytes))),
    files.length === 0 ? null : [
      table([
        ["sink", (f) => text(f.sink)],
        ["partition", (f) => text(f.partition), "number"],
        ["path", (f) => text(f.path), "path"],
        ["offsets", (f) => count(f.first_offset) + "\u2013" + count(f.next_offset), "number"],
        ["rows", (f) => count(f.rows), "number"],
        ["bytes", (f) => bytes(f.bytes), "number"],
        ["state", (f) => (f.state ? pill(text(f.state)) : "")],
      ], files.slice(-kRowsMax).reverse()),
      rest > 0 ? element("p", { class: "quiet small" }, "and " + count(rest) + " older ones") : "",
    ]);
}

function draw_features(answer) {
  const groups = objects(answer.groups);
  draw_card("features", "Feature groups", "", groups.length === 0 ? null : table([
    ["group", (g) => text(g.feature_group)],
    ["records", (g) => count(g.records), "number"],
    ["features", (g) => list(g.features).map((f) => text(object(f).name, text(f))).join(", "),
      "wide quiet"],
  ], groups));
}

async function ask(path) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(path + " answered " + response.status);
  return object(await response.json());
}

// A part that is not there, or not there any more, is left out of the page.
const ask_if_present = (path) => ask(path).catch(() => ({}));

const drawn = new Map();

// Draws only what changed: a redraw would take the reader's selection and scroll position away.
function draw_if_changed(key, answer, draw) {
  const image = JSON.stringify(answer);
  if (drawn.get(key) === image) return;
  drawn.set(key, image);
  draw(answer);
}

function show_notice(message) {
  const notice = document.getElementById("notice");
  notice.hidden = !message;
  notice.textContent = message;
}

let polls = 0;

async function poll() {
  const [status, topics] =
    await Promise.all([ask("/api/v1/status"), ask_if_present("/api/v1/topics")]);
  for (const pipeline of objects(status.pipelines)) {
    remember(text(pipeline.pipeline, "pipeline"), number(object(pipeline.counters).in));
  }
  draw_header(status);
  draw_tiles(status);
  draw_pipelines(status);
  draw_if_changed("topics", topics, draw_topics);
  const notes = list(object(status.recovery).notes).map((note) => text(note));
  show_notice(notes.length > 0 ? "Recovery: " + notes.join("; ") : "");
  if (polls++ % kSlowPollEvery === 0) {
    const [lake, features] =
      await Promise.all([ask_if_present("/api/v1/lake"), ask_if_present("/api/v1/features")]);
    draw_if_changed("lake", lake, draw_lake);
    draw_if_changed("features", features, draw_features);
  }
}

async function run() {
  while (true) {
    if (!document.hidden) {
      try {
        await poll();
      } catch (error) {
        const pill = document.getElementById("state");
        pill.textContent = "no answer";
        pill.className = "pill bad";
        show_notice("No answer from the server (" + error.message + "); trying again.");
      }
    }
    await new Promise((resolve) => setTimeout(resolve, kPollMs));
  }
}

run();
